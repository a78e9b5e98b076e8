"""How much a search finds: measured once for an index and a reader, with labels that entered no training if there are.

A sample of the positions is scored exactly for a few sentences, and searched with the share of exact scores that a
search of the whole corpus has. A search learns from what it scores, and here that is less: the figure errs downwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backends.engine.index.corpus_index import CorpusIndex
from backends.engine.index.corpus_probe import Probe
from backends.engine.index.corpus_search import ROUNDS, Search, budget
from backends.engine.index.corpus_view import View
from backends.engine.labels import LabelSet
from backends.engine.likelihood import Ids, encode_texts, make_plan, score_many, tokens_a_step
from backends.engine.readers.reader import Reader
from backends.engine.training.folders import write_atomically
from investigator.errors import ScoreError
from investigator.wire import Progress

TOP = 20
"""Best positions whose share is found, before one a context is kept."""
LENGTHS = range(4, 9)
"""Tokens of a sentence."""
_SAMPLE = 4096


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured, and how."""

    recall: float
    """Share of the `TOP` best positions that a search finds, mean over the sentences."""
    sentences: tuple[str, ...]
    recalls: tuple[float, ...]
    positions: int
    """Positions scored exactly for every sentence."""
    rescored: int
    """Positions that each search scored."""
    seed: int


class Sample:
    """Some positions of a corpus, their mapper inputs in memory."""

    def __init__(self, inputs: Tensor) -> None:
        self._inputs = inputs

    @property
    def size(self) -> int:
        """Number of positions."""
        return len(self._inputs)

    def blocks(self) -> Iterator[tuple[int, Tensor]]:
        """Yield all inputs at once."""
        yield 0, self._inputs

    def rows(self, numbers: NDArray[np.int64]) -> Tensor:
        """Return the inputs of some positions."""
        return self._inputs[torch.from_numpy(numbers)]


def file_of(index: CorpusIndex, reader: Reader) -> Path:
    """Return where a reader's calibration of an index is kept."""
    return index.folder / "calibration" / f"{reader.fingerprint}.json"


def read(index: CorpusIndex, reader: Reader) -> Calibration | None:
    """Return what was measured, None where nothing was."""
    try:
        return msgspec.json.decode(file_of(index, reader).read_bytes(), type=Calibration)
    except (OSError, msgspec.DecodeError):
        return None


def calibrate(index: CorpusIndex, reader: Reader, labels: LabelSet, *, seed: int = 0) -> Iterator[Progress | None]:
    """Measure and keep how much a search finds; does nothing where the reader has no labels of a fitting length."""
    draw = np.random.default_rng(seed)
    chosen = sentences(reader, labels, draw)
    if not chosen:
        return
    view = View(index, reader)
    drawn = np.sort(draw.choice(view.size, size=min(view.size, _SAMPLE), replace=False))
    sample = Sample(view.rows(drawn))
    most = min(sample.size, max(ROUNDS * 4, round(budget(view.size) / view.size * sample.size)))
    truth = torch.full((len(chosen), sample.size), torch.nan, dtype=torch.float64)
    for done in truths(reader, sample.rows(np.arange(sample.size)), list(chosen.values())):
        truth[done[1], done[0].start : done[0].stop] = done[2].T
        yield Progress(done[0].stop, sample.size, f"scoring {sample.size:,} positions to see what a search finds")
    recalls = []
    for ids, scores in zip(chosen.values(), truth, strict=True):
        search = Search(sample, Probe(reader, ids), seed)
        for _ in search.run(most):
            yield None
        recalls.append(recall_of(search, scores.numpy()))
    found = Calibration(
        recall=float(np.mean(recalls)),
        sentences=tuple(chosen),
        recalls=tuple(recalls),
        positions=sample.size,
        rescored=most,
        seed=seed,
    )
    content = msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n"
    write_atomically(file_of(index, reader), lambda temporary: _write(temporary, content))


def _write(file: Path, content: bytes) -> None:
    file.write_bytes(content)


def truths(reader: Reader, inputs: Tensor, texts: Sequence[Ids]) -> Iterator[tuple[range, Tensor, Tensor]]:
    """Score every text at every position: yields positions, texts and scores `[positions, texts]` of each step."""
    subject = reader.subject
    plan = make_plan(texts, tokens_a_step=tokens_a_step(subject))
    room = tokens_a_step(subject)
    for start in range(0, len(inputs), room):
        with torch.inference_mode():
            soft = reader.mapper.prompts(inputs[start : start + room].to(subject.device)).to(subject.dtype)
        for done in score_many(subject, soft, plan):
            yield range(start + done.sources.start, start + done.sources.stop), done.texts, done.scores


def recall_of(search: Search, truth: NDArray[np.float64]) -> float:
    """Return which share of the best `TOP` positions by exact scores a search has scored."""
    best = np.argsort(-np.nan_to_num(truth, nan=-np.inf), kind="stable")[:TOP]
    return float(np.isin(best, search.numbers).mean())


def sentences(reader: Reader, labels: LabelSet, draw: np.random.Generator) -> dict[str, Ids]:
    """Return labels of 4 to 8 tokens, of each length one where there is one; those kept from training come first."""
    texts = [labels.texts[at] for at in draw.permutation(len(labels.texts))]
    texts.sort(key=lambda text: labels.split_of(text) == "train")
    found: dict[int, tuple[str, Ids]] = {}
    for text, ids in zip(texts, encode_texts(reader.subject, texts, slots=reader.slots), strict=True):
        if not isinstance(ids, ScoreError) and len(ids) in LENGTHS:
            found.setdefault(len(ids), (text, ids))
    return {text: ids for _, (text, ids) in sorted(found.items())}
