"""Where an active latent's label ranks among labels of latents that are not active there."""

import numpy as np
import torch
from numpy.typing import NDArray

from backends.engine.evaluating.bench import TestBench
from backends.engine.evaluating.bootstrap import interval_over_documents, median
from backends.engine.likelihood import grid_table
from backends.engine.training.label_means import load_means
from backends.engine.training.mapper_pairs import Pairs
from investigator.records import Figure

AMONG = 400
WANTED_RANK = "<= 0.05"
# So many labels are scored at every place; those of active latents are then left out.
_POOL = 440
# Sources scored at once: the table of one step stays small.
_SOURCES = 8


def rank_share(true: float, others: NDArray[np.float64]) -> float:
    """Share of the others that rank before the true label; equal ones count half."""
    return float(((others > true).sum() + 0.5 * (others == true).sum()) / len(others))


def active_labels(bench: TestBench, place: int) -> set[int]:
    """Labels that any latent active at a place carries."""
    latents = bench.places.latents[place][bench.places.activations[place] > 0]
    return {int(label) for label in bench.labels.of_latent[latents] if label >= 0}


def draw_pool(labels: int, seed: int) -> NDArray[np.int64]:
    """The labels that serve as the others, the same at every place, so that their shared beginnings pay."""
    pool: NDArray[np.int64] = np.random.default_rng(seed).permutation(labels)[:_POOL]
    return pool


def rank_shares(bench: TestBench, name: str, pairs: Pairs, places: NDArray[np.int64]) -> NDArray[np.float64]:
    """[pairs, 2]: the true label's rank share by gap and by raw score; `places` are the pairs' test positions."""
    means = load_means(bench.folders.reader(name)).numpy()
    pool = draw_pool(len(bench.labels.texts), bench.recipe.mapper.seed)
    residuals = torch.from_numpy(pairs.residuals.astype(np.float32))
    true = bench.score_pairs(name, residuals, pairs.labels.tolist()).numpy()
    found = []
    for start in range(0, len(pairs), _SOURCES):
        table = _pool_scores(bench, name, residuals[start : start + _SOURCES], pool)
        for row, scores in enumerate(table, start=start):
            label, active = int(pairs.labels[row]), active_labels(bench, int(places[row]))
            inactive = np.array([other not in active and other != label for other in pool.tolist()])
            others, score = pool[inactive][:AMONG], scores[inactive][:AMONG]
            by_gap = rank_share(true[row] - means[label], score - means[others])
            found.append((by_gap, rank_share(true[row], score)))
    return np.array(found)


@torch.inference_mode()
def _pool_scores(bench: TestBench, name: str, residuals: torch.Tensor, pool: NDArray[np.int64]) -> NDArray[np.float64]:
    soft = bench.mapper(name)(residuals.to(bench.device))
    table: NDArray[np.float64] = grid_table(bench.subject, soft, [bench.ids[label] for label in pool]).numpy()
    return table


def rank_figure(bench: TestBench, figure: str, shares: NDArray[np.float64], documents: NDArray[np.int32]) -> Figure:
    """The median rank share by gap, with its interval, beside the same by raw score."""
    interval = interval_over_documents(shares[:, 0], documents, median, seed=bench.recipe.mapper.seed)
    beside = f"0.5 by chance; {median(shares[:, 1]):.3f} by raw score; {len(shares)} places, {AMONG} other labels each"
    return Figure(figure, median(shares[:, 0]), "share", WANTED_RANK, interval, beside)
