"""Making a label index, stage by stage; every stage leaves files that a later run finds and does not make again."""

from __future__ import annotations

import copy
import shutil
import time
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import torch
from torch import Tensor

from backends.engine import files, provenance
from backends.engine.dtypes import fastest_matmul_dtype
from backends.engine.index import label_card, label_parts, label_tables
from backends.engine.index.anchor import make_anchor
from backends.engine.index.label_anchors import choose_anchors
from backends.engine.index.label_calibrate import Calibration, Fitted, Sources
from backends.engine.index.label_card import Identity, IndexCard
from backends.engine.index.label_contexts import make_contexts
from backends.engine.index.label_directions import principal_directions, with_rankings
from backends.engine.index.label_estimate import Linearised
from backends.engine.index.label_gradients import text_gradients
from backends.engine.index.label_index import LabelIndex
from backends.engine.index.label_tables import Tables
from backends.engine.likelihood import LanguageModel, score_many
from backends.engine.readers.backgrounds import PART
from backends.engine.readers.label_means import LabelMeans
from backends.engine.readers.prepared import Prepared
from backends.engine.readers.reader import Reader
from backends.engine.subject import Subject
from backends.engine.training.folders import write_atomically
from investigator.errors import BadInput, WorkbenchError
from investigator.wire import Progress

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

ANCHORS = 4
SOURCES = 6
HELDOUT = 4
# Background positions behind the usual next tokens.
_USUAL = 32
_EXACT = "exact"
# Lists longer than this are ranked in the faster type where estimates are fitted to them: its rounding, some
# thousandths of a nat a token, is far below what an estimate misses. Recall is always measured on exact rankings.
_LONG = 8192


class Build:
    """One index in the making, of a reader and a list of texts made ready (`prepared`) with this fingerprint."""

    def __init__(
        self,
        engine: WorkbenchEngine,
        reader: Reader,
        prepared: Prepared,
        fingerprint: str,
        *,
        means: LabelMeans | None = None,
        anchors: int = ANCHORS,
        sources: int = SOURCES,
        heldout: int = HELDOUT,
        folder: Path | None = None,
    ) -> None:
        """Decide what is to be made; raise BadInput where it cannot be. `means` are exact ones, where known."""
        if not prepared.ids:
            raise BadInput("None of the labels can be scored, so there is nothing to index.", "Give other labels.")
        if reader.mapper.card.form == "prompt-only":
            raise BadInput(f"The reader {reader.name} reads no activation.", "Index another reader's labels.")
        if min(anchors, sources, heldout) < 1:
            raise BadInput("An index needs at least one anchor, one source and one held-out source.", "Ask for more.")
        self.reader, self.prepared, self._exact_means = reader, prepared, means
        statistics = engine.parts.layer_statistics(reader.subject.name)
        self._background = statistics.background[reader.layer]
        self._anchors = min(anchors, len(self._background))
        self.folder = folder or label_card.cached(label_card.key_of(engine, reader, fingerprint))
        if len(self._background) < sources + heldout:
            raise BadInput(
                f"The background has {len(self._background)} positions, fewer than {sources + heldout}.",
                "Ask for fewer sources.",
            )
        self.identity = Identity(
            subject=reader.subject.fingerprint,
            reader=reader.fingerprint,
            labels=fingerprint,
            statistics=statistics.fingerprint,
            texts=len(prepared.ids),
            width=reader.mapper.card.width,
            anchors=self._anchors,
            sources=sources,
            heldout=heldout,
        )
        self._seconds: dict[str, float] = {}

    @property
    def done(self) -> bool:
        """Whether the index is there already, whole and with these choices."""
        try:
            card = label_card.read_card(self.folder)
            return card is not None and card.identity == self.identity and bool(LabelIndex(self.folder, card))
        except WorkbenchError:
            return False

    def run(self) -> Iterator[Progress | None]:
        """Make what is missing; yields progress, and None at each model step."""
        if self.done:
            yield Progress(1, 1, "the index was made before")
            return
        self._begin()
        anchors = self._choose()
        yield from self._timed("gradients", self._gradients(anchors))
        scored = (anchors, *self._positions())
        yield from self._timed("exact rankings", self._exact(scored))
        yield from self._finish(anchors, time.perf_counter())

    def _timed(self, name: str, steps: Iterator[Progress | None]) -> Iterator[Progress | None]:
        begun = time.perf_counter()
        yield from steps
        self._seconds[name] = time.perf_counter() - begun

    def _begin(self) -> None:
        """Keep what a killed run of the same index left; anything else in the folder goes."""
        if label_card.read_draft(self.folder) != self.identity:
            shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / label_card.CARD).unlink(missing_ok=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        draft = msgspec.json.encode(self.identity)
        write_atomically(self.folder / label_card.DRAFT, lambda path: _write(path, draft))

    def _positions(self) -> tuple[Tensor, Tensor]:
        """Return the activations of sources and held-out sources: the background's last ones."""
        count = self.identity.sources + self.identity.heldout
        last = self._background[-count:]
        return last[: self.identity.sources], last[self.identity.sources :]

    @torch.inference_mode()
    def _choose(self) -> Tensor:
        """Return the anchors `[anchors, d]`, chosen without the held-out positions."""
        known = self._background[: len(self._background) - self.identity.heldout]
        inputs = self.reader.mapper.inputs(known.to(self.reader.subject.device, torch.float32)).cpu()
        return choose_anchors(inputs, self._anchors)

    @cached_property
    def _quick(self) -> LanguageModel:
        """The model in the faster type."""
        return _quick(self.reader.subject)

    # Gradients

    def _gradients(self, anchors: Tensor) -> Iterator[Progress | None]:
        missing = [part for part in range(label_parts.count(self.identity.texts)) if not self._have(part)]
        if not missing:
            return
        yield Progress(0, self.identity.texts, "preparing the anchors")
        made = []
        for anchor in anchors:
            made.append(make_anchor(self.reader.subject, self.reader.mapper, anchor.clone()))
            yield None
        for part in missing:
            texts = self.prepared.ids[part * label_parts.SIZE : (part + 1) * label_parts.SIZE]
            found = torch.zeros(len(anchors), len(texts), self.identity.width)
            for number, anchor in enumerate(made):
                for at, gradients in text_gradients(self._quick, self.reader.mapper, anchor, texts):
                    found[number, at] = gradients
                    yield None
                done = part * label_parts.SIZE + len(texts) * (number + 1) // len(made)
                yield Progress(done, self.identity.texts, "differentiating labels")
            label_parts.write(self.folder, part, found)

    def _have(self, part: int) -> bool:
        return label_parts.whole(self.folder, part, shape=self._shape(part))

    def _shape(self, part: int) -> tuple[int, int, int]:
        size = min(label_parts.SIZE, self.identity.texts - part * label_parts.SIZE)
        return self._anchors, size, self.identity.width

    # Exact rankings

    def _exact(self, scored: tuple[Tensor, Tensor, Tensor]) -> Iterator[Progress | None]:
        """Score every text at the anchors, the sources and the held-out sources, one file a ranking."""
        quick = self._quick if self.identity.texts > _LONG else self.reader.subject
        anchors, *vectors = scored
        mapper, subject = self.reader.mapper, self.reader.subject
        with torch.inference_mode():
            known = mapper.inputs(torch.cat(vectors).to(subject.device, torch.float32))
            prompts = mapper.prompts(torch.cat([anchors.to(subject.device), known])).to(subject.dtype)
        for number, prompt in enumerate(prompts):
            if self._ranking(number) is not None:
                continue
            scores = torch.full((self.identity.texts,), torch.nan, dtype=torch.float64)
            model = quick if number < len(prompts) - self.identity.heldout else self.reader.subject
            for done in score_many(model, prompt[None], self.prepared.plan):
                scores[done.texts] = done.scores[0]
                yield None
            label_parts.save(self._ranking_file(number), {_EXACT: scores.float()})
            yield Progress(number + 1, len(prompts), "ranking labels exactly")

    def _ranking_file(self, number: int) -> Path:
        return self.folder / f"{_EXACT}-{number:04d}.safetensors"

    def _ranking(self, number: int) -> Tensor | None:
        try:
            found: Tensor = files.tensors(self._ranking_file(number))[_EXACT]
        except (WorkbenchError, KeyError):
            return None
        return found if found.shape == (self.identity.texts,) else None

    def _rankings(self, numbers: range) -> Tensor:
        found = [self._ranking(number) for number in numbers]
        return torch.stack([scores for scores in found if scores is not None])

    # Fitting

    def _finish(self, anchors: Tensor, begun: float) -> Iterator[Progress | None]:
        made = self.identity
        yield Progress(0, _USUAL, "finding what labels have in common")
        parts = [
            label_parts.read(self.folder, part, shape=self._shape(part))
            for part in range(label_parts.count(made.texts))
        ]
        scores = self._rankings(range(self._anchors))
        contexts = make_contexts(self.prepared.ids, self.reader.subject.eos_id)
        directions = principal_directions(parts, scores)
        calibration = Calibration(
            self.reader, Linearised(parts, anchors, scores, contexts.lengths), contexts, directions
        )
        for done in calibration.measure_usual(self._background[:_USUAL]):
            yield Progress(done, _USUAL, "measuring usual tokens")
        sources, held = self._sources()
        means, spreads, exact = self._means(calibration, sources)
        ranked = torch.cat([scores, sources.scores])
        calibration.directions = with_rankings(directions, ranked, means, spreads)
        yield None
        fitted = Fitted(means, spreads, *calibration.fit(sources, means))
        yield Progress(_USUAL, _USUAL, "measuring recall")
        gap, score = (calibration.recall(fitted, held, by_score=by_score) for by_score in (False, True))
        tables = Tables(
            anchors,
            scores,
            means,
            spreads,
            calibration.directions,
            contexts,
            calibration.usual,
            fitted.first,
            fitted.full,
        )
        label_tables.save(self.folder, tables)
        card = IndexCard(
            identity=made,
            gap=gap,
            score=score,
            exact_means=exact,
            seconds=self._seconds | {"calibration": time.perf_counter() - begun},
            dtype=str(_quick_dtype(self.reader.subject)).removeprefix("torch."),
            libraries=provenance.libraries(),
            machine=provenance.machine(),
        )
        encoded = msgspec.json.format(msgspec.json.encode(card), indent=1) + b"\n"
        write_atomically(self.folder / label_card.CARD, lambda path: _write(path, encoded))

    def _sources(self) -> tuple[Sources, Sources]:
        vectors, held = self._positions()
        begin, end = self._anchors, self._anchors + len(vectors)
        return (
            Sources(vectors, self._rankings(range(begin, end))),
            Sources(held, self._rankings(range(end, end + len(held)))),
        )

    def _means(self, calibration: Calibration, sources: Sources) -> tuple[Tensor, Tensor, bool]:
        """Return the texts' means and spreads over the background, and whether they are exact."""
        exact = self._exact_means
        if exact is not None and exact.means is not None and exact.scores is not None:
            valid = self.prepared.valid
            return exact.means[valid].float(), exact.scores[valid].std(1, correction=0), True
        return *calibration.estimated_background(sources, self._background[:PART]), False


def _quick_dtype(subject: Subject) -> torch.dtype:
    """Return what gradients are computed in: the faster type, since they are kept in half precision anyway."""
    if subject.dtype != torch.float32:
        return subject.dtype
    return fastest_matmul_dtype().fastest if subject.device.type == "cpu" else torch.bfloat16


def _quick(subject: Subject) -> LanguageModel:
    dtype = _quick_dtype(subject)
    if dtype == subject.dtype:
        return subject
    return Subject(subject.name, copy.deepcopy(subject.model).to(dtype), subject.tokenizer)


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)
