"""Which questions a backend died under: asked once more by themselves, and set aside after the second time."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from investigator.errors import BackendError
from investigator.wire import Verb

MOST = 2
"""Deaths under one question after which it is set aside: one may be chance (a colleague's `kill`, a lost GPU)."""


class Deaths:
    """Counts, for the life of a program, how often the backend died under each verb."""

    def __init__(self) -> None:
        self._counts: dict[bytes, int] = {}

    def note(self, verb: Verb) -> None:
        """Count one more death under a verb."""
        key = msgspec.json.encode(verb)
        self._counts[key] = self._counts.get(key, 0) + 1

    def note_all(self, verbs: Iterable[Verb]) -> None:
        """Count one death under several verbs, each once however often it was asked."""
        for verb in {msgspec.json.encode(verb): verb for verb in verbs}.values():
            self.note(verb)

    def of(self, verb: Verb) -> int:
        """Return how often the backend died under a verb."""
        return self._counts.get(msgspec.json.encode(verb), 0) if self._counts else 0

    def suspects(self, verb: Verb) -> bool:
        """Whether a verb is to be asked alone, so that a second death is that of one question only."""
        return self.of(verb) > 0

    def refusal(self, verb: Verb) -> BackendError | None:
        """Return why a verb is not asked any more, or None where it may be."""
        times = self.of(verb)
        if times < MOST:
            return None
        name = str(verb.__struct_config__.tag)
        return BackendError(
            f"The backend died {times} times while it answered this `{name}`, so the question is set aside and not "
            "asked again until this program ends.",
            "Ask for less (a shorter prompt, fewer texts or samples); `investigator backends` names the logs.",
        )
