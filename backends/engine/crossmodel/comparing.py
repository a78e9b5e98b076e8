"""One comparison: columns own, native, mapped and washed, row by row of readers and methods, then lift and controls."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import msgspec

from backends.engine import vectors
from backends.engine.crossmodel import carry, maps, places
from backends.engine.crossmodel.agreeing import Judge, embedder_of, embedding_by
from backends.engine.crossmodel.hearing import Heard, hear
from investigator.errors import BadInput
from investigator.records import Compared, ComparedRow, Reading
from investigator.sources import Decoder, Mapped, Mean, Random, Source, Sum, Weighted
from investigator.wire import Compare, Event, Finished, Partial, Progress

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

_CEILING = "own again"
_THERE = 7919
"""Added to the seed where model B draws."""


def there_seed(verb: Compare) -> Compare:
    """Return the question with model B's seed: texts drawn with common random numbers agree whatever they are about."""
    return msgspec.structs.replace(verb, seed=(verb.seed + _THERE) % 2**63)


class Comparison:
    """What is known so far of one comparison."""

    def __init__(self, engine: WorkbenchEngine, verb: Compare) -> None:
        self.engine, self.verb = engine, verb
        self.target = carry.place(engine, Mapped(verb.source, verb.map))
        self.embedder, self.trouble = embedder_of(engine)
        self.embed = embedding_by(self.embedder)
        self.others = places.others(engine, verb.source, verb.others, verb.seed) if self.embedder else []
        self.heard: dict[tuple[str, str, str], Heard] = {}
        """By method, reader and column."""
        self.rest: dict[str, list[Heard]] = {}
        """What model A's own reader says of the other sources, by method."""
        self.notes: dict[str, str] = {}
        """Of columns that cannot be read."""
        self.done, self.total = 0, 0

    # Columns

    def sources(self) -> dict[str, Source]:
        """Return what model B's readers read, by column."""
        verb, found = self.verb, dict[str, Source]()
        try:
            found["native"] = places.native(self.engine, verb.source, *self.target)
        except BadInput as error:
            self.notes["native"] = str(error)
        found["mapped"] = Mapped(verb.source, verb.map)
        if verb.wash:
            found["washed"] = Mapped(verb.source, verb.map, verb.wash)
        return found

    def controls(self) -> dict[str, Source]:
        """Return what model B's readers read as controls, by name; nothing of the asked source is in any of them."""
        verb, engine = self.verb, self.engine
        subject, layer = vectors.place(verb.source, engine)
        random = Random(subject, layer, seed=verb.seed)
        found: dict[str, Source] = {
            "permuted map": Mapped(verb.source, verb.map + maps.PERMUTED),
            "random direction": Mapped(self._as_long(random), verb.map),
            "mean": Mean(*self.target),
        }
        if self.others:
            found["another source"] = Mapped(self.others[0], verb.map)
        try:
            other = places.others(engine, Mean(subject, layer), 1, verb.seed + 1)[0]
            found["another text"] = places.native(engine, other, *self.target)
        except BadInput as error:
            self.notes["another text"] = str(error)
        return found

    def _as_long(self, random: Random) -> Source:
        """Return a random vector as far from the mean as the source is."""
        mean = maps.open_map(self.engine, self.verb.map).source_mean
        asked = float(carry.beyond(self.engine, self.verb.source, mean).norm())
        drawn = float(carry.beyond(self.engine, random, mean).norm())
        return Sum((Weighted(asked / max(drawn, 1e-12), random),))

    # Steps

    def steps(self) -> Iterator[Event | None]:
        """Read everything, streaming rows as they fill; end with all of them."""
        verb, columns = self.verb, self.sources()
        pairs = [(method, reader) for method in verb.methods for reader in verb.readers]
        controls = self.controls() if verb.controls else {}
        self.total = len(verb.methods) * (1 + len(self.others)) + len(pairs) * len(columns)
        self.total += len(pairs) * len(controls) + ("drawn" in verb.methods if controls else 0)
        for method in verb.methods:
            yield from self._hear(method, verb.own, "own", self._own_source(verb.source))
        for column in ("mapped", "washed", "native"):
            for method, reader in pairs if column in columns else ():
                yield from self._hear(method, reader, column, columns[column])
                yield self._row(method, reader)
        for method in verb.methods:
            self.rest[method] = yield from self._others(method)
            yield Partial(tuple(self.row(method, reader) for reader in verb.readers))
        for method, reader in pairs:
            for name, source in controls.items():
                yield from self._hear(method, reader, name, source)
                yield self._row(method, reader)
        if controls and "drawn" in verb.methods:
            yield from self._again()
        yield Finished(self.result())

    def _hear(self, method: str, reader: str, column: str, source: Source) -> Iterator[Event | None]:
        yield Progress(self.done, self.total, f"{reader}: {column}, {method}")
        verb = self.verb if reader == self.verb.own else there_seed(self.verb)
        if isinstance(source, Mapped) and isinstance(source.source, Decoder):
            source = msgspec.structs.replace(source, bare=not places.centres(self.engine, reader))
        self.heard[method, reader, column] = yield from hear(self.engine, source, reader, method, verb)
        self.done += 1

    def _own_source(self, source: Source) -> Source:
        return places.read_as(source, centred=places.centres(self.engine, self.verb.own))

    def _others(self, method: str) -> Generator[Event | None, None, list[Heard]]:
        """Let model A's own reader say what the other sources hold."""
        verb, found = self.verb, list[Heard]()
        for at, source in enumerate(self.others, 1):
            yield Progress(self.done, self.total, f"{verb.own}: other source {at} of {len(self.others)}, {method}")
            found.append((yield from hear(self.engine, self._own_source(source), verb.own, method, verb)))
            self.done += 1
        return found

    def _again(self) -> Iterator[Event | None]:
        """Read the source once more with model A's own reader and another seed: the most that agreement can be."""
        verb = self.verb
        self.verb = msgspec.structs.replace(verb, seed=verb.seed + 1)
        yield from self._hear("drawn", verb.own, _CEILING, self._own_source(verb.source))
        self.verb = verb

    # Rows

    def _row(self, method: str, reader: str) -> Partial:
        return Partial((self.row(method, reader),))

    def row(self, method: str, reader: str) -> ComparedRow:
        """Return one row as far as it is known."""
        verb = self.verb
        own = self.heard.get((method, verb.own, "own"), Heard())
        judge = Judge(self.embed, own, self.rest.get(method, ()))
        columns = ("native", "mapped", "washed") if verb.wash else ("native", "mapped")
        readings = [judge.reading("own", own), *(self._reading(judge, method, reader, column) for column in columns)]
        names = ("permuted map", "random direction", "mean", "another source", "another text")
        controls = [self._reading(judge, method, reader, name) for name in names if verb.controls]
        again = self.heard.get((method, verb.own, _CEILING))
        if again is not None:
            controls.append(judge.reading(_CEILING, again, "model A's own reader with another seed: the ceiling"))
        return ComparedRow(reader, method, tuple(readings), tuple(controls))

    def _reading(self, judge: Judge, method: str, reader: str, column: str) -> Reading:
        heard = self.heard.get((method, reader, column))
        note = self.notes.get(column, "")
        return Reading(column, note=note) if heard is None else judge.reading(column, heard, note)

    def result(self) -> Compared:
        """Return everything."""
        verb = self.verb
        rows = tuple(self.row(method, reader) for method in verb.methods for reader in verb.readers)
        facts = maps.facts_of(self.engine, verb.map)
        name = self.embedder.name if self.embedder else ""
        return Compared(facts, verb.wash, verb.own, name, len(self.others), rows, self.trouble)
