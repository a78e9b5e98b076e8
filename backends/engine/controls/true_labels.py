"""True labels: those of the strongest active latents at places of the tune documents, and what they score."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from backends.engine.controls.phrasings import TEMPLATES, phrased
from backends.engine.controls.prompt_only import heldout_texts
from backends.engine.controls.statistics import Floats, middle
from backends.engine.controls.vectors import SEED
from backends.engine.controls.verdicts import Limits
from backends.engine.numbers import robust_z
from backends.engine.readers.backgrounds import PART
from backends.engine.readers.prepared import score_prepared
from backends.engine.readers.reader import Reader

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

DOCUMENTS, PLACES = 200, 4
"""Tune documents that are read, and places of each."""
PHRASED = 160
"""Distinct true labels that are scored in the default phrasings."""
FIRST_POSITION = 8
MOST_RATE = 0.01
"""Latents that fire on more tokens say little of any one (L2EL, appendix A)."""
TAILS = (2.5, 97.5)


def true_labels(engine: WorkbenchEngine, reader: Reader) -> Iterator[list[int] | None]:
    """Yield None after each document, then the true label of every place, as indices of the label set.

    The labels of the whole set, each once, where the workbench has no tune documents.
    """
    labels = engine.parts.labels(reader.sae)
    tune = engine.parts.path(engine.workbench.heldout) / "tune.jsonl"
    if not engine.workbench.heldout or not tune.is_file():
        yield list(range(len(labels.texts)))
        return
    texts = list(heldout_texts(tune).values())
    draw = np.random.default_rng([SEED, 3])
    found: list[int] = []
    for document in draw.permutation(len(texts))[:DOCUMENTS].tolist():
        ids = tuple(reader.subject.encode(texts[document])[: reader.subject.context])
        positions = draw.permutation(np.arange(FIRST_POSITION, max(FIRST_POSITION, len(ids))))[:PLACES]
        if len(positions):
            found += _strongest(engine, reader, ids, positions.tolist())
        yield None
    yield found or list(range(len(labels.texts)))


def _strongest(engine: WorkbenchEngine, reader: Reader, ids: tuple[int, ...], positions: list[int]) -> list[int]:
    sae, labels = engine.parts.sae(reader.sae), engine.parts.labels(reader.sae)
    statistics = engine.parts.latent_statistics(reader.sae)
    encoded = engine.captures.get(reader.subject, ids).encoded(sae)
    where = {text: index for index, text in enumerate(labels.texts)}
    found = []
    for position in positions:
        latents, activations, pre = encoded.at(position)
        z = robust_z(pre, statistics.median[latents], statistics.iqr[latents]) if statistics.measured else activations
        rare = statistics.rate[latents] <= MOST_RATE if statistics.measured else np.ones(len(latents), dtype=bool)
        named = [place for place in np.argsort(-z).tolist() if rare[place] and labels.labels_of(int(latents[place]))]
        if named:
            found.append(where[labels.labels_of(int(latents[named[0]]))[0]])
    return found


def limits_of(spreads: Floats, means: Floats) -> Limits:
    """Return the thresholds from true labels' spreads and means over the background, one a place."""
    known = np.isfinite(spreads) & np.isfinite(means)
    spread, mean = np.percentile(spreads[known], TAILS[0]), np.percentile(means[known], TAILS[1])
    return Limits(float(spread), float(mean), int(known.sum()))


def phrased_table(engine: WorkbenchEngine, reader: Reader, labels: list[int]) -> Iterator[Floats | None]:
    """Yield None at each model step, then `[labels, 2]`: spread and mean of each label in the default phrasings."""
    names = engine.parts.labels(reader.sae).texts
    texts = phrased(reader, [names[label] for label in labels], TEMPLATES, {})
    vectors = engine.parts.layer_statistics(reader.subject.name).background[reader.layer, :PART]
    table = np.full((len(vectors), len(texts.prepared.texts)), np.nan)
    for done in score_prepared(reader.speaker, reader.soft(vectors), texts.prepared):
        table[done.sources.start : done.sources.stop, done.texts.numpy()] = done.scores.numpy()
        yield None
    rows = [middle(table[:, texts.valid(text)].T) if texts.valid(text) else None for text in range(len(labels))]
    nothing = (float("nan"), float("nan"))
    yield np.array([nothing if row is None else (row.std(), row.mean()) for row in rows])
