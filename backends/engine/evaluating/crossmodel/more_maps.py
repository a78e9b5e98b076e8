"""What other maps of the workbench add: Procrustes beside ridge, other depths, and the way back."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from backends.engine.crossmodel import maps
from backends.engine.crossmodel.card import LinearMap, MapCard
from backends.engine.evaluating.crossmodel.conditions import Heard, own_seed
from backends.engine.evaluating.crossmodel.figures import gain
from backends.engine.evaluating.crossmodel.setting import Setting
from backends.engine.evaluating.crossmodel.speaking import speak
from backends.engine.readers.reader import Reader, open_reader, reader_name
from backends.engine.training.progress import Progress
from investigator.errors import BadInput
from investigator.records import Figure


def others(at: Setting, heard: Heard, seed: int) -> Iterator[Progress | Figure]:
    """Yield progress and the figures that need a second map: each is left out where the workbench has none."""
    directions, main = at.directions(at.tested), at.map.card
    depths: list[tuple[float, float]] = [(_apart(at, main), float(heard.values("mapped").mean()))]
    for name in at.engine.workbench.maps:
        card = maps.card_of(at.engine.parts, name)
        if name == at.name:
            continue
        if _ends(card) == _ends(main)[::-1]:
            yield from _back(at, heard, name, seed)
        if _ends(card)[0] != _ends(main)[0] or (reader := _reader(at, card)) is None:
            continue
        mean = at.engine.parts.layer_statistics(reader.subject.name).mean[reader.layer]
        arrived = mean + maps.open_map(at.engine, name).linear(directions)
        for step in speak(reader, arrived, seed=own_seed(seed, name)):
            if isinstance(step, int):
                yield Progress(step, len(arrived), f"{reader.name}: {name}")
            else:
                heard.texts[name] = step
        found = heard.lift(name, seed=seed)
        depths.append((_apart(at, card), found.mean))
        where = f"{card.kind} to L{card.target.layer}; p {found.p:.2g} by shuffling"
        yield Figure(f"lift_c1_{name}", found.mean, "cosine", "", found.interval, where)
        if _ends(card) == _ends(main) and {card.kind, main.kind} == {"ridge", "procrustes"}:
            turned, ridge = (name, "mapped") if card.kind == "procrustes" else ("mapped", name)
            values = heard.values(turned), heard.values(ridge)
            yield gain("procrustes_gain", *values, "lift through Procrustes minus lift through ridge", seed)
    if len({depth for depth, _ in depths}) > 2:
        yield _slope(depths)


def _ends(card: MapCard) -> tuple[tuple[str, int], tuple[str, int]]:
    return (card.source.fingerprint, card.source.layer), (card.target.fingerprint, card.target.layer)


def _reader(at: Setting, card: MapCard) -> Reader | None:
    try:
        subject = maps.end_name(at.engine.parts, card.target)
        return open_reader(at.engine, reader_name(at.engine, "", subject, card.target.layer))
    except BadInput:
        return None


def _apart(at: Setting, card: MapCard) -> float:
    """Return how far apart both ends stand in relative depth."""
    layers = [at.engine.parts.subject(maps.end_name(at.engine.parts, end)).layers for end in (card.source, card.target)]
    return abs((card.source.layer + 1) / layers[0] - (card.target.layer + 1) / layers[1])


def _slope(depths: list[tuple[float, float]]) -> Figure:
    """Return the slope of lift over the difference in relative depth: the paper's open question."""
    apart, lift = np.array(depths).T
    slope = float(np.polyfit(apart, lift, 1)[0])
    pairs = ", ".join(f"{depth:.2f}: {value:+.3f}" for depth, value in sorted(depths))
    return Figure("proportional_depth", slope, "lift a whole depth", "", None, f"lift by difference in depth: {pairs}")


def _back(at: Setting, heard: Heard, name: str, seed: int) -> Iterator[Progress | Figure]:
    """Go there and back again, and let A's own reader read what is left, beside shuffled maps."""
    directions, back = at.directions(at.tested), maps.open_map(at.engine, name)
    ways = {
        "back": back.linear(at.map.linear(directions)),
        "back permuted": directions @ at.map.permuted.T @ back.permuted.T,
    }
    for way, vectors in ways.items():
        for step in speak(at.own, at.at_own(vectors), seed=own_seed(seed, way)):
            if isinstance(step, int):
                yield Progress(step, len(vectors), f"{at.own.name}: {way}")
            else:
                heard.texts[way] = step
    words = f"A to B to A through {name}, over shuffled maps (over the mean vector, which has lift 0 by definition: "
    words += f"{float(heard.values('back').mean()):+.3f})"
    yield gain("roundtrip_gain", heard.values("back"), heard.values("back permuted"), words, seed)
    yield _variance(at, back, name)


def _variance(at: Setting, back: LinearMap, name: str) -> Figure:
    """What there and back again leaves of A's background activations, about their mean."""
    background = at.engine.parts.layer_statistics(at.own.subject.name).background[at.own.layer].double()
    centred = background - background.mean(0)
    ways = (
        centred @ matrix.double() for matrix in ((back.matrix @ at.map.matrix).T, (back.permuted @ at.map.permuted).T)
    )
    found, permuted = (float(1 - (centred - way).square().sum() / centred.square().sum()) for way in ways)
    words = f"the mean predictor 0; shuffled maps {permuted:.3f}; {len(background)} background activations, {name}"
    return Figure("roundtrip_variance", found, "of variance", "", None, words)
