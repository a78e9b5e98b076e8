"""Lines of the doctor, and a guard that turns any failure of a check into a line of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from investigator.errors import InvestigatorError
from investigator.records import CheckRow

Checks = Iterator[CheckRow]


def ok(name: str, message: str) -> CheckRow:
    """Return a line that needs nothing done."""
    return CheckRow(name, "ok", message)


def warning(name: str, message: str, mend: str) -> CheckRow:
    """Return a line about something that works less well than it could."""
    return CheckRow(name, "warning", message, mend)


def error(name: str, message: str, mend: str) -> CheckRow:
    """Return a line about something that will not work."""
    return CheckRow(name, "error", message, mend)


def guarded(name: str, check: Callable[[], Iterable[CheckRow]]) -> Checks:
    """Yield a check's lines; where it fails, one error line with its sentences, so that the other checks still run."""
    try:
        yield from check()
    except InvestigatorError as failure:
        yield error(name, failure.message, failure.mend)
    except Exception as failure:  # a doctor that dies of what it looks at helps nobody
        yield error(name, f"{name} could not be checked: {type(failure).__name__}: {failure}.", "Check its files.")
