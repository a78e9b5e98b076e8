"""Themes: three of our own, and the heat colours that every theme gets."""

from __future__ import annotations

from textual.theme import Theme

HEAT = ("heat-cold", "heat-cool", "heat-warm", "heat-hot")
"""Names of the theme variables between which heat is blended, least first."""

_ON_DARK = dict(zip(HEAT, ("#1c2230", "#35489a", "#c4572f", "#ffe08a"), strict=True))
_ON_LIGHT = dict(zip(HEAT, ("#f3efe6", "#f0b45a", "#c0452c", "#4a0d2a"), strict=True))
_ON_BLACK = dict(zip(HEAT, ("#0c0c0c", "#1f4fd0", "#00a878", "#ffff5c"), strict=True))

DARK = Theme(
    name="investigator-dark",
    primary="#6ea8fe",
    secondary="#8f9bb3",
    accent="#ffc857",
    warning="#ffb454",
    error="#ff6b6b",
    success="#7bd88f",
    foreground="#e3e7ee",
    background="#11151d",
    surface="#171c26",
    panel="#1f2633",
    variables={**_ON_DARK, "block-cursor-text-style": "bold", "footer-key-foreground": "#ffc857"},
)

LIGHT = Theme(
    name="investigator-light",
    primary="#1d4f91",
    secondary="#556070",
    accent="#9a3b00",
    warning="#8a5a00",
    error="#a3162e",
    success="#1c6b33",
    foreground="#1b1f26",
    background="#fbfaf7",
    surface="#f2f0ea",
    panel="#e6e3da",
    dark=False,
    variables={**_ON_LIGHT, "block-cursor-text-style": "bold", "footer-key-foreground": "#9a3b00"},
)

CONTRAST = Theme(
    name="investigator-contrast",
    primary="#00e5ff",
    secondary="#ffffff",
    accent="#ffff00",
    warning="#ffd000",
    error="#ff8a8a",
    success="#5cff7a",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#1a1a1a",
    luminosity_spread=0.3,
    text_alpha=1.0,
    variables={
        **_ON_BLACK,
        "text-muted": "#ffffff",
        "text-disabled": "#c8c8c8",
        "border": "#ffffff",
        "border-blurred": "#c8c8c8",
        "block-cursor-foreground": "#000000",
        "block-cursor-background": "#ffff00",
        "block-cursor-text-style": "bold",
        "block-cursor-blurred-background": "#4d4d00",
        "block-cursor-blurred-foreground": "#ffffff",
        "input-selection-background": "#00e5ff 60%",
        "footer-key-foreground": "#ffff00",
    },
)

OURS = (DARK, LIGHT, CONTRAST)
"""Register each with `App.register_theme`."""


def variable_defaults(dark: bool) -> dict[str, str]:
    """Return the heat colours for themes that name none: lightness moves steadily away from the background.

    Steady lightness is what keeps the order readable where colour is taken away (NO_COLOR turns colours to grey).
    """
    return dict(_ON_DARK if dark else _ON_LIGHT)
