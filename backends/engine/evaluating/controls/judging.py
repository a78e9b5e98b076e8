"""Verdicts in bulk, each by the very function that judges a hypothesis on screen, said in its own words alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from backends.engine.controls.statistics import Evidence
from backends.engine.controls.verdicts import judge
from backends.engine.evaluating.controls.bench import ControlBench
from backends.engine.likelihood import Ids, score_pairs
from backends.engine.readers.backgrounds import filled
from backends.engine.training.progress import Progress
from investigator.errors import ScoreError
from investigator.records import Verdict


class Bulk:
    """Texts at vectors, pair by pair: text `i` under vector `i`."""

    def __init__(self, bench: ControlBench, vectors: Tensor, texts: list[Ids]) -> None:
        self.bench, self.vectors, self.texts = bench, vectors, texts
        self.values = np.full(len(texts), np.nan)

    def measure(self, what: str) -> Iterator[Progress]:
        """Score every pair, and every distinct text over the background and the covariance-random vectors."""
        reader = self.bench.reader
        for done in score_pairs(reader.subject, reader.soft(self.vectors), self.texts):
            self.values[done.pairs.numpy()] = done.scores.numpy()
            yield Progress(int(np.isfinite(self.values).sum()), len(self.texts), f"scoring {what}")
        distinct = list(dict.fromkeys(self.texts))
        for panel, name in (
            (self.bench.panels.background, "the background"),
            (self.bench.panels.covariance, "random vectors"),
        ):
            for done_so_far in filled(panel, distinct):
                if done_so_far:
                    yield Progress(*done_so_far, f"scoring {what} over {name}")

    def verdicts(self) -> list[Verdict]:
        """Return each pair's verdict; raise ScoreError where a score failed or the thresholds are not built."""
        artefacts = self.bench.artefacts
        found = [judge(self._evidence(pair), artefacts.limits(1) if artefacts else None).verdict
                 for pair in range(len(self.texts))]  # fmt: skip
        known = [verdict for verdict in found if verdict is not None]
        if len(known) < len(found):
            raise ScoreError("A text has no verdict.", "Build the thresholds: `investigator index controls`.")
        return known

    def _evidence(self, pair: int) -> Evidence:
        panels, ids = self.bench.panels, self.texts[pair]
        behind = (np.array(panel.scores(ids)) for panel in (panels.background, panels.covariance))
        evidence = Evidence(float(self.values[pair]), *behind)
        if not evidence.finite:
            raise ScoreError("A score came out as NaN, so there is no verdict to count.", "Try dtype float32.")
        return evidence


def fresh_vectors(bench: ControlBench, count: int, *stream: int) -> Tensor:
    """Return random vectors [count, d] that no control has used: half drawn from the layer's mean and covariance, half
    in every direction alike, as far from the mean as the background is on average."""
    from backends.engine.controls.vectors import layer_mean
    from backends.engine.vectors import covariance_root

    root = covariance_root(bench.engine, bench.reader.subject.name, bench.reader.layer)
    mean = layer_mean(bench.engine, bench.reader)
    draws = torch.from_numpy(bench.random(*stream).standard_normal((count, len(mean))))
    half = count // 2
    typical = float((bench.panels.background.vectors - mean).norm(dim=-1).mean())
    anywhere = typical * torch.nn.functional.normalize(draws[half:], dim=-1)
    return mean + torch.cat([draws[:half] @ root.T, anywhere]).float()
