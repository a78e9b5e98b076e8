"""Errors: sentences for a person. Every expected failure is an `InvestigatorError`.

InvestigatorError
├── BadInput            the question cannot be asked: prompt, token, layer, latent, label, flag
├── WorkbenchError      a workbench file or one of its parts does not load or does not fit
├── ScoreError          a number could not be computed; never replaced by a default
├── BackendError        the backend cannot be reached, started or understood
│   ├── NotInstalled    a host has no Investigator, or another one
│   └── Disconnected    the link broke; answers already given are kept
│       └── BackendDied another backend stands in the place of the one that was answering
├── StoreError          the session store cannot be read or written
└── Stopped             the user cancelled
"""

from __future__ import annotations

import math
from typing import ClassVar


class InvestigatorError(Exception):
    """A failure that a person can understand: what failed and why, and `mend`, what to do."""

    kind: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, mend: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.mend = mend

    def __str__(self) -> str:
        """Return both sentences."""
        return f"{self.message} {self.mend}".strip()


class BadInput(InvestigatorError):
    """The question cannot be asked as it stands."""

    kind = "bad-input"
    exit_code = 2


class WorkbenchError(InvestigatorError):
    """A workbench, or a part of it, does not load or does not fit."""

    kind = "workbench"
    exit_code = 3


class ScoreError(InvestigatorError):
    """A score could not be computed."""

    kind = "score"
    exit_code = 4


class BackendError(InvestigatorError):
    """The backend cannot be reached, started or understood."""

    kind = "backend"
    exit_code = 5


class Disconnected(BackendError):
    """The link to the backend broke while an answer was on its way."""

    kind = "disconnected"


class BackendDied(Disconnected):
    """The backend died while an answer was on its way, and another one was started in its place."""


class NotInstalled(BackendError):
    """A host has no Investigator, or one that cannot be understood; `investigator install --on HOST` mends it."""


class StoreError(InvestigatorError):
    """The session store cannot be read or written."""

    kind = "store"
    exit_code = 6


class Stopped(InvestigatorError):
    """The user stopped the work."""

    kind = "stopped"
    exit_code = 130


KINDS: dict[str, type[InvestigatorError]] = {
    cls.kind: cls
    for cls in (
        InvestigatorError,
        BadInput,
        WorkbenchError,
        ScoreError,
        BackendError,
        Disconnected,
        StoreError,
        Stopped,
    )
}
"""From the `kind` of a `Failed` event back to the class."""


def from_wire(kind: str, message: str, mend: str) -> InvestigatorError:
    """Return the error that a `Failed` event stands for."""
    return KINDS.get(kind, InvestigatorError)(message, mend)


def finite(value: float, what: str) -> float:
    """Return the value, or raise ScoreError where it is NaN or infinite: a failed number is an error."""
    if not math.isfinite(value):
        raise ScoreError(f"{what} came out as {value}, so there is no number to show.", "Try another dtype or source.")
    return value
