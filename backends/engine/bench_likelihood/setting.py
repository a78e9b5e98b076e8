"""What all parts of the benchmark share: a reader, label-like sentences, sources, and what was found about them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from backends.engine.bench_likelihood.loop import plain
from backends.engine.bench_likelihood.sentences import COUNT, SEED, sentences
from backends.engine.likelihood import Ids, Plan, encode_texts, make_plan, score_many, tokens_a_step
from backends.engine.readers.reader import Reader, open_reader, reader_name
from backends.engine.subject import Subject
from investigator.errors import ScoreError, WorkbenchError

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine
    from backends.engine.index.label_index import LabelIndex

SOURCES = 8


@dataclass
class Setting:
    """One benchmark's material."""

    engine: WorkbenchEngine
    reader: Reader
    texts: list[str]
    ids: list[Ids]
    plan: Plan
    planning: float
    """Seconds that planning took."""
    tables: dict[int, Tensor] = field(default_factory=dict)
    """Full rankings made so far: `[texts]` scores by source."""
    index: LabelIndex | None = None
    """The sentences' index, once it was made."""

    @property
    def subject(self) -> Subject:
        """Return the model that reads."""
        return self.reader.subject

    @cached_property
    def other(self) -> Subject:
        """Return a copy of it for the loops, untouched by ours."""
        return plain(self.subject)

    @cached_property
    def background(self) -> Tensor:
        """Return the layer's background positions `[n, d]`."""
        return self.engine.parts.layer_statistics(self.subject.name).background[self.reader.layer]

    def soft(self, source: int) -> Tensor:
        """Return one background position's soft prompt `[1, slots, d]`."""
        place = source % len(self.background)
        return self.reader.soft_prompts(self.background[place : place + 1])

    def table(self, source: int) -> Tensor:
        """Return a source's full ranking, made now where it was not before."""
        if source not in self.tables:
            table = torch.full((len(self.ids),), torch.nan, dtype=torch.float64)
            for done in score_many(self.subject, self.soft(source), self.plan):
                table[done.texts] = done.scores[0]
            self.tables[source] = table
        return self.tables[source]


def setting(engine: WorkbenchEngine, *, count: int = COUNT) -> Setting:
    """Return the benchmark's material for the workbench's default reader, made once an engine.

    Raises WorkbenchError where there is no reader, or no labels to take openings from.
    """
    return engine.parts.once("bench_likelihood", str(count), lambda: _make(engine, count))


def _make(engine: WorkbenchEngine, count: int) -> Setting:
    reader = _reader(engine)
    labels = engine.parts.labels(reader.sae).texts if reader.sae else []
    texts = sentences(labels, reader.subject.tokenizer, count=count, seed=SEED)
    encoded = encode_texts(reader.subject, texts, slots=reader.slots)
    kept = [(text, ids) for text, ids in zip(texts, encoded, strict=True) if not isinstance(ids, ScoreError)]
    texts, ids = [text for text, _ in kept], [ids for _, ids in kept]
    start = time.perf_counter()
    plan = make_plan(ids, tokens_a_step=tokens_a_step(reader.subject))
    return Setting(engine, reader, texts, ids, plan, time.perf_counter() - start)


def _reader(engine: WorkbenchEngine) -> Reader:
    readers = engine.workbench.readers
    if not readers:
        raise WorkbenchError("The workbench has no reader to measure.", "Add a [readers.NAME] table to it.")
    entry = next((entry for entry in readers.values() if entry.default), next(iter(readers.values())))
    return open_reader(engine, reader_name(engine, "", entry.subject, entry.layer))
