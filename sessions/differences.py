"""What differs between two records of one kind, field by field; rows are matched by key, not by place."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from investigator.records import Record, Score, Token
from investigator.text import one_line
from investigator.wire import Failed

TOLERANCE = 1e-4
"""Nats per token for scores and gaps; relative to the number, where it is larger than one, for everything else."""
HOW = frozenset({"stage", "visited", "recall", "rescored", "exact", "estimate", "rank", "ties"})
"""Fields that say how an answer was reached, or follow from the order of its rows: alone they make no difference."""
NATS = frozenset({"score", "gap", "spread", "interval", "difference", "background", "values", "wording_spread"})
SENTENCES = frozenset({"why", "note", "message"})
"""Sentences that repeat numbers: compared without them."""
RATES = 0.01
"""By how much an empirical rate, which counts over some hundreds of controls, may move."""
NOTHING = "nothing"
"""How a value that is not there is shown."""
LONGEST = 200
"""Characters of a whole record that is shown as a difference."""
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?(e[-+]?\d+)?")


class Difference(Record, frozen=True):
    """One value that is not what it was."""

    path: str
    """Where it stands: `rows[names of cities].score.gap`."""
    before: str
    after: str
    difference: float | None = None
    """By how much two measured numbers differ; None for counts, ranks and words."""
    within: bool = False
    """Whether it lies within the tolerance, or is one that ties explain."""


def differences(before: Any, after: Any, tolerance: float = TOLERANCE) -> Iterator[Difference]:
    """Yield what differs; nothing where both are equal to the bit."""
    for found in _walk("", "", before, after, tolerance, None):
        yield found if found.path else msgspec.structs.replace(found, path="answer")


def _walk(path: str, name: str, before: Any, after: Any, tolerance: float, parent: Any) -> Iterator[Difference]:
    if type(before) is type(after) and before == after:
        return
    if _is_number(before) and _is_number(after):
        yield _numbers(path, name, before, after, tolerance, parent)
    elif isinstance(before, msgspec.Struct) and type(before) is type(after):
        for field in before.__struct_fields__:
            inner = f"{path}.{field}" if path else field
            yield from _walk(inner, field, getattr(before, field), getattr(after, field), tolerance, before)
    elif isinstance(before, tuple) and isinstance(after, tuple):
        yield from _tuples(path, name, before, after, tolerance, parent)
    else:
        yield Difference(path, _shown(before), _shown(after), within=_alike(name, before, after))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _alike(name: str, before: Any, after: Any) -> bool:
    if name in SENTENCES and isinstance(before, str) and isinstance(after, str):
        return _NUMBER.sub("#", before) == _NUMBER.sub("#", after)
    return name in HOW


def _numbers(path: str, name: str, before: float, after: float, tolerance: float, parent: Any) -> Difference:
    gap = abs(after - before)
    within = name in HOW or gap <= _room(name, before, tolerance, parent) or math.isclose(before, after, rel_tol=1e-12)
    counted = isinstance(before, int) and isinstance(after, int)
    return Difference(path, _shown(before), _shown(after), None if counted else gap, within)


def _room(name: str, before: float, tolerance: float, parent: Any) -> float:
    """Return by how much a number may move."""
    if isinstance(before, int):
        return 0.0
    if name == "p" and isinstance(parent, Score):
        # One background score within the tolerance of the score itself counts as above it or not.
        return 2.0 / (parent.background + 1)
    if name == "fdr":
        return RATES
    return tolerance if name in NATS else tolerance * max(1.0, abs(before))


def _tuples(
    path: str, name: str, before: Sequence[Any], after: Sequence[Any], tolerance: float, parent: Any
) -> Iterator[Difference]:
    old, new = _keyed(before), _keyed(after)
    if old is not None and new is not None:
        yield from _rows(path, old, new, tolerance, str(getattr(parent, "order", "")))
        return
    for at in range(max(len(before), len(after))):
        one = before[at] if at < len(before) else None
        other = after[at] if at < len(after) else None
        yield from _walk(f"{path}[{at}]", name, one, other, tolerance, parent)


def _keyed(items: Sequence[Any]) -> dict[str, Any] | None:
    """Return records by the name that tells them apart, None where they have none; tokens stand in their order."""
    if not all(isinstance(item, msgspec.Struct) and not isinstance(item, Token) for item in items):
        return None
    found = {key: item for item in items if (key := _key(item)) is not None}
    return found if len(found) == len(items) else None


def _key(item: Any) -> str | None:
    for name in ("key", "text", "name", "latent"):
        if (found := getattr(item, name, None)) is not None:
            return str(found)
    return None


def _rows(
    path: str, before: dict[str, Any], after: dict[str, Any], tolerance: float, order: str
) -> Iterator[Difference]:
    for key in dict.fromkeys((*before, *after)):
        if key in before and key in after:
            yield from _walk(f"{path}[{key}]", "", before[key], after[key], tolerance, None)
            continue
        # A list that ends somewhere may end with either of two that are tied.
        there = before if key in before else after
        tied = len(before) == len(after) and _tied(there[key], list(there.values())[-1], order, tolerance)
        shown = ("there", "missing") if key in before else ("missing", "there")
        yield Difference(f"{path}[{key}]", *shown, within=tied)
    yield from _moved(path, before, after, tolerance, order)


def _moved(
    path: str, before: dict[str, Any], after: dict[str, Any], tolerance: float, order: str
) -> Iterator[Difference]:
    old = [key for key in before if key in after]
    new = [key for key in after if key in before]
    places = {key: at for at, key in enumerate(new, 1)}
    for at, (key, other) in enumerate(zip(old, new, strict=True), 1):
        if key != other:
            tied = _tied(before[key], before[other], order, 2 * tolerance)
            yield Difference(f"{path}[{key}]", f"place {at}", f"place {places[key]}", within=tied)


def _tied(one: Any, other: Any, order: str, tolerance: float) -> bool:
    values = [_value(item, order) for item in (one, other)]
    return None not in values and abs(values[0] - values[1]) <= tolerance * max(1.0, abs(values[0]))


def _value(item: Any, order: str) -> Any:
    """Return the number that a row is ordered by, None where it has none."""
    score = getattr(item, "score", None)
    if isinstance(score, Score):
        return getattr(item, order, None) if order == "activation" else getattr(score, order or "score", None)
    found = [getattr(item, name, None) for name in (order or "value", "value", "score", "cosine")]
    return next((value for value in found if _is_number(value)), None)


def _shown(value: Any) -> str:
    if value is None or value in ((), "", {}):
        return NOTHING
    if isinstance(value, Failed):
        return f"failed: {value.message}"
    if isinstance(value, str):
        return value
    return one_line(msgspec.json.encode(value).decode(), LONGEST)
