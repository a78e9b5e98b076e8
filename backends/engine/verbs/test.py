"""`test`: typed hypotheses scored and judged at a place, at its prompt's positions, or at every layer with a reader."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec
import torch
from torch import Tensor

from backends.base import Lane
from backends.engine import vectors
from backends.engine.controls import phrasings
from backends.engine.controls.answers import Judge
from backends.engine.controls.phrasings import Phrased, phrased
from backends.engine.controls.reading import Reading, wording_spread
from backends.engine.readers import scores
from backends.engine.readers.announcing import opening, plan_of
from backends.engine.readers.reader import Reader, open_reader, reader_name, readers_by_layer
from investigator.errors import BadInput
from investigator.records import HypothesisRow, Score, Tested
from investigator.sources import Residual
from investigator.wire import Event, Finished, Partial, Progress, Test

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

_MOST_PAIRS = 200_000
_SHORT = 32
"""Rows of a table that are sent after each control."""
SPECIAL = "A special token stands here, which no reader was trained to read. Look at another token."


def lane(engine: WorkbenchEngine, verb: Test) -> Lane:
    """Scoring runs the model."""
    return "model"


def plan(engine: WorkbenchEngine, verb: Test) -> str:
    """Return the batch plan, for provenance."""
    return plan_of(engine, verb.reader)


def resolve(engine: WorkbenchEngine, verb: Test) -> Test:
    """Fill in sources and reader; raise BadInput where there is nothing to score or no one place to score it at."""
    if not verb.hypotheses:
        raise BadInput("There is no hypothesis to test.", "Type a sentence.")
    if not verb.sources:
        raise BadInput("There is no source to test it at.", "Open a prompt and pick a token.")
    if len(verb.hypotheses) * len(verb.sources) > _MOST_PAIRS:
        raise BadInput(
            f"{len(verb.hypotheses)} hypotheses at {len(verb.sources)} sources are too many at once.",
            f"Ask for at most {_MOST_PAIRS} pairs.",
        )
    phrasings.check(verb.templates, verb.wordings)
    if verb.tried < 0 or verb.seed < 0:
        raise BadInput("tried and seed cannot be negative.", "Give 0 or more.")
    sources = tuple(vectors.resolve(engine, source) for source in verb.sources)
    if verb.scope != "position" and not all(isinstance(source, Residual) for source in sources):
        raise BadInput("Only a prompt has other positions and layers.", "Ask at this source alone.")
    _check_one_place({vectors.place(source, engine) for source in sources})
    reader = reader_name(engine, verb.reader, *vectors.place(sources[0], engine))
    hypotheses = tuple(dict.fromkeys(text.strip() for text in verb.hypotheses))
    wordings = {text.strip(): own for text, own in verb.wordings.items()}
    templates = phrasings.TEMPLATES if verb.templates is None else verb.templates
    return msgspec.structs.replace(
        verb, hypotheses=hypotheses, sources=sources, reader=reader, wordings=wordings, templates=templates
    )


def _check_one_place(places: set[tuple[str, int]]) -> None:
    if len(places) > 1:
        raise BadInput("The sources stand at different layers or models.", "Ask for one layer at a time.")


class _Layer:
    """All positions of all prompts at one layer."""

    def __init__(self, engine: WorkbenchEngine, reader: Reader, texts: Phrased, verb: Test) -> None:
        self.layer = reader.layer
        self._places: list[list[int | None]] = []
        found: list[Tensor] = []
        for source in verb.sources:
            assert isinstance(source, Residual)
            capture = engine.captures.get(reader.subject, source.token_ids)
            special = [token in reader.subject.special_ids for token in source.token_ids]
            places = iter(range(sum(map(len, found)), sum(map(len, found)) + special.count(False)))
            self._places.append([None if is_special else next(places) for is_special in special])
            found.append(capture.residuals[reader.layer][~torch.tensor(special)])
        self.reading = Reading(engine, reader, texts, torch.cat(found))

    def row(self, prompt: int, text: int) -> tuple[Score, ...]:
        """Return a hypothesis' score at every token of a prompt."""
        behind = self.reading.behind(text)
        return tuple(
            scores.failed(SPECIAL) if place is None else self.reading.at_place(place, text, behind)
            for place in self._places[prompt]
        )


class Answer:
    """What is known so far, as rows."""

    def __init__(self, engine: WorkbenchEngine, verb: Test) -> None:
        self.verb, self.engine = verb, engine
        self.reader = open_reader(engine, verb.reader)
        self.texts = self._phrased(self.reader)
        at = torch.stack([engine.vector(source) for source in verb.sources])
        self.main = Reading(engine, self.reader, self.texts, at)
        self.layers = [self._layer(name) for name in self._names()]
        self.judge = Judge(engine, self.main, verb) if verb.controls else None

    def _phrased(self, reader: Reader) -> Phrased:
        return phrased(reader, self.verb.hypotheses, self.verb.templates, self.verb.wordings)

    def _names(self) -> list[str]:
        if self.verb.scope == "layers":
            by_layer = readers_by_layer(self.engine, self.reader.subject.name)
            return [*(by_layer | {self.reader.layer: self.reader.name}).values()]
        return [self.reader.name] if self.verb.scope == "positions" else []

    def _layer(self, name: str) -> _Layer:
        reader = open_reader(self.engine, name)
        texts = self.texts if reader.slots == self.reader.slots else self._phrased(reader)
        return _Layer(self.engine, reader, texts, self.verb)

    @property
    def readings(self) -> list[Reading]:
        """One reading a reader, the asked place's first."""
        first: dict[str, Reading] = {}
        for reading in (self.main, *(layer.reading for layer in self.layers)):
            first.setdefault(reading.reader.name, reading)
        return list(first.values())

    def rows(self) -> tuple[HypothesisRow, ...]:
        """Return one row a prompt and hypothesis."""
        pairs = [(p, t) for p in range(len(self.verb.sources)) for t in range(len(self.texts.texts))]
        return tuple(self.row(prompt, text) for prompt, text in pairs)

    def row(self, prompt: int, text: int) -> HypothesisRow:
        """Return what is known of one hypothesis at one prompt."""
        source = self.verb.sources[prompt]
        by_layer = tuple((layer.layer, layer.row(prompt, text)) for layer in self.layers if layer.reading.scored)
        wordings = self.main.wordings(prompt, text)
        return HypothesisRow(
            text=self.texts.texts[text],
            score=self.judge.score(prompt, text) if self.judge else self.main.at_place(prompt, text),
            prompt=prompt,
            layer=self.reader.layer,
            position=source.position if isinstance(source, Residual) else 0,
            background=self.main.behind(text) if len(self.verb.sources) == 1 else (),
            positions=next((found for layer, found in by_layer if layer == self.reader.layer), ()),
            layers=by_layer if self.verb.scope == "layers" else (),
            wordings=wordings,
            wording_spread=wording_spread(wordings),
        )


def run(engine: WorkbenchEngine, verb: Test) -> Iterator[Event | None]:
    """Score and judge, streaming rows."""
    for step in steps(engine, verb):
        yield Finished(Tested(step.reader.name, step.rows())) if isinstance(step, Answer) else step


def steps(engine: WorkbenchEngine, verb: Test) -> Iterator[Event | Answer | None]:
    """Score the place itself, then everywhere else, then backgrounds and controls; last the whole answer, judged.

    Rows are sent after each of these.
    """
    yield from opening(engine, verb.reader)
    yield from _captured(engine, verb)
    answer = Answer(engine, verb)
    yield None
    yield from answer.main.score()
    yield Partial(answer.rows())
    for layer in answer.layers:
        yield from layer.reading.score()
        yield Partial(answer.rows())
    for reading in answer.readings:
        for done in reading.compare():
            yield Progress(*done, f"measuring the background of {reading.reader.name}") if done else None
        yield Partial(answer.rows())
    if answer.judge:
        yield from _judged(answer, answer.judge)
    yield answer


def _judged(answer: Answer, judge: Judge) -> Iterator[Event | None]:
    """Measure the controls; a short table's rows are sent after each of them, so that they can be seen to come."""
    shown = 0
    for done in judge.measure():
        yield Progress(*done, f"measuring the controls of {judge.reading.reader.name}") if done else None
        if judge.measures.finished > shown and len(answer.verb.sources) * len(answer.texts.texts) <= _SHORT:
            shown = judge.measures.finished
            yield Partial(answer.rows())


def _captured(engine: WorkbenchEngine, verb: Test) -> Iterator[None]:
    """Run the subject on every prompt that is not captured, one a step."""
    for source in verb.sources:
        engine.vector(source)
        yield None
