"""How much a reader's activation tells about the label: true likelihood against readers that see nothing of it."""

from dataclasses import dataclass

import numpy as np
import torch

from backends.engine.evaluating.bench import TestBench
from backends.engine.evaluating.bootstrap import Values, interval_over_documents
from backends.engine.training.blind import NAME as BLIND
from backends.engine.training.label_counts import frequency_scores
from backends.engine.training.mapper_pairs import Pairs
from investigator.errors import finite
from investigator.records import Figure

COLUMNS = ("true activation", "shuffled activations", "the blind mapper", "label frequencies alone")
"""The last three see nothing of the activation; the last is where a blind reader of any training would end at best."""


@dataclass(frozen=True)
class Gain:
    """Mean scores in nats a token over pairs, true activation first, and the gain over the best of the others."""

    means: tuple[float, ...]
    """In the order of `COLUMNS`."""
    better: int
    """Column of the best baseline."""
    value: float
    interval: tuple[float, float]

    @property
    def compared_with(self) -> str:
        """The best of the baselines, and all numbers as negative log-likelihoods."""
        rest = ", ".join(f"{name} {-mean:.3f}" for name, mean in zip(COLUMNS[1:], self.means[1:], strict=False))
        return f"{COLUMNS[self.better]} (nll {-self.means[0]:.3f}; {rest})"


def gain_over_blind(scores: Values, documents: np.ndarray, seed: int) -> Gain:
    """The gain of `scores` [pairs, columns] over the best of the baselines, with its interval over documents."""
    means = scores.mean(0)
    better = 1 + int(means[1:].argmax())

    def statistic(chosen: Values) -> float:
        return float((chosen[:, 0] - chosen[:, better]).mean())

    interval = interval_over_documents(scores, documents, statistic, seed=seed)
    value = finite(statistic(scores), "the gain")
    return Gain(tuple(float(mean) for mean in means), better, value, interval)


def score_columns(bench: TestBench, name: str, pairs: Pairs) -> Values:
    """Scores [pairs, 4] in the order of `COLUMNS`."""
    residuals = torch.from_numpy(pairs.residuals.astype(np.float32))
    labels = pairs.labels.tolist()
    # Pairs stand in document order, so half the list away is another document.
    other = residuals.roll(len(labels) // 2, 0)
    columns = [
        bench.score_pairs(name, residuals, labels),
        bench.score_pairs(name, other, labels),
        bench.score_pairs(BLIND, residuals, labels),
        frequency_scores(bench.folders.reader(BLIND), torch.tensor([len(ids) + 1 for ids in bench.ids]))[labels],
    ]
    return torch.stack(columns, dim=1).numpy()


def gain_figures(bench: TestBench, figure: str, name: str, pairs: Pairs, target: str) -> list[Figure]:
    """The gain of one reader on some pairs: over the better of shuffled activations and the blind mapper, and stricter.

    `_over_frequencies` counts how often each label was drawn for training among the baselines, `_per_label` the same
    in nats a whole label: one of many tokens costs little a token to whoever knows its frequency.
    """
    scores, seed = score_columns(bench, name, pairs), bench.recipe.mapper.seed
    tokens = np.array([len(bench.ids[label]) + 1 for label in pairs.labels.tolist()], dtype=np.float64)
    measured = [
        (figure, scores[:, :3], "nats/token", target),
        (f"{figure}_over_frequencies", scores, "nats/token", ""),
        (f"{figure}_per_label", scores * tokens[:, None], "nats/label", ""),
    ]
    found = []
    for title, table, unit, wanted in measured:
        gain = gain_over_blind(table, pairs.documents, seed)
        found.append(Figure(title, gain.value, unit, wanted, gain.interval, gain.compared_with))
    return found
