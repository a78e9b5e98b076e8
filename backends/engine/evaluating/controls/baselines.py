"""What stands beside the reader's ranking of labels: rankings that a reader must beat to have said anything."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from backends.engine.evaluating.controls.arithmetic import Floats
from backends.engine.evaluating.controls.bench import ControlBench, Ints, carried
from backends.engine.evaluating.controls.embedding import Embedder

SMOOTHING = 5.0
"""Places' worth of the label frequencies over all tokens that a token's own are mixed with."""
WINDOW = 8
"""Tokens of the short context that the embedder also reads: many labels speak of the last word alone."""


def by_token(bench: ControlBench, places: Ints) -> Floats:
    """Return how often each label is active at a place's token, [places, labels], counted on the tune documents."""
    tune, labels = bench.tune, len(bench.labels.texts)
    tokens = tune.tokens[tune.documents, tune.positions]
    label = bench.labels.of_latent[tune.latents]
    row, column = np.nonzero((tune.activations > 0) & (label >= 0))
    # A label that two latents of one place carry counts once.
    pairs = np.unique(np.stack([row, label[row, column]], axis=1), axis=0)
    everywhere = np.bincount(pairs[:, 1], minlength=labels) / len(tokens)
    here = bench.test.tokens[bench.test.documents[places], bench.test.positions[places]]
    found = np.empty((len(places), labels))
    for index, token in enumerate(here):
        same = tokens == token
        counts = np.bincount(pairs[same[pairs[:, 0]], 1], minlength=labels)
        found[index] = (counts + SMOOTHING * everywhere) / (same.sum() + SMOOTHING)
    return found


def by_prior(bench: ControlBench) -> Floats:
    """Return each label's score at the mean of the reader's input, or of its output where it normalises, [labels]."""
    from backends.engine.controls.vectors import layer_mean
    from backends.engine.likelihood import score_many

    reader = bench.reader
    if reader.mapper.card.form == "paper":
        soft = reader.soft_prompts(layer_mean(bench.engine, reader)[None])
    else:
        soft = reader.soft_prompts(bench.panels.background.vectors).mean(0, keepdim=True)
    found = np.full(len(bench.prepared.texts), np.nan)
    for done in score_many(reader.subject, soft, bench.prepared.plan):
        found[bench.prepared.valid[done.texts].numpy()] = done.scores[0].numpy()
    return found


def by_nearest(bench: ControlBench, places: Ints) -> Floats:
    """Return the activations with which each label's latents fire at the nearest tune activation, [places, labels].

    Nearest by cosine after the layer's mean is taken off; labels that are silent there tie at 0.
    """
    from backends.engine.controls.vectors import layer_mean

    mean = layer_mean(bench.engine, bench.reader)
    stored = torch.nn.functional.normalize(bench.tune.residuals.float() - mean, dim=-1)
    here = torch.nn.functional.normalize(bench.vectors(places) - mean, dim=-1)
    nearest = (here @ stored.T).argmax(1).tolist()
    return np.stack([carried(bench.labels, bench.tune.latents[at], bench.tune.activations[at]) for at in nearest])


def by_embedding(bench: ControlBench, places: Ints) -> tuple[Floats, Floats]:
    """Return cosines of labels and contexts, [places, labels]: of the whole context, and of its last few tokens."""
    embedder = Embedder(bench.device)
    labels = embedder.embed(bench.labels.texts).astype(np.float64)
    contexts = [bench.context(int(place))[1:] for place in places]
    whole, short = (
        [_decoded(bench, context[-most:]) for context in contexts] for most in (len(bench.test.tokens[0]), WINDOW)
    )
    tables = (embedder.embed(texts).astype(np.float64) @ labels.T for texts in (whole, short))
    first, second = tables
    return first, second


def _decoded(bench: ControlBench, ids: tuple[int, ...]) -> str:
    return bench.reader.subject.decode(ids).strip() or " "


def actives(bench: ControlBench, places: Ints) -> NDArray[np.bool_]:
    """Return which labels are active at each place, [places, labels]."""
    return np.stack([bench.active(int(place)) for place in places])


def drawn_from(bench: ControlBench, places: Ints) -> NDArray[np.bool_]:
    """Return the labels that training draws from at each place (L2EL, appendix A), [places, labels]."""
    found = np.zeros((len(places), len(bench.labels.texts)), dtype=bool)
    for row, place in enumerate(places):
        best = bench.test.best[place]
        label = bench.labels.of_latent[best[best >= 0]]
        found[row, label[label >= 0]] = True
    return found
