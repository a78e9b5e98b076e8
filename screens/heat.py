"""Heat: from a number to one of a few styles, made once a theme; the number itself always stands in words as well."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from textual.color import Color, Gradient
from textual.style import Style

from screens.themes import HEAT

STEPS = 16
"""Buckets of heat; neighbouring tokens in one bucket are painted as one run."""


def ramp(variables: Mapping[str, str], steps: int = STEPS) -> tuple[Style, ...]:
    """Return one style a bucket, coldest first, from a theme's heat variables (`App.theme_variables`)."""
    return _ramp(tuple(variables[name] for name in HEAT), steps)


@lru_cache(maxsize=8)
def _ramp(stops: tuple[str, ...], steps: int) -> tuple[Style, ...]:
    gradient = Gradient.from_colors(*stops, quality=steps * 4)
    return tuple(_readable(gradient.get_color(step / (steps - 1))) for step in range(steps))


def _readable(background: Color) -> Style:
    # WCAG: white and black contrast equally at relative luminance 0.179; the better of them is never under 4.5 to 1.
    text = Color(255, 255, 255) if luminance(background) < 0.179 else Color(0, 0, 0)
    return Style(background=background, foreground=text)


def luminance(color: Color) -> float:
    """Return the relative luminance of a colour, 0 for black to 1 for white (WCAG 2.1)."""
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in color.normalized]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def bucket(value: float, top: float, steps: int = STEPS) -> int:
    """Return the bucket of a value on a scale from 0 to `top`; anything at or under 0 is the coldest."""
    if top <= 0 or value <= 0:
        return 0
    return min(int(value / top * (steps - 1) + 0.5), steps - 1)
