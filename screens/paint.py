"""Colours of the theme for widgets that paint their own lines, without a component class for each.

A component class is matched against the whole stylesheet whenever its widget is styled: six of them for each table were
a third of all that a change of focus cost.
"""

from __future__ import annotations

from collections.abc import Mapping

from textual.color import Color


def colour(variables: Mapping[str, str], name: str, background: Color) -> Color:
    """Return a theme variable as an opaque colour on a background; `auto 60%` is black or white, whichever reads."""
    value = variables[name]
    if value.startswith("auto"):
        share = value.removeprefix("auto").strip().rstrip("%")
        return background + background.get_contrast_text(float(share or 100) / 100)
    return background + Color.parse(value)
