"""A ranking in stages: an estimate at once, its best candidates exactly, and where it is asked the proof.

`exact`: every label is scored. `index`: the estimate, then exact scores of as many candidates as recall was measured
for. `proven`: the exact best rows, found without computing what cannot be among them. `auto`: the estimate first where
there is an index, then whichever of the other two is cheaper: all labels where these are few.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import torch

from backends.engine import fingerprints
from backends.engine.controls.rankings import judge_ranking
from backends.engine.index.label_card import AGAIN, Recall
from backends.engine.index.label_index import LabelIndex, index_of, is_open
from backends.engine.index.label_search import rescore
from backends.engine.likelihood import Top, tokens_a_step, top_k
from backends.engine.likelihood.injected import Prompts
from backends.engine.readers import label_means
from backends.engine.readers.backgrounds import PART, background_of, filled
from backends.engine.readers.label_table import Ints, LabelTable, Stage
from backends.engine.readers.prepared import Prepared, score_prepared
from backends.engine.readers.reader import Reader
from investigator.errors import BadInput, WorkbenchError
from investigator.records import Labels
from investigator.wire import Event, Partial, Progress, RankLabels

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

# Seconds between two messages while scores stream in: no eye is faster, and the socket stays quiet.
PAUSE = 0.15
# `auto` scores all labels where that takes no more than so many model steps: about four seconds.
AT_ONCE = 48
# Rows whose background is measured exactly where the index only estimates it: what fits a screen.
ON_SCREEN = 50


class Ranking:
    """One question's way through the stages."""

    def __init__(self, engine: WorkbenchEngine, reader: Reader, verb: RankLabels, prepared: Prepared) -> None:
        self.engine, self.reader, self.verb, self.prepared = engine, reader, verb, prepared
        self.table = LabelTable(prepared, reader.name)
        self.index: LabelIndex | None = None
        self.trouble = ""
        """Why an index that is there cannot be used."""
        self._stage: Stage = "exact"
        self._recall: float | None = None
        self._visited: float | None = None
        self._only: Ints | None = None
        """Which texts may stand in the answer, where not all may."""
        self._tied = 0
        """Texts that are not in the answer and lie within 1e-4 of its last row."""
        self._notes: dict[str, None] = {}
        self._last = time.monotonic()

    # The index

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the list of texts."""
        if self.verb.labels is None and self.reader.sae:
            return self.engine.parts.labels(self.reader.sae).list_fingerprint
        return fingerprints.of_text("\n".join(self.prepared.texts))

    def open_index(self) -> None:
        """Open the index where the method may use one; raise BadInput where it must and there is none."""
        if self.verb.method == "exact" or not self.prepared.ids:
            return
        if not self.reader.indexed:
            if self.verb.method == "index":
                raise BadInput(f"{self.reader.name} has no index: soft-prompt readers alone have.", "Ask without it.")
            return
        try:
            self.index = index_of(self.engine, self.reader, self.fingerprint)
            if self.index is not None and self.index.card.identity.texts != len(self.prepared.ids):
                self.index = None
                raise WorkbenchError("The label index holds another number of labels.", AGAIN)
        except WorkbenchError as error:
            if self.verb.method == "index":
                raise
            self.trouble = f"not using the index: {error.message}"
        if self.index is None and self.verb.method == "index":
            raise BadInput("These labels have no index.", AGAIN)

    def index_is_open(self) -> bool:
        """Whether an index of these labels has been opened before, so that estimating costs milliseconds."""
        return is_open(self.engine, self.reader, self.fingerprint)

    def estimated(self) -> Iterator[Event]:
        """Estimate every label and give the best rows."""
        self._estimate()
        yield from self._stream("estimated from the index", now=True)

    def _estimate(self) -> None:
        """Estimate every label, with the background that the index knows; runs no model."""
        index, valid = self.index, self.prepared.valid.numpy()
        assert index is not None
        gaps = index.first(self._input()).double()
        self.table.take_estimated_means(valid, index.means.numpy(), index.tables.spreads.double().numpy(), PART)
        self.table.estimate(valid, (gaps + index.means).numpy())

    def _input(self) -> torch.Tensor:
        vector = self.engine.vector(self.verb.source)
        with torch.inference_mode():
            return self.reader.mapper.inputs(vector[None].to(self.reader.subject.device, torch.float32))[0].cpu()

    def _searches(self) -> bool:
        """Whether not every label is to be scored."""
        if self.verb.method == "auto":
            tokens = sum(map(len, self.prepared.ids))
            return self.index is not None and tokens > AT_ONCE * tokens_a_step(self.reader.speaker)
        return self.verb.method != "exact"

    # Stages

    def stages(self, soft: Prompts) -> Iterator[Event | None]:
        """Go through the stages under one soft prompt `[1, slots, d]`."""
        self.open_index()
        if self.trouble:
            yield Progress(0, len(self.prepared.ids), self.trouble)
        if self.index is not None:
            yield from self.estimated()
            yield None
        yield from self._background()
        if not self._searches():
            yield from self._all(soft)
        else:
            if self.index is not None:
                yield from self._rescored(self.index, soft)
            if self.verb.method != "index":
                yield from self._proven(soft)
        yield from self._on_screen()
        self._judge()

    def result(self) -> Labels:
        """Return the answer."""
        found = self.table.result(self.verb, self._stage, only=self._only)
        ties = found.ties + self._tied
        self._note(self.trouble)
        note = "; ".join(self._notes)
        return msgspec.structs.replace(found, recall=self._recall, visited=self._visited, ties=ties, note=note)

    def _note(self, said: str) -> None:
        if said:
            self._notes[said] = None

    def _stream(self, message: str, *, now: bool = False) -> Iterator[Event]:
        if not now and time.monotonic() - self._last <= PAUSE:
            return
        self._last = time.monotonic()
        if rows := self.table.fresh(self.verb):
            yield Partial(rows)
        yield Progress(self.table.known, len(self.prepared.ids), message)

    def _background(self) -> Iterator[Event | None]:
        """Bring the labels' means: shipped, kept, or measured now, which the next question finds done."""
        if self.index is not None and not self.index.card.exact_means:
            return
        if self.verb.labels is not None:
            yield from self._measured(list(range(len(self.prepared.ids))), "measuring the sentences' background")
            return
        means = label_means.label_means(self.engine, self.reader)
        if means is None or (means.means is None and (self.index is not None or self.verb.order != "gap")):
            return
        if means.means is None:
            for position in means.fill():
                done = (
                    None
                    if position is None
                    else Progress(position, means.positions, "measuring the labels' background")
                )
                yield done
            label_means.keep(self.engine, self.reader, means)
        self.table.take_means(means)

    def _measured(self, places: list[int], message: str) -> Iterator[Event | None]:
        """Measure texts, by their places in the plan, at the background positions."""
        background = background_of(self.engine, self.reader)
        ids = [self.prepared.ids[place] for place in places]
        for done in filled(background, ids, PART):
            yield Progress(*done, message) if done else None
        if background:
            for place, text in zip(places, ids, strict=True):
                self.table.take_background(int(self.prepared.valid[place]), background.scores(text, PART))

    def _all(self, soft: Prompts) -> Iterator[Event | None]:
        for done in score_prepared(self.reader.speaker, soft, self.prepared):
            self.table.take(done.texts.numpy(), done.scores[0].numpy())
            self._note(done.note)
            yield from self._stream("scoring labels")
            yield None
        self._stage, self._recall = "exact", None

    def _rescored(self, index: LabelIndex, soft: Prompts) -> Iterator[Event | None]:
        assert isinstance(soft, torch.Tensor), "only soft-prompt readers have an index"
        by_score = self.verb.order == "score"
        recall = index.card.score if by_score else index.card.gap
        refiner = index.refiner(self.reader, self._input(), soft, by_score=by_score)
        yield None
        valid = self.prepared.valid
        first = torch.isin(valid, torch.from_numpy(self.table.active)).nonzero()[:, 0]
        candidates = self._candidates(recall)
        found = rescore(
            self.reader.speaker, soft, self.prepared.ids, refiner, index.means, candidates=candidates, first=first
        )
        for done in found:
            if done is not None:
                texts, scores = done
                self.table.take(valid[texts].numpy(), scores.numpy())
                self.table.estimate(valid.numpy(), (refiner.estimate.double() + index.means).numpy())
                yield from self._stream("scoring the best candidates", now=True)
            yield None
        self._stage, self._recall = "rescored", recall.rescored

    def _candidates(self, recall: Recall) -> int:
        return min(len(self.prepared.ids), max(recall.candidates, self.verb.limit))

    def _proven(self, soft: Prompts) -> Iterator[Event | None]:
        """Prove the best rows, where these are the best of all by score or gap; score everything otherwise."""
        if self.verb.order == "activation" or self.verb.filter.strip():
            yield from self._all(soft)
            return
        valid = self.prepared.valid.numpy()
        means = self.table.means[valid] if self.verb.order == "gap" else np.zeros(len(valid))
        known = [index for index, _ in self.table.chosen(self.verb, exact=True)]
        found: Top | None = None
        for found in top_k(
            self.reader.speaker,
            soft,
            self.prepared.plan,
            min(self.verb.limit, len(valid)),
            means=means if self.verb.order == "gap" else None,
            candidates=np.searchsorted(valid, np.array(known, dtype=np.int64)),
        ):
            self._visited = found.visited_share
            best = found.texts.numpy()
            self.table.take(valid[best], found.values.numpy() + means[best])
            yield from self._stream("proving the best")
            yield None
        assert found is not None
        self._note(found.note)
        self._only, self._tied = valid[best], len(found.tied)
        self._stage, self._recall = "proven", None

    def _on_screen(self) -> Iterator[Event | None]:
        """Measure the background of the rows on screen where the index only estimates it."""
        if self.index is None or self.index.card.exact_means:
            return
        rows = [index for index, _ in self.table.chosen(self.verb, exact=True, only=self._only)]
        # Their gaps move when the background is exact, and must not be overtaken by texts whose own is estimated.
        self._only = np.array(rows, dtype=np.int64) if len(rows) == self.verb.limit else None
        places = np.searchsorted(self.prepared.valid.numpy(), rows[:ON_SCREEN])
        yield from self._measured(places.tolist(), "measuring the rows' background")

    def _judge(self) -> None:
        """Judge the ranking of a label set, for which decoys were ranked."""
        if self.verb.controls and self.verb.labels is None:
            table = self.table
            table.judgement = judge_ranking(self.engine, self.reader, table.gaps, table.spreads, table.means)
