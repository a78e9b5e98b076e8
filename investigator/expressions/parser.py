"""From tokens to a source, by recursive descent."""

from __future__ import annotations

import math
from collections.abc import Callable

from investigator.expressions.lexer import Lexeme
from investigator.expressions.reading import Reading
from investigator.expressions.sums import Term, summed
from investigator.sources import (
    DEEPEST,
    MOST_PARTS,
    Ablated,
    Decoder,
    Mapped,
    Mean,
    Prompted,
    Random,
    Residual,
    Source,
    Stored,
    size,
)

FUNCTIONS = ("mean", "random", "ablate", "file", "map")
_FACTOR = 'Write a text such as "text"@-1/L3, a latent such as l3#12, or mean(L3).'


def parse(text: str) -> Source:
    """Return the source that an expression describes; raise ExpressionError naming the place where it describes none.

    Texts stay texts: the backend tokenises them when it is asked.
    """
    parser = _Parser(text)
    source = parser.expression()
    parser.finish()
    return source


class _Parser(Reading):
    """The grammar, one method a rule."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.depth = 0

    # Sums

    def expression(self) -> Source:
        """Read a sum; one source alone is itself, one minus another their difference."""
        start = self.next.at
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.fail("This lies too deep in brackets", f"Write at most {DEEPEST} within each other.")
        terms = [self.term(self.sign())]
        while self.is_mark("+", "-"):
            terms.append(self.term(self.sign()))
            if len(terms) > MOST_PARTS:
                raise self.fail(f"A source has at most {MOST_PARTS} parts", "Leave some out.")
        self.depth -= 1
        return self.checked(summed(terms), start)

    def checked(self, source: Source, start: int) -> Source:
        """Return a source that is not too large."""
        parts, deep = size(source)
        if parts > MOST_PARTS or deep > DEEPEST:
            raise self.fail(
                f"This source is too large: at most {MOST_PARTS} parts, {DEEPEST} within each other",
                "Leave some out.",
                start,
            )
        return source

    def sign(self) -> int:
        """Read a sign."""
        if self.is_mark("+", "-"):
            return -1 if self.take().value == "-" else 1
        return 0

    def term(self, sign: int) -> Term:
        """Read a factor and its weight."""
        weight, weighted = 1.0, False
        if self.is_kind("number"):
            weight, weighted = self.real(), True
            if not self.took("*"):
                raise self.fail("A number weighs a source", "Write * and the source after it, as in 0.5 * l3#12.")
        return Term(math.copysign(1.0, sign or 1) * weight, self.factor(), weighted)

    # Factors

    def factor(self) -> Source:
        """Read one source."""
        token = self.next
        if self.took("("):
            found = self.expression()
            self.close(")", token.at)
            return found
        if token.kind == "text" or self.is_mark("["):
            return self.place("")
        if self.is_mark("#"):
            return Decoder(*self.latent())
        if token.kind in {"name", "layer"}:
            return self.named(token)
        if token.kind == "end":
            raise self.fail("Here a source is missing", _FACTOR)
        raise self.fail("Here stands no source", _FACTOR)

    def named(self, token: Lexeme) -> Source:
        """Read what begins with a name: a call, a latent, or a place in a subject's prompt."""
        if self.is_mark("(", ahead=1):
            return self.call()
        if self.is_mark("#", ahead=1) or (token.value == "sae" and self.is_latent_after_prefix()):
            return Decoder(*self.latent())
        if self.is_mark(":", ahead=1):
            self.take(), self.take()
            if not self.is_kind("text") and not self.is_mark("["):
                raise self.fail(f"After {token.value}: a text is missing", 'Write it as A:"text"@-1/L3.')
            return self.place(token.value)
        mend = f"Functions are {', '.join(FUNCTIONS)}; a latent is written l3#12, a text in double quotes."
        raise self.fail(f"{token.value!r} alone is no source", mend, token.at)

    def is_latent_after_prefix(self) -> bool:
        """Whether `sae:` begins a latent: its name or its number comes next."""
        return self.is_mark(":", ahead=1) and (self.is_mark("#", ahead=2) or self.is_mark("#", ahead=3))

    def latent(self) -> tuple[str, int]:
        """Read `sae:l3#12`, `l3#12` or `#12`."""
        if self.is_kind("name") and self.next.value == "sae" and self.is_latent_after_prefix():
            self.take(), self.take()
        name = "" if self.is_mark("#") else self.name("latent", "Write it as l3#12.")
        if not self.took("#"):
            raise self.fail("After an SAE's name # and a latent's number are missing", "Write it as l3#12.")
        return name, self.whole("latent's number", "Write it as l3#12.")

    def name(self, what: str, mend: str) -> str:
        """Read a name."""
        if not self.is_kind("name") and not self.is_kind("layer"):
            raise self.fail(f"Here stands no {what}", mend)
        return self.take().value

    # Places

    def place(self, subject: str) -> Source:
        """Read a prompt, as text or token ids, with its position and layer."""
        ids = None if self.is_kind("text") else self.ids()
        prompt = "" if ids is not None else self.take().value
        position, end = self.positions(None if ids is None else len(ids)) if self.took("@") else (-1, None)
        layer = self.layer() if self.took("/") else -1
        if ids is not None:
            return Residual(subject, ids, layer, position, end)
        return Prompted(prompt, subject, layer, position, end)

    def ids(self) -> tuple[int, ...]:
        """Read exact tokens: `[1, 2, 3]`."""
        opened = self.take().at
        found: list[int] = []
        while not self.is_mark("]"):
            found.append(self.whole("token id", "Write token ids as [1, 2, 3]."))
            if not self.took(","):
                break
        self.close("]", opened)
        return tuple(found)

    def positions(self, length: int | None) -> tuple[int, int | None]:
        """Read `-1`, `3..7`, `3..`, `..7` or `..`; a span ends before its second number."""
        first = 0 if self.is_mark("..") else self.whole("position", "Write it as @-1 or @3..7.")
        if not self.took(".."):
            return first, None
        if self.is_kind("number") or (self.is_mark("-") and self.is_kind("number", ahead=1)):
            return first, self.whole("position")
        return first, 0 if length is None else length

    def layer(self) -> int:
        """Read `L8`."""
        if not self.is_kind("layer"):
            raise self.fail("After / a layer is missing", "Write it as /L8; half of a source is 0.5 * (...).")
        token = self.take()
        if len(token.value) > 7:
            raise self.fail("This layer's number is too large", "Write a smaller one.", token.at)
        return int(token.value[1:])

    def where(self) -> tuple[str, int]:
        """Read `L3`, `A:L3`, `A` or nothing: the default subject's default layer."""
        if self.is_mark(")") or self.is_option():
            return "", -1
        mend = "Write it as L3, or A:L3 where there are several subjects."
        if self.is_kind("layer") and not self.is_mark(":", ahead=1):
            return "", self.layer()
        subject = self.name("layer", mend)
        if not self.took(":"):
            return subject, -1
        if not self.is_kind("layer"):
            raise self.fail("Here a layer is missing", mend)
        return subject, self.layer()

    # Calls

    def call(self) -> Source:
        """Read a function and what it takes."""
        token, opened = self.take(), self.take()
        readers: dict[str, Callable[[], Source]] = {
            "mean": self.mean, "random": self.random, "ablate": self.ablate, "file": self.file, "map": self.map,
        }  # fmt: skip
        if token.value not in readers:
            raise self.fail(f"There is no function {token.value!r}", f"There are {', '.join(FUNCTIONS)}.", token.at)
        found = readers[token.value]()
        self.close(")", opened.at)
        return found

    def mean(self) -> Source:
        """Read `mean(L3)`."""
        return Mean(*self.where())

    def random(self) -> Source:
        """Read `random(L3, seed=1)`."""
        subject, layer = self.where()
        seeded = self.is_option() or self.took(",")
        return Random(subject, layer, self.option("seed") if seeded else 0)

    def is_option(self) -> bool:
        """Whether `name=` comes next."""
        return self.is_kind("name") and self.is_mark("=", ahead=1)

    def option(self, name: str) -> int:
        """Read `name=1`."""
        self.named_option(name)
        return self.whole(name)

    def named_option(self, name: str) -> None:
        """Read `name=`."""
        if not self.is_option() or self.next.value != name:
            raise self.fail(f"Here {name}= is missing", f"Write it as {name}=1.")
        self.take(), self.take()

    def ablate(self) -> Source:
        """Read `ablate(source, l3#12, l3#40)`."""
        source = self.expression()
        if not self.is_mark(","):
            raise self.fail("No latent to ablate is named", 'Write it as ablate("text", l3#12, l3#40).')
        found: list[tuple[str, int]] = []
        while self.took(","):
            token = self.next
            found.append(self.latent())
            if found[-1][0] != found[0][0]:
                raise self.fail("These latents are of two SAEs", "Ablate those of one inside the other.", token.at)
        return Ablated(source, found[0][0], tuple(latent for _, latent in found))

    def file(self) -> Source:
        """Read `file("x.safetensors", "key", 3, L3)`; all but the path may be left out."""
        path = self.path()
        key, row, subject, layer = "", 0, "", -1
        if self.is_mark(",") and self.is_kind("text", ahead=1):
            self.take()
            key = self.take().value
        if self.is_mark(",") and (self.is_kind("number", ahead=1) or self.is_mark("-", ahead=1)):
            self.take()
            row = self.whole("row")
        if self.took(","):
            subject, layer = self.where()
        return Stored(path, key, row, subject, layer)

    def path(self) -> str:
        """Read a path in quotes."""
        if not self.is_kind("text"):
            raise self.fail("Here the path is missing", 'Write it as file("x.safetensors", "key", 3).')
        return self.take().value

    def map(self) -> Source:
        """Read `map(a-to-b, source, wash=0.3)`."""
        name = self.name("map's name", 'Write it as map(a-to-b, "text").')
        if not self.took(","):
            raise self.fail("No source to map is named", 'Write it as map(a-to-b, "text").')
        source, wash = self.expression(), 0.0
        if self.took(","):
            self.named_option("wash")
            wash = self.signed("weight")
        return Mapped(source, name, wash)
