"""The plot of activation against log p (L2EL, figure 2) as data: one order of points, one text form, one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from investigator.records import Labels, Point
from investigator.text import inert, markdown

EMPTY = "No label has an activation here, so there is nothing to plot."


@dataclass(frozen=True, eq=False)
class Pareto:
    """Labels as points: how strongly their latents fire against how likely the reader finds them."""

    points: tuple[Point, ...] = ()
    """Every label with an activation."""
    frontier: tuple[Point, ...] = ()
    """Those that no other label beats in both."""
    walk: tuple[Point, ...] = field(init=False)
    """The order in which keys visit them: the frontier from the strongest activation, then the rest by log p."""

    def __post_init__(self) -> None:
        named = {point.text for point in self.frontier}
        rest = (point for point in self.points if point.text not in named)
        along = sorted(self.frontier, key=lambda point: -point.activation)
        object.__setattr__(self, "walk", (*along, *sorted(rest, key=lambda point: -point.score)))

    @property
    def off_frontier(self) -> tuple[Point, ...]:
        """Return the points that the frontier leaves behind."""
        return self.walk[len(self.frontier) :]

    def find(self, text: str | None) -> int | None:
        """Return the place of a label in the walk, or None."""
        return next((index for index, point in enumerate(self.walk) if point.text == text), None)

    def on_frontier(self, index: int) -> bool:
        """Whether the point at this place of the walk is on the frontier."""
        return index < len(self.frontier)

    def describe(self, index: int | None) -> str:
        """Return one point as a sentence, or what is to be seen where none is chosen."""
        if not self.walk:
            return EMPTY
        if index is None:
            return f"{len(self.walk)} labels, {len(self.frontier)} on the frontier"
        point = self.walk[index]
        place = f"frontier {index + 1}/{len(self.frontier)}" if self.on_frontier(index) else "not on the frontier"
        return f"{inert(point.text)} · activation {point.activation:.2f} · log p/token {point.score:.2f} · {place}"


def from_labels(result: Labels) -> Pareto:
    """Return the plot of a ranking; a frontier point missing among the points is added."""
    return Pareto(result.points, result.frontier)


def in_words(pareto: Pareto, selected: str | None = None, limit: int = 40) -> str:
    """Return the plot as aligned text: frontier marked ●, others ·, the selected label ▸."""
    if not pareto.walk:
        return EMPTY
    lines = [f"  {'activation':>10}  {'log p/token':>11}  label"]
    for index, point in enumerate(pareto.walk[:limit]):
        cursor = "▸" if point.text == selected else " "
        mark = "●" if pareto.on_frontier(index) else "·"
        lines.append(f"{cursor}{mark}{point.activation:10.2f}  {point.score:11.2f}  {inert(point.text)}")
    if len(pareto.walk) > limit:
        lines.append(f"  and {len(pareto.walk) - limit} more labels off the frontier")
    return "\n".join(lines)


def table(points: Sequence[Point]) -> str:
    """Return points as a markdown table."""
    rows = [f"| {point.activation:.2f} | {point.score:.2f} | {markdown(point.text)} |" for point in points]
    return "\n".join(["| activation | log p/token | label |", "|---:|---:|---|", *rows])
