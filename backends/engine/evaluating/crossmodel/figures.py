"""The figures of a map: lifts with their controls, each beside what it is compared with."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from backends.engine.crossmodel.lift import Floats, Lift
from backends.engine.evaluating.crossmodel.conditions import Heard
from backends.engine.evaluating.crossmodel.setting import Setting
from investigator.records import Figure

_ABOVE, _NOTHING = "> 0, p < 0.001", "within ±0.03"


def figures(at: Setting, heard: Heard, weight: float, seed: int) -> Iterator[Figure]:
    """Yield every figure that one map gives."""
    by = f"{heard.embedder.name}, {len(at.tested)} latents, {at.unseen} with labels that entered no training"
    own = "the texts of A's own reader"
    yield _lift("lift_c1", heard.lift("mapped", seed=seed), _ABOVE, f"{own}; {by}")
    yield _lift(
        "lift_c2", heard.lift("washed", seed=seed), _ABOVE, f"{own}; washout {weight:g}, tuned on other latents"
    )
    yield _lift("lift_random", heard.lift("random", seed=seed), _NOTHING, f"{own} of the latents")
    yield _lift("lift_random_own", heard.lift("random", "random own", seed=seed), _NOTHING, "their own native texts")
    yield _lift("lift_permuted_map", heard.lift("permuted", seed=seed), _NOTHING, own)
    yield _lift("lift_ceiling", heard.lift("own again", seed=seed), "", f"{own}, with another seed")
    yield _lift("lift_native_washed", heard.lift("own washed", seed=seed), "", own)
    yield _lift("lift_label_read", heard.lift("label read", seed=seed), "", f"{own}; B reads the label's words instead")
    yield _lift("lift_c1_label", heard.lift("mapped", "label", seed=seed), "", "the SAE's labels instead of texts")
    yield _lift("lift_c2_label", heard.lift("washed", "label", seed=seed), "", "the SAE's labels instead of texts")
    yield _lift("lift_own_label", heard.lift("own", "label", seed=seed), "", "the SAE's labels, A's own reader")
    yield gain(
        "washout_gain", heard.values("washed"), heard.values("mapped"), "lift_c2 minus lift_c1, pair by pair", seed
    )
    card = at.map.card
    mean = f"mean predictor {card.worth.mean_cosine:.3f}; {card.heldout:,} held-out sentences"
    yield Figure("map_cosine", card.worth.cosine, "cosine", "", None, mean)
    yield Figure(
        "map_variance", card.worth.variance, "of variance", "", None, f"shuffled pairs {card.worth.permuted:.3f}"
    )


def _lift(name: str, found: Lift, target: str, against: str) -> Figure:
    words = f"{against}; p {found.p:.2g} by shuffling, {found.wilcoxon:.2g} by Wilcoxon"
    return Figure(name, found.mean, "cosine", target, found.interval, words)


def gain(name: str, better: Floats, worse: Floats, words: str, seed: int) -> Figure:
    """Return a paired difference of lifts with its 95 % bootstrap interval."""
    apart = better - worse
    random = np.random.default_rng(seed)
    drawn = apart[random.integers(0, len(apart), (10_000, len(apart)))].mean(1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Figure(name, float(apart.mean()), "cosine", "", (float(low), float(high)), words)
