"""Texts made ready for scoring: encoded, planned once, with the reasons of those that cannot be scored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from backends.engine.likelihood import GridScores, Ids, Plan, make_plan, score_many, tokens_a_step
from backends.engine.likelihood.fused import route_name
from backends.engine.likelihood.injected import Prompts
from backends.engine.likelihood.plan import TRUNK
from backends.engine.likelihood.texts import encode_texts
from backends.engine.readers.reader import Reader
from backends.engine.subject import Subject
from investigator.errors import ScoreError

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine


@dataclass(frozen=True)
class Prepared:
    """Distinct texts in their given order, with a plan of those that can be scored."""

    texts: tuple[str, ...]
    errors: dict[int, str]
    """Why a text, by its index, cannot be scored."""
    valid: Tensor
    """Indices of the texts in the plan, in the plan's order."""
    ids: tuple[Ids, ...]
    """Token ids of the texts in the plan."""
    tokens_a_step: int

    @cached_property
    def plan(self) -> Plan:
        """The plan, made when it is first needed: an index answers without one."""
        return make_plan(self.ids, tokens_a_step=self.tokens_a_step)

    def planned(self, plan: Plan) -> Prepared:
        """Return the same with a plan that was made elsewhere."""
        copy = replace(self)
        copy.__dict__["plan"] = plan
        return copy

    @cached_property
    def lengths(self) -> list[int]:
        """Number of scored tokens of every text, the end included; 0 for one that cannot be scored."""
        lengths = [0] * len(self.texts)
        for index, ids in zip(self.valid.tolist(), self.ids, strict=True):
            lengths[index] = len(ids) + 1
        return lengths

    @cached_property
    def places(self) -> dict[str, int]:
        """Index of every text."""
        return {text: index for index, text in enumerate(self.texts)}


def prepare(subject: Subject, texts: Sequence[str], *, slots: int) -> Prepared:
    """Encode distinct texts; their scoring is planned when it is first asked."""
    distinct = tuple(dict.fromkeys(texts))
    encoded = encode_texts(subject, distinct, slots=slots)
    errors = {index: str(found) for index, found in enumerate(encoded) if isinstance(found, ScoreError)}
    valid = [index for index in range(len(distinct)) if index not in errors]
    ids = tuple(found for found in encoded if not isinstance(found, ScoreError))
    return Prepared(distinct, errors, torch.tensor(valid, dtype=torch.long), ids, tokens_a_step(subject))


def prepared_labels(engine: WorkbenchEngine, reader: Reader) -> Prepared:
    """Return the reader's label set made ready, once for all readers of the same subject, labels and slots."""
    texts = engine.parts.labels(reader.sae).texts if reader.sae else []
    return engine.parts.once("prepared", _key(reader), lambda: prepare(reader.speaker, texts, slots=reader.slots))


def prepared_before(engine: WorkbenchEngine, reader: Reader) -> bool:
    """Return whether the reader's label set has been made ready."""
    return engine.parts.known("prepared", _key(reader))


def _key(reader: Reader) -> str:
    own = reader.subject.name if reader.indexed else reader.name
    return f"{own}/{reader.sae}/{reader.slots}"


def score_prepared(subject: Subject, soft: Prompts, prepared: Prepared) -> Iterator[GridScores]:
    """Score prepared texts under soft or injected prompts; text indices are those of `prepared.texts`."""
    for done in score_many(subject, soft, prepared.plan):
        yield GridScores(done.sources, prepared.valid[done.texts], done.scores)


def plan_name(subject: Subject) -> str:
    """Return what provenance records of the batch plan: with the texts' fingerprint it decides every batch."""
    return f"trie, {tokens_a_step(subject)} nodes a step, {TRUNK} kept at a time, {route_name(subject)}"
