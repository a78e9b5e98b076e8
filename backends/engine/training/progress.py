"""What a training stage tells whoever drives it."""

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Progress:
    """One step of a stage: how much is done, what is going on, and the figures known so far.

    `done` and `total` count the stage's own units (steps, documents, tokens); `figures` maps a name to a value.
    """

    done: int
    total: int
    message: str
    figures: dict[str, float] = field(default_factory=dict)


# Every stage is a generator of these, so that a progress bar, a log file and a remote client can all follow it.
Stage = Iterator[Progress]
