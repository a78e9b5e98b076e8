"""Where nothing is to be found: p-values of texts that do not belong to their place, and rankings of random vectors."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from backends.engine.controls.rankings import judge_ranking
from backends.engine.evaluating.controls.arithmetic import Floats, band, distance_to_uniform, p_by_lot, share
from backends.engine.evaluating.controls.bench import BUILD, ControlBench
from backends.engine.evaluating.controls.judging import fresh_vectors
from backends.engine.evaluating.controls.tables import label_table
from backends.engine.likelihood import Ids, PrefixStates, make_plan, prefix_states, score_grid, tokens_a_step
from backends.engine.training.progress import Progress
from investigator.records import Figure

_PAIRS, _BACKGROUND = 2000, 48
_RANKINGS = 50
Steps = Iterator[Progress | Figure]


def null_figure(bench: ControlBench) -> Steps:
    """Yield `null_ks_distance`: label and place drawn independently, with a fresh background for every pair.

    Place and background are places of test documents, no two of a pair of one document, so that under the null each is
    as likely as the others to be the one that is judged.
    """
    everywhere = np.ones(len(bench.test.documents), dtype=bool)
    places = bench.one_a_document(everywhere, 5)
    states = prefix_states(bench.reader.subject, bench.reader.soft(bench.vectors(places)))
    size = min(_BACKGROUND, len(places) - 1)
    count, draw = bench.options.count(_PAIRS), bench.random(6)
    drawn, engine_own = np.zeros(count), np.zeros(count)
    for pair in range(count):
        ids = bench.ids[int(draw.choice(bench.scorable))]
        scores = _scores(bench, _some(states, draw.permutation(len(places))[: size + 1]), ids)
        value, background = float(scores[0]), scores[1:]
        drawn[pair] = p_by_lot(value, background, draw.random())
        engine_own[pair] = p_by_lot(value, background, 1.0)
        yield Progress(pair + 1, count, "p-values where nothing is to be found")
    value = distance_to_uniform(drawn)
    exact = np.quantile([distance_to_uniform(draw.random(count)) for _ in range(300)], 0.95)
    beside = (
        f"{count} pairs, {size} fresh background places each; exactly uniform p stay below {exact:.3f} in 95 % of such "
        f"samples; p without lots {distance_to_uniform(engine_own):.3f}; at p <= 0.05: {(drawn <= 0.05).mean():.3f}"
    )
    yield Figure("null_ks_distance", value, "distance", "<= 0.04", band(value, count), beside)


def _some(states: PrefixStates, rows: np.ndarray) -> PrefixStates:
    at = torch.from_numpy(rows)
    return PrefixStates(tuple((keys[at], values[at]) for keys, values in states.layers), states.last[at], states.slots)


def _scores(bench: ControlBench, states: PrefixStates, ids: Ids) -> Floats:
    """Return one text's scores after these states, [sources]."""
    subject = bench.reader.subject
    found = np.full(states.sources, np.nan)
    for done in score_grid(subject, states, make_plan([ids], tokens_a_step=tokens_a_step(subject))):
        if len(done.texts):
            found[done.sources.start : done.sources.stop] = done.scores[:, 0].numpy()
    return found


def decoy_figure(bench: ControlBench) -> Steps:
    """Yield `decoy_supported_labels`: labels that the ranking of a fresh random vector calls supported, on average."""
    name, target = "decoy_supported_labels", "<= 0.1 a ranking"
    if bench.artefacts is None:
        yield Figure(name, None, "labels", target, None, f"needs the decoys {BUILD}")
        return
    count = bench.options.count(_RANKINGS)
    vectors = fresh_vectors(bench, count, 7)
    table = yield from label_table(bench, vectors, "ranking labels under random vectors")
    supported = np.array([_supported(bench, row) for row in table], dtype=np.float64)
    value, interval = share(supported, np.arange(count), bench.options.seed)
    half = count // 2
    places = bench.one_a_document(np.ones(len(bench.test.documents), dtype=bool), 8)[: max(2, count // 4)]
    real = yield from label_table(bench, bench.vectors(places), "ranking labels at test places")
    found = np.mean([_supported(bench, row) for row in real])
    beside = (
        f"{count} rankings of {len(bench.prepared.texts)} labels; covariance {supported[:half].mean():.2f}, every "
        f"direction {supported[half:].mean():.2f}; at test places {found:.1f}"
    )
    yield Figure(name, value, "labels", target, interval, beside)


def _supported(bench: ControlBench, scores: Floats) -> int:
    """Return how many labels of one ranking are called supported."""
    means = bench.means
    assert means.means is not None and means.scores is not None
    mean, spread = means.means.numpy(), means.scores.double().std(1, correction=0).numpy()
    judged = judge_ranking(bench.engine, bench.reader, scores - mean, spread, mean)
    assert judged is not None
    return judged.supported
