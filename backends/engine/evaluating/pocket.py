"""`evaluate pocket`: every figure of a workbench made by `train pocket`, on its test documents."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backends.engine.evaluating.bench import DEFAULT, PAPER, TestBench, open_benches
from backends.engine.evaluating.gain import gain_figures
from backends.engine.evaluating.generated import verbatim_figure
from backends.engine.evaluating.generation import Embedders, generation_figures, open_embedders
from backends.engine.evaluating.ranks import WANTED_RANK, rank_figure, rank_shares
from backends.engine.evaluating.simple import bits_per_byte_figure, coverage_figure, read_share_figure, sae_figures
from backends.engine.evaluating.spliced import loss_recovered_figure
from backends.engine.training.mapper_pairs import Pairs, heldout_pairs
from backends.engine.training.opening import open_folder
from backends.engine.training.progress import Progress
from investigator.records import Figure

_WANTED_GAIN, _WANTED_UNSEEN = ">= 0.5", "> 0"


@dataclass(frozen=True)
class Effort:
    """How many pairs are scored, labels ranked and places written about at a layer."""

    pairs: int
    ranked: int
    written: int


_MAIN, _OTHER = Effort(2000, 320, 200), Effort(600, 96, 80)


def evaluate_pocket(folder: Path, *, device: str = "cpu") -> Iterator[Progress | Figure]:
    """Measure all figures of the workbench in `folder`, yielding each when it is known, and progress between.

    Figures of the first subject's main layer have plain names; those of other layers and subjects end in `@` and the
    name of their autoencoder, and stand on fewer pairs. Latents are drawn as in L2EL, appendix A, at all text positions
    of the test documents; intervals are bootstraps over documents. Minutes on two cores; all is computed in float32.
    """
    opened = open_folder(folder)
    embedders = open_embedders(folder, device)
    total = sum(len(one.recipe.layers) for one in opened)
    yield Progress(0, total, "running the test documents")
    for done, bench in enumerate(open_benches(opened, device=device), start=1):
        for figure in _figures(bench, embedders):
            yield bench.named(figure)
            yield Progress(done - 1, total, f"measured {figure.name} at layer {bench.layer} of {bench.subject.name}")
        yield Progress(done, total, f"measured layer {bench.layer} of {bench.subject.name}")
    yield Progress(total, total, "all figures measured")


def _figures(bench: TestBench, embedders: Embedders) -> Iterator[Figure]:
    effort = _MAIN if bench.main else _OTHER
    yield from _gains(bench, "mapper_nll_gain", DEFAULT, effort, unseen=False, target=_WANTED_GAIN)
    if bench.there(PAPER):
        yield from _gains(bench, "mapper_nll_gain_paper", PAPER, effort, unseen=False)[:1]
    yield from _gains(bench, "unseen_label_gain", DEFAULT, effort, unseen=True, target=_WANTED_UNSEEN)
    for unseen, name in ((False, "true_label_rank"), (True, "unseen_label_rank")):
        yield _rank(bench, name, effort, unseen=unseen)
    yield from generation_figures(bench, DEFAULT, effort.written, embedders)
    if bench.main:
        yield verbatim_figure(bench, DEFAULT)
    yield coverage_figure(bench)
    yield read_share_figure(bench)
    if not bench.folders.suffix:
        yield bits_per_byte_figure(bench)
    yield from sae_figures(bench)
    yield loss_recovered_figure(bench)


def _drawn(bench: TestBench, count: int, *, unseen: bool) -> tuple[Pairs, NDArray[np.int64]]:
    return heldout_pairs(bench.places, bench.labels, unseen=unseen, count=count, seed=bench.recipe.mapper.seed)


def _gains(bench: TestBench, figure: str, name: str, effort: Effort, *, unseen: bool, target: str = "") -> list[Figure]:
    pairs, _ = _drawn(bench, effort.pairs, unseen=unseen)
    return gain_figures(bench, figure, name, pairs, target) if len(pairs) else [_nothing(figure, "nats/token", target)]


def _rank(bench: TestBench, figure: str, effort: Effort, *, unseen: bool) -> Figure:
    pairs, places = _drawn(bench, effort.ranked, unseen=unseen)
    if not len(pairs):
        return _nothing(figure, "share", WANTED_RANK)
    return rank_figure(bench, figure, rank_shares(bench, DEFAULT, pairs, places), pairs.documents)


def _nothing(figure: str, unit: str, target: str) -> Figure:
    return Figure(figure, None, unit, target, None, "no such label is active on the test documents")
