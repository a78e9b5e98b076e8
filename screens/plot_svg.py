"""The plot of activation against log p as a standalone SVG that a paper or an issue can show."""

from __future__ import annotations

import math
from xml.sax.saxutils import escape

from investigator.records import Point
from investigator.text import one_line
from screens.pareto import EMPTY, Pareto

WIDTH, HEIGHT = 720, 440
LEFT, RIGHT, TOP, BOTTOM = 64, 24, 40, 56
INK, GREY, HOT = "#1b1f26", "#8a909c", "#b3261e"


class Scale:
    """A linear scale from data to pixels with ticks at 1, 2 or 5 times a power of ten."""

    def __init__(self, values: list[float], start: float, end: float) -> None:
        low, high = min(values), max(values)
        pad = (high - low) * 0.06 or 1.0
        self.low, self.high, self.start, self.end = low - pad, high + pad, start, end

    def __call__(self, value: float) -> float:
        """Return the pixel of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Return at most nine round values inside the scale."""
        raw = (self.high - self.low) / 6
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw)
        first = math.ceil(self.low / step)
        return [n * step for n in range(first, math.floor(self.high / step) + 1)]


def svg(pareto: Pareto, *, title: str = "", selected: str | None = None) -> str:
    """Return the SVG text; frontier labels are written beside their points, every point names its label on hover."""
    body = _plot(pareto, selected) if pareto.walk else _text(WIDTH / 2, HEIGHT / 2, EMPTY, anchor="middle")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
        f' font-family="sans-serif" font-size="12" role="img">\n'
        f"<title>{escape(one_line(title, 200))}</title>\n"
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>\n'
        f"{_text(LEFT, 24, one_line(title, 96), size=14)}\n{body}\n</svg>\n"
    )


def _plot(pareto: Pareto, selected: str | None) -> str:
    x = Scale([point.activation for point in pareto.walk], LEFT, WIDTH - RIGHT)
    y = Scale([point.score for point in pareto.walk], HEIGHT - BOTTOM, TOP)
    marks = [_dot(point, x, y, 2.5, GREY) for point in pareto.off_frontier]
    marks += [_path(pareto, x, y), *(_dot(point, x, y, 4.5, HOT) for point in pareto.frontier)]
    marks += _names(pareto, x, y)
    at = pareto.find(selected)
    if at is not None:
        marks.append(_ring(pareto.walk[at], x, y))
    return "\n".join([*_axes(x, y), *marks])


def _axes(x: Scale, y: Scale) -> list[str]:
    bottom, left = HEIGHT - BOTTOM, LEFT
    lines = [f'<path d="M{left} {TOP}V{bottom}H{WIDTH - RIGHT}" fill="none" stroke="{INK}"/>']
    for value in x.ticks():
        lines.append(_text(x(value), bottom + 18, f"{value:.6g}", anchor="middle"))
        lines.append(f'<path d="M{x(value):.1f} {bottom}v5" stroke="{INK}"/>')
    for value in y.ticks():
        lines.append(_text(left - 9, y(value) + 4, f"{value:.6g}", anchor="end"))
        lines.append(f'<path d="M{left} {y(value):.1f}h-5" stroke="{INK}"/>')
    lines.append(_text((left + WIDTH - RIGHT) / 2, HEIGHT - 14, "activation of the label's latent", anchor="middle"))
    lines.append(f'<g transform="translate(16 {(TOP + bottom) / 2:.0f}) rotate(-90)">')
    lines.append(_text(0, 0, "log p per token (nats)", anchor="middle") + "</g>")
    return lines


def _path(pareto: Pareto, x: Scale, y: Scale) -> str:
    along = sorted(pareto.frontier, key=lambda point: point.activation)
    steps = " ".join(f"{x(point.activation):.1f},{y(point.score):.1f}" for point in along)
    return f'<polyline points="{steps}" fill="none" stroke="{HOT}" stroke-opacity="0.5"/>'


def _names(pareto: Pareto, x: Scale, y: Scale) -> list[str]:
    lines, last = [], -math.inf
    for point in sorted(pareto.frontier, key=lambda point: y(point.score)):
        # 13 pixels apart, so that names of points close together do not lie on each other.
        row = max(y(point.score) + 4, last + 13)
        last, right = row, x(point.activation) > WIDTH * 0.6
        across = x(point.activation) + (-8 if right else 8)
        lines.append(_text(across, row, one_line(point.text, 48), anchor="end" if right else "start"))
    return lines


def _dot(point: Point, x: Scale, y: Scale, radius: float, fill: str) -> str:
    said = f"{one_line(point.text, 200)}: activation {point.activation:.3f}, log p/token {point.score:.3f}"
    where = f'cx="{x(point.activation):.1f}" cy="{y(point.score):.1f}"'
    return f'<circle {where} r="{radius}" fill="{fill}"><title>{escape(said)}</title></circle>'


def _ring(point: Point, x: Scale, y: Scale) -> str:
    where = f'cx="{x(point.activation):.1f}" cy="{y(point.score):.1f}"'
    return f'<circle {where} r="8" fill="none" stroke="{INK}" stroke-width="2"/>'


def _text(x: float, y: float, words: str, *, anchor: str = "start", size: int = 12) -> str:
    where = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"'
    return f'<text {where} fill="{INK}">{escape(words)}</text>'
