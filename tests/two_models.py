"""The canned backend with a second model: compares through two maps; the washed column names its weight."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from judged_backend import JudgedBackend

from fake_backend import PROVENANCE, SAE_LAYER, place, score, tag
from investigator import wire
from investigator.provenance import MapSummary, SubjectSummary
from investigator.records import Compared, ComparedRow, MapFacts, Reading
from investigator.sources import Decoder
from investigator.wire import Accepted, Compare, Event, Finished, Handshake, Partial, Progress, Verb

MAPS = (
    MapSummary("to-gpt2", "ridge", "pocket", SAE_LAYER, "pocket-gpt2", 2, 0.83),
    MapSummary("few", "procrustes", "pocket", SAE_LAYER, "pocket-gpt2", 3, 0.41, "underdetermined"),
)


class TwoModels(JudgedBackend):
    """Compares through two maps; what the washed column says names its weight."""

    maps: tuple[MapSummary, ...] = MAPS
    first = "names of cities"

    async def handshake(self, *, wait: bool = False) -> Handshake:
        """Return a workbench with a second model and maps."""
        hands = await super().handshake(wait=wait)
        if hands.workbench is None:
            return hands
        second = SubjectSummary("pocket-gpt2", "gpt2", 3_000_000, 5, 48, 128, 2)
        subjects = (*hands.workbench.subjects, second)
        book = msgspec.structs.replace(hands.workbench, subjects=subjects, maps=self.maps)
        return msgspec.structs.replace(hands, workbench=book)

    def _events(self, verb: Verb) -> Iterator[Event]:
        if not isinstance(verb, Compare) or tag(verb) in self.fail:
            yield from super()._events(verb)
            return
        yield Accepted(verb, PROVENANCE)
        yield Progress(2, 8, "l2el-gpt2: mapped, drawn")
        yield Partial((self._row(verb, "drawn", streamed=True),))  # type: ignore[call-arg, arg-type]
        rows = tuple(self._row(verb, method) for method in verb.methods)  # type: ignore[arg-type]
        facts = MapFacts(verb.map, "ridge", "pocket", 3, "pocket-gpt2", 2, 1200, 100.0, 0.83, 0.71, 0.4, -0.1)
        yield Finished(Compared(facts, verb.wash, "mapper-3", "all-MiniLM-L6-v2", verb.others, rows))  # type: ignore[arg-type]

    def _row(self, verb: Any, *given: Any, streamed: bool = False) -> Any:
        if isinstance(verb, wire.Test):
            return super()._row(verb, *given)
        (method,) = given
        scores = (score(-0.9, 1.4), score(-1.1, 0.3))
        at = place(verb.source)
        own = Reading("own", (self.first, f"{method} at {at}"), scores)
        if streamed:
            return ComparedRow("l2el-gpt2", method, (own, Reading("native"), Reading("mapped"), Reading("washed")))
        native = Reading("native", note="A direction has no text, so pocket-gpt2 has nothing of its own to read.")
        if not isinstance(verb.source, Decoder):
            native = Reading("native", ("names of towns",), scores[:1], 0.7, 0.2, 1 / 9)
        mapped = Reading("mapped", ("names of places",), scores[:1], 0.62, 0.14, 2 / 9)
        washed = Reading("washed", (f"towns on the sea, w {verb.wash:.1f}",), scores[:1], 0.71, 0.18, 1 / 9)
        controls = (
            Reading("permuted map", ("words in a title",), scores[:1], 0.4, 0.01, 5 / 9),
            Reading("own again", ("names of cities",), scores[:1], 0.95, 0.5, 1 / 9),
        )
        readings = (own, native, mapped, washed)
        return ComparedRow("l2el-gpt2", method, readings, controls if verb.controls else ())
