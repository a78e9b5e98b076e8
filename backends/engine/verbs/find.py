"""`find`: the positions of a corpus at which a sentence scores highest, by its own gradient and then exactly."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from backends.base import Lane
from backends.engine.index import corpora, corpus_calibration
from backends.engine.index.corpus_probe import Probe
from backends.engine.index.corpus_search import Search, budget
from backends.engine.index.corpus_view import View, excerpt, first_of_each
from backends.engine.likelihood import Ids, encode_text
from backends.engine.readers import scores
from backends.engine.readers.backgrounds import WHOLE, background_of, filled
from backends.engine.readers.prepared import plan_name
from backends.engine.readers.reader import Reader, open_reader, reader_name
from investigator.errors import BadInput
from investigator.records import Found, HitRow
from investigator.wire import Event, Find, Finished, Partial, Progress

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

_MOST_ROWS = 1000


def lane(engine: WorkbenchEngine, verb: Find) -> Lane:
    """Scoring runs the model."""
    return "model"


def plan(engine: WorkbenchEngine, verb: Find) -> str:
    """Return the batch plan, for provenance."""
    return plan_name(open_reader(engine, verb.reader).speaker)


def resolve(engine: WorkbenchEngine, verb: Find) -> Find:
    """Fill in corpus and reader; raise BadInput where there is nothing to search for, or nothing to search."""
    if not verb.text.strip():
        raise BadInput("There is no sentence to search for.", "Type one.")
    if not 1 <= verb.limit <= _MOST_ROWS:
        raise BadInput(f"A search shows 1 to {_MOST_ROWS} positions, not {verb.limit}.", "Ask for another number.")
    corpus = corpora.chosen(engine, verb.corpus)
    reader = _reader(engine, verb.reader, *corpora.layers_of(engine, corpus))
    return msgspec.structs.replace(verb, text=verb.text.strip(), corpus=corpus, reader=reader)


def _reader(engine: WorkbenchEngine, name: str, subject: str, layers: tuple[int, ...]) -> str:
    """Return the reader's name, the default one at a layer of the index where none is given."""
    entries = {key: entry for key, entry in engine.workbench.readers.items() if entry.subject == subject}
    if name in entries and entries[name].layer in layers:
        return name
    fitting = [layer for layer in layers if any(entry.layer == layer for entry in entries.values())]
    default = engine.parts.default_layer(subject)
    layer = default if default in fitting or not fitting else fitting[0]
    return reader_name(engine, name, subject, layer)


class _Answer:
    """What is known so far, as rows."""

    def __init__(self, verb: Find, view: View, ids: Ids) -> None:
        self.verb, self.view, self.ids = verb, view, ids
        self.search = Search(view, Probe(view.reader, ids), verb.seed)
        self.background: tuple[float, ...] = ()
        self._fresh: dict[int, float] = {}
        """Scores from activations that were computed again, by position."""

    def hits(self) -> list[int]:
        """Return the positions to show, best first."""
        order = self.search.best()
        if self.verb.all_positions:
            return [int(number) for number in self.search.numbers[order[: self.verb.limit]]]
        places = (self.view.index.place(int(self.search.numbers[at]))[0] for at in order)
        return [int(self.search.numbers[order[at]]) for at in first_of_each(places, self.verb.limit)]

    def again(self) -> Iterator[None]:
        """Score the hits from activations computed anew: stored ones are rounded to half precision."""
        for number in self.hits():
            if number not in self._fresh:
                context, position = self.view.index.place(number)
                _, ids = self.view.index.context(context)
                h = self.view.reader.subject.capture(ids[: position + 1])[self.view.reader.layer, position]
                probe = self.search.probe
                (_, values), *_ = probe.scores(self.view.reader.mapper.inputs(h[None].to(probe.device)).cpu())
                self._fresh[number] = float(values[0])
                yield None

    def rows(self) -> tuple[HitRow, ...]:
        """Return the hits, best first."""
        known = dict(zip(self.search.numbers.tolist(), self.search.values.tolist(), strict=True)) | self._fresh
        order = sorted(self.hits(), key=lambda number: -known[number])
        return tuple(self._row(number, known[number], rank) for rank, number in enumerate(order, 1))

    def _row(self, number: int, value: float, rank: int) -> HitRow:
        index = self.view.index
        context, position = index.place(number)
        document, ids = index.context(context)
        shown = excerpt(len(ids), position)
        return HitRow(
            context=context,
            position=position,
            document=document,
            tokens=tuple(index.subject.piece(ids[at]) for at in shown),
            peak=position - shown.start,
            score=scores.against(value, len(self.ids) + 1, self.background),
            rank=rank,
        )

    def found(self, recall: float | None) -> Found:
        """Return the whole answer."""
        exact = len(self.search.numbers) == self.view.size
        return Found(
            reader=self.verb.reader,
            corpus=self.verb.corpus,
            text=self.verb.text,
            positions=self.view.size,
            contexts=self.view.index.card.contexts,
            rows=self.rows(),
            background=tuple(sorted(self.background)),
            rescored=len(self.search.numbers),
            recall=None if exact else recall,
            exact=exact,
        )


def run(engine: WorkbenchEngine, verb: Find) -> Iterator[Event | None]:
    """Open or make the index, search it in rounds whose rows are sent, then measure the background."""
    reader = open_reader(engine, verb.reader)
    ids = encode_text(reader.subject, verb.text, slots=reader.slots)
    index = yield from corpora.open_corpus(engine, verb.corpus, reader.layer)
    index.layer(reader.layer)
    answer = _Answer(verb, View(index, reader), ids)
    yield from _searched(answer)
    yield from answer.again()
    yield Partial(answer.rows())
    yield from _compared(engine, reader, answer)
    calibration = corpus_calibration.read(index, reader)
    yield Finished(answer.found(calibration.recall if calibration else None))


def _searched(answer: _Answer) -> Generator[Event | None, None, None]:
    size = answer.view.size
    most = size if answer.verb.exact else budget(size)
    steps = answer.search.exhaust() if most == size else answer.search.run(most)
    for done in steps:
        if done is None:
            yield None
        else:
            yield Progress(done, most, f"positions scored of {size:,}")
            yield Partial(answer.rows())


def _compared(engine: WorkbenchEngine, reader: Reader, answer: _Answer) -> Generator[Event | None, None, None]:
    background = background_of(engine, reader)
    for done in filled(background, [answer.ids], WHOLE):
        yield Progress(*done, f"measuring the background of {reader.name}") if done else None
    if background is not None:
        found = background.scores(answer.ids, WHOLE)
        answer.background = found if np.isfinite(found).all() else ()
        yield Partial(answer.rows())
