"""Sources written as a line of text: `A:"text"@-1/L8 - A:"other"@-1/L8`; one language for app, command line and API.

    expression := ["-"] term {("+" | "-") term}
    term       := [number "*"] factor
    factor     := "(" expression ")" | place | latent | call
    place      := [subject ":"] (string | "[" id {"," id} "]") ["@" (position | [first] ".." [end])] ["/" layer]
    latent     := ["sae:"] [sae] "#" index
    call       := "mean(" where ")" | "random(" where ["," "seed=" n] ")" | "ablate(" expression {"," latent} ")"
                | "file(" string ["," string] ["," row] ["," where] ")" | "map(" name "," expression ["," "wash=" x] ")"
    where      := [subject ":"] layer
    layer      := "L" index

Strings are JSON strings; a name that holds other characters than letters, digits, `_`, `.` and inner `-` stands between
backticks. A span ends before its second number.
"""

from investigator.expressions.completion import Names, complete
from investigator.expressions.errors import ExpressionError
from investigator.expressions.parser import parse
from investigator.expressions.printer import named, show

__all__ = ["ExpressionError", "Names", "complete", "named", "parse", "show"]
