"""Flags that several commands share, so that a prompt, a place and a session are named alike everywhere."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any, Protocol

from investigator import targets
from investigator.errors import BadInput, InvestigatorError
from investigator.expressions import ExpressionError

Options = argparse.Namespace


class Command(Protocol):
    """A module of this package: one sub-command."""

    NAME: str
    HELP: str
    EXAMPLE: str

    def add(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments."""
        ...

    def run(self, options: Options) -> int:
        """Do it, and return the exit code."""
        ...


def checked(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a parser of one argument whose BadInput argparse reports beside the flag's name."""

    def convert(given: str) -> Any:
        try:
            return parse(given)
        except ExpressionError:
            raise  # with its place, which argparse would leave out
        except InvestigatorError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return convert


def add_backend(parser: argparse.ArgumentParser, *, elsewhere: bool = True) -> None:
    """Add which workbench, how it runs, and where."""
    group = parser.add_argument_group("workbench")
    group.add_argument(
        "--workbench", default="", metavar="NAME", help="bundled name or TOML file (default: the setting)"
    )
    group.add_argument("--device", default="", help="auto, cpu, cuda, cuda:1, mps (default: the setting)")
    group.add_argument("--dtype", default="", help="auto, float32, bfloat16, float16 (default: the setting)")
    if elsewhere:
        group.add_argument(
            "--on", default="", metavar="HOST", help="where the model runs: whatever `ssh HOST` reaches (default: here)"
        )


def add_long(parser: argparse.ArgumentParser) -> None:
    """Add where a long command runs, and whether it is waited for."""
    group = parser.add_argument_group("where")
    group.add_argument(
        "--on", default="", metavar="HOST", help="run there, with files and folders of that machine (default: here)"
    )
    group.add_argument(
        "--detach", action="store_true", help="print the work's id and leave; `investigator work` shows how it goes"
    )
    group.add_argument(
        "--events", default="", metavar="ID", help="begin it detached under this id, and print its events as JSON"
    )


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add how the answer is printed."""
    parser.add_argument("--json", action="store_true", help="print one JSON object: result and provenance")


def add_session(parser: argparse.ArgumentParser) -> None:
    """Add where the answer is recorded."""
    group = parser.add_argument_group("session")
    group.add_argument("--session", default="", metavar="NAME", help="record in this session (default: notebook)")
    group.add_argument("--no-save", action="store_true", help="record nothing")


def add_asking(parser: argparse.ArgumentParser) -> None:
    """Add what every question takes."""
    add_output(parser)
    add_backend(parser)
    add_session(parser)


def add_prompt(parser: argparse.ArgumentParser) -> None:
    """Add the prompt: text, standard input, or exact tokens."""
    parser.add_argument("prompt", nargs="?", metavar="PROMPT", help="the prompt; - reads standard input")
    add_prompt_flags(parser)


def add_prompt_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that name or shape the prompt."""
    group = parser.add_argument_group("prompt")
    group.add_argument("--prompt", dest="prompt_text", metavar="TEXT", help="the prompt, where it begins with a dash")
    group.add_argument("--ids", type=checked(targets.parse_ids), metavar="1,2,3", help="exact token ids, not a text")
    group.add_argument(
        "--subject", default="", metavar="NAME", help="the workbench's subject model (default: its first)"
    )
    group.add_argument("--chat", action="store_true", help="wrap the prompt in the model's chat template")


def add_place(parser: argparse.ArgumentParser) -> None:
    """Add which token and layer."""
    group = parser.add_argument_group("place")
    group.add_argument(
        "--token",
        type=checked(targets.parse_token),
        default=-1,
        metavar="-1",
        help="position, negative from the end, or a span such as 3:7, whose mean is read (default: -1)",
    )
    group.add_argument("--layer", type=int, metavar="L", help="block index (default: the workbench's)")
    group.add_argument(
        "--source",
        type=checked(targets.parse_source),
        action="append",
        metavar="EXPR",
        help='any source instead of a prompt: \'A:"text"@-1/L3 - A:"other"@-1/L3\', l3#12, ... (docs/sources.md)',
    )


def add_rows(parser: argparse.ArgumentParser, orders: tuple[str, ...], limit: int) -> None:
    """Add order, filter and number of rows."""
    parser.add_argument(
        "--order", choices=orders, default=orders[0], help=f"what the rows are ordered by (default: {orders[0]})"
    )
    parser.add_argument(
        "--filter", default="", metavar="WORDS", help="words that a label must hold, rate<0.01, z>3, ..."
    )
    parser.add_argument("--limit", type=int, default=limit, metavar="N", help=f"rows (default: {limit})")


def confirmed(question: str) -> bool:
    """Ask a yes-or-no question on the terminal; anything but yes is no."""
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def prompt_of(options: Options) -> str:
    """Return the prompt's text; raise BadInput where none was given."""
    given = options.prompt_text if options.prompt_text is not None else options.prompt
    if given is None:
        raise BadInput("There is no prompt.", "Type one in quotes, or - to read standard input.")
    return targets.text_of(given)
