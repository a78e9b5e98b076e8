"""`evaluate pocket`: every figure of a workbench made by `train pocket`, on its test documents."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backends.engine.evaluating.bench import PAPER, TestBench, open_bench
from backends.engine.evaluating.gain import gain_figure
from backends.engine.evaluating.generated import verbatim_figure
from backends.engine.evaluating.ranks import WANTED_RANK, rank_figure, rank_shares
from backends.engine.evaluating.simple import bits_per_byte_figure, coverage_figure, sae_figures
from backends.engine.training.folders import Folders
from backends.engine.training.mapper_pairs import Pairs, heldout_pairs
from backends.engine.training.progress import Progress
from investigator.records import Figure

DEFAULT = "l2el"
_PAIRS, _RANKED = 2000, 320
_WANTED_GAIN = ">= 0.3"


def evaluate_pocket(folder: Path, *, device: str = "cpu") -> Iterator[Progress | Figure]:
    """Measure all figures of the workbench in `folder`, yielding each when it is known, and progress between.

    Latents are drawn as in L2EL, appendix A, at all text positions of the test documents; intervals are bootstraps
    over documents. Takes minutes on two cores; everything is computed in float32.
    """
    total = 9
    yield Progress(0, total, "running the test documents")
    bench = open_bench(Folders(folder), device=device)
    yield Progress(1, total, "likelihood gains")
    yield _gain(bench, "mapper_nll_gain", DEFAULT, unseen=False, target=_WANTED_GAIN)
    yield _gain(bench, "mapper_nll_gain_paper", PAPER, unseen=False)
    yield _gain(bench, "unseen_label_gain", DEFAULT, unseen=True)
    yield Progress(3, total, "ranks")
    for unseen, name in ((False, "true_label_rank"), (True, "unseen_label_rank")):
        yield _rank(bench, name, unseen=unseen)
    yield Progress(5, total, "drawing texts")
    yield verbatim_figure(bench, DEFAULT)
    yield Progress(6, total, "labels and language model")
    yield coverage_figure(bench)
    yield bits_per_byte_figure(bench)
    yield from sae_figures(bench)
    yield Progress(total, total, "all figures measured")


def _drawn(bench: TestBench, count: int, *, unseen: bool) -> tuple[Pairs, NDArray[np.int64]]:
    return heldout_pairs(bench.places, bench.labels, unseen=unseen, count=count, seed=bench.recipe.mapper.seed)


def _gain(bench: TestBench, figure: str, name: str, *, unseen: bool, target: str = "") -> Figure:
    pairs, _ = _drawn(bench, _PAIRS, unseen=unseen)
    return gain_figure(bench, figure, name, pairs, target) if len(pairs) else _nothing(figure, "nats/token", target)


def _rank(bench: TestBench, figure: str, *, unseen: bool) -> Figure:
    pairs, places = _drawn(bench, _RANKED, unseen=unseen)
    if not len(pairs):
        return _nothing(figure, "share", WANTED_RANK)
    return rank_figure(bench, figure, rank_shares(bench, DEFAULT, pairs, places), pairs.documents)


def _nothing(figure: str, unit: str, target: str) -> Figure:
    return Figure(figure, None, unit, target, None, "no such label is active on the test documents")
