"""The verdict: the first that holds of three, and one sentence with the numbers that decided it."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np

from backends.engine.controls.statistics import Evidence, Floats, also_tried, share_above
from investigator.records import Verdict

LEVEL = 0.01
"""Largest p over the background at which a place counts as unusual for a text."""
RANDOM = 0.05
"""Largest share of covariance-random vectors, or of self-scores, that may do as well."""
BUILD = "Build its thresholds with `investigator index controls`."


class Limits(msgspec.Struct, frozen=True):
    """What true labels score over the background, beyond which a text fits almost anything, in nats per token."""

    spread: float
    """2.5th percentile of true labels' spreads."""
    mean: float
    """97.5th percentile of true labels' background means."""
    labels: int = 0
    """Number of places whose true labels these are of."""


@dataclass(frozen=True)
class Tried:
    """What a verdict is corrected for: the other texts of the question, and wordings tried before."""

    p: float
    """p over the background, the question's other texts corrected for."""
    random: float
    """The same over covariance-random vectors."""
    texts: int = 1
    """How many texts the question holds."""
    before: int = 0
    """How many other wordings were tried at this place before."""
    ordinary: tuple[float, float] | None = None
    """How often an ordinary label reaches this standardised gap at a background position, and at a random vector."""

    @property
    def count(self) -> int:
        """All that were tried at this place."""
        return self.texts + self.before

    def corrected(self, evidence: Evidence) -> tuple[float, float]:
        """Return p over the background and over random vectors, corrected for all that were tried.

        Of earlier wordings only the number is known. Each is taken for an ordinary label; without artefacts, for one as
        likely to do well as this text itself.
        """
        one, random = self.ordinary or (evidence.p, evidence.p_covariance)
        return also_tried(self.p, one, self.before), also_tried(self.random, random, self.before)


@dataclass(frozen=True)
class Judgement:
    """A verdict and why; no verdict where what decides it is not known."""

    verdict: Verdict | None
    why: str


def vague(spread: float, mean: float, limits: Limits) -> str:
    """Return why a text fits almost anything, empty where it does not."""
    if spread < limits.spread:
        return (
            f"Over the background it moves by {spread:.2f} nats, true labels by {limits.spread:.2f} or more (97.5 %)."
        )
    if mean > limits.mean:
        return f"Over the background it scores {mean:.2f} on average, true labels {limits.mean:.2f} or less (97.5 %)."
    return ""


def judge(evidence: Evidence, limits: Limits | None, tried: Tried | None = None) -> Judgement:
    """Judge a text that was not drawn from this place."""
    tried = tried or Tried(evidence.p, evidence.p_covariance)
    if limits and (why := vague(evidence.spread, evidence.mean, limits)):
        return Judgement("fits almost anything", why)
    if why := _baseline(evidence, tried):
        return Judgement("not above baseline", why)
    n, m = len(evidence.background), len(evidence.covariance)
    p = f"p = {tried.corrected(evidence)[0]:.4f} over {n} background positions"
    share = 100 * (1 - evidence.p_covariance)
    above = f"Gap {evidence.gap:+.2f}: {p}, above {share:.1f} % of {m} random vectors{_tries(tried)}"
    if limits is None:
        return Judgement(None, f"{above}; whether it is vague is not known. {BUILD}")
    return Judgement("supported", f"{above}.")


def _tries(tried: Tried) -> str:
    return f", {tried.count} tries corrected for" if tried.count > 1 else ""


def _baseline(evidence: Evidence, tried: Tried) -> str:
    """Return why a text is not above baseline, empty where it is."""
    n, m = len(evidence.background), len(evidence.covariance)
    least = also_tried(1 / (1 + n), 0.0 if tried.ordinary else 1 / (1 + n), tried.before)
    if least > LEVEL:
        return f"{_tried(tried, n)}: the smallest p is {least:.3f}, above {LEVEL}, so no text can be supported here."
    p, random = tried.corrected(evidence)
    start = f"Gap {evidence.gap:+.2f}"
    if p > LEVEL:
        return f"{start}: p = {p:.3f} over {n} background positions, and {LEVEL} is needed{_tries(tried)}."
    if random > RANDOM:
        edge = float(np.quantile(evidence.covariance, 1 - RANDOM, method="higher")) - evidence.mean
        return f"{start}: one in twenty of {m} random vectors reaches {edge:+.2f}{_tries(tried)}."
    return ""


def _tried(tried: Tried, n: int) -> str:
    if tried.before:
        return f"{tried.count} wordings were tried at this place, and there are {n} background positions"
    return f"There are only {n} background positions"


def judge_drawn(evidence: Evidence, limits: Limits | None, best: Floats | None) -> Judgement:
    """Judge a text drawn from the very activation that scores it, or picked after seeing such texts.

    `best` are the gaps of the best text that the same procedure drew from each covariance-random vector, under its
    own vector: text drawn from an activation is never judged by that activation alone.
    """
    if limits and (why := vague(evidence.spread, evidence.mean, limits)):
        return Judgement("fits almost anything", why)
    if best is None or limits is None:
        return Judgement(None, f"Drawn from this activation, and what random vectors draw is not known. {BUILD}")
    share = share_above(evidence.gap, best)
    edge = float(np.quantile(best, 1 - RANDOM, method="higher"))
    against = f"one in twenty of the best texts that {len(best)} random vectors draw reaches {edge:+.2f}"
    if share > RANDOM:
        return Judgement("not above baseline", f"Gap {evidence.gap:+.2f}; {against} under their own vector.")
    return Judgement("supported", f"Gap {evidence.gap:+.2f}: {against} under their own vector.")
