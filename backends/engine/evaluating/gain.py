"""How much a reader's activation tells about the label: true likelihood against two readers that see nothing of it."""

from dataclasses import dataclass

import numpy as np
import torch

from backends.engine.evaluating.bench import TestBench
from backends.engine.evaluating.bootstrap import Values, interval_over_documents
from backends.engine.training.blind import NAME as BLIND
from backends.engine.training.mapper_pairs import Pairs
from investigator.errors import finite
from investigator.records import Figure


@dataclass(frozen=True)
class Gain:
    """Mean scores in nats a token over pairs: with the true activation, with another document's, and blind."""

    true: float
    shuffled: float
    blind: float
    value: float
    interval: tuple[float, float]

    @property
    def compared_with(self) -> str:
        """The better of the two baselines, and all three numbers."""
        better = "the blind mapper" if self.blind > self.shuffled else "shuffled activations"
        return f"{better} (nll {-self.true:.3f}; blind {-self.blind:.3f}, shuffled {-self.shuffled:.3f})"


def gain_over_blind(scores: Values, documents: np.ndarray, seed: int) -> Gain:
    """The gain of `scores` [pairs, 3] (true, shuffled, blind) over the better of the last two, with its interval."""
    true, shuffled, blind = (float(column) for column in scores.mean(0))
    better = 1 if shuffled > blind else 2

    def statistic(chosen: Values) -> float:
        return float((chosen[:, 0] - chosen[:, better]).mean())

    interval = interval_over_documents(scores, documents, statistic, seed=seed)
    return Gain(true, shuffled, blind, finite(statistic(scores), "the gain"), interval)


def score_columns(bench: TestBench, name: str, pairs: Pairs) -> Values:
    """Scores [pairs, 3] under the true activation, under one of another document, and under the blind mapper."""
    residuals = torch.from_numpy(pairs.residuals.astype(np.float32))
    labels = pairs.labels.tolist()
    # Pairs stand in document order, so half the list away is another document.
    other = residuals.roll(len(labels) // 2, 0)
    columns = [
        bench.score_pairs(name, residuals, labels),
        bench.score_pairs(name, other, labels),
        bench.score_pairs(BLIND, residuals, labels),
    ]
    return torch.stack(columns, dim=1).numpy()


def gain_figure(bench: TestBench, figure: str, name: str, pairs: Pairs, target: str) -> Figure:
    """The gain of one reader on some pairs as a figure."""
    gain = gain_over_blind(score_columns(bench, name, pairs), pairs.documents, bench.recipe.mapper.seed)
    return Figure(figure, gain.value, "nats/token", target, gain.interval, gain.compared_with)
