"""The front door: `investigator`, its sub-commands, and how they end."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn, cast

from investigator import __version__
from investigator.commands.common import Command
from investigator.ending import Ended, raised
from investigator.errors import BackendError, BadInput, InvestigatorError, Stopped
from investigator.expressions import ExpressionError
from investigator.text import inert

ROOMS = ("screens", "backends", "sessions")
COMMANDS = {
    "app": "app",
    "open": "open_prompt",
    "features": "features",
    "feature": "feature",
    "labels": "labels",
    "explain": "explain",
    "test": "test_hypotheses",
    "contrast": "contrast",
    "find": "find",
    "compare": "compare",
    "intervene": "intervene",
    "sweep": "sweep",
    "agree": "agree",
    "lens": "lens",
    "doctor": "doctor",
    "sessions": "sessions",
    "replay": "replay",
    "export": "export",
    "train": "train",
    "evaluate": "evaluate",
    "work": "works",
    "index": "index",
    "bench": "bench",
    "serve": "serve",
    "dial": "dial",
    "machine": "machine",
    "install": "install",
    "backends": "backends",
    "completion": "completion",
}
"""From a sub-command to its module under `investigator.commands`."""
OWN_SIGNALS = frozenset({"app", "serve", "dial"})
"""Sub-commands that ask nothing themselves, or end their questions in their own way."""
UNEXPECTED = 70
"""Exit code of a failure that nobody foresaw (EX_SOFTWARE of sysexits.h)."""
DEBUG = "INVESTIGATOR_DEBUG"


class Parser(argparse.ArgumentParser):
    """A parser whose errors are inert sentences with exit code 2."""

    def error(self, message: str) -> NoReturn:
        """Print what is wrong and how to find help."""
        print(f"{inert(message).rstrip('.')}. `{self.prog} --help` says how.", file=sys.stderr)
        raise SystemExit(BadInput.exit_code)


def command(name: str) -> Command:
    """Return a sub-command's module."""
    return cast(Command, importlib.import_module(f"investigator.commands.{COMMANDS[name]}"))


def build_parser(names: Iterable[str] = tuple(COMMANDS)) -> Parser:
    """Return the parser of these sub-commands: of one, where its name is known, because each is a module to import."""
    parser = Parser(
        prog="investigator",
        description="Ask what an activation says, and how you would know if that were wrong.",
        epilog="Without a sub-command the terminal app opens. `investigator COMMAND --help` shows an example of each.",
    )
    parser.add_argument("--version", action="version", version=f"investigator {__version__}")
    command("app").add_flags(parser)  # type: ignore[attr-defined]
    rooms = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    for name in names:
        module = command(name)
        sub = rooms.add_parser(
            name, help=module.HELP, description=module.HELP[0].upper() + module.HELP[1:] + ".",
            epilog=f"example: {module.EXAMPLE}", formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        module.add(sub)
        _inherit(sub, parser)
    return parser


def _inherit(sub: argparse.ArgumentParser, parser: argparse.ArgumentParser) -> None:
    # A flag given before the sub-command holds for it: argparse would put the sub-command's own default in its place.
    above = {action.dest for action in parser._actions}
    for action in sub._actions:
        if action.dest in above and action.option_strings:
            action.default = argparse.SUPPRESS
        elif isinstance(action, argparse._SubParsersAction):
            for nested in action.choices.values():
                _inherit(nested, parser)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options; hypotheses of `test` may stand between its flags."""
    parser = build_parser(arguments[:1] if arguments and arguments[0] in COMMANDS else COMMANDS if arguments else ())
    options, rest = parser.parse_known_args(_joined(arguments))
    if rest and hasattr(options, "texts") and not any(word.startswith("-") for word in rest):
        options.texts = [*options.texts, *rest]
    elif rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    return options


def _joined(arguments: Sequence[str]) -> list[str]:
    # argparse takes "-3:-1" for a flag; joined to its own flag it is a value.
    joined: list[str] = []
    for word in arguments:
        if joined and joined[-1] in {"--token", "--other"}:
            joined[-1] = f"{joined[-1]}={word}"
        else:
            joined.append(word)
    return joined


def check_rooms(here: Path) -> None:
    """Raise BackendError where a folder of the user's stands in the place of one of this program's own packages."""
    for room in ROOMS:
        spec = find_spec(room)
        found = list(spec.submodule_search_locations or ()) if spec is not None else []
        if here / room not in [Path(place).resolve() for place in found]:
            where = found[0] if found else "nowhere"
            raise BackendError(
                f"The package {room!r} is found at {where}, not beside {here / 'investigator'}.",
                "Run Investigator from another folder, or install it in an environment of its own.",
            )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; every foreseen failure is a sentence on standard error."""
    try:
        check_rooms(Path(__file__).resolve().parents[1])
        given = sys.argv[1:] if arguments is None else arguments
        options = parse(given)
        options.given = list(given)
        code = _run(options)
        sys.stdout.flush()
    except InvestigatorError as error:
        return _fail(error)
    except Ended as told:
        _fail(Stopped("Stopped."))
        return told.exit_code
    except KeyboardInterrupt:
        return _fail(Stopped("Stopped."))
    except BrokenPipeError:
        # The reader of the pipe left (head, less): nothing is wrong. Python would complain at exit otherwise.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        return _unexpected(error)
    return code


def _run(options: argparse.Namespace) -> int:
    module = command(options.command or "app")
    if module.NAME in OWN_SIGNALS:
        return module.run(options)
    with raised():
        return module.run(options)


def _fail(error: InvestigatorError) -> int:
    print(inert(str(error)), file=sys.stderr)
    if isinstance(error, ExpressionError) and error.text:
        print(error.picture, file=sys.stderr)
    return error.exit_code


def _unexpected(error: Exception) -> int:
    said = inert(f"{type(error).__name__}: {error}")
    print(
        f"Something went wrong that nobody foresaw: {said}. {DEBUG}=1 shows where; please report it.", file=sys.stderr
    )
    return UNEXPECTED
