"""The command line, run in this process."""

from __future__ import annotations

from investigator import cli


def run(*arguments: str) -> int:
    """Return the exit code of a command, also where the parser leaves by itself."""
    try:
        return cli.main(arguments)
    except SystemExit as left:
        assert isinstance(left.code, int)
        return left.code
