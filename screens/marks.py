"""The marks that stand for cursors, ticks, bars and states, in Unicode or in ASCII (`app.marks`)."""

from __future__ import annotations

import msgspec


class Marks(msgspec.Struct, frozen=True):
    """One set of marks; every one is a single cell wide."""

    cursor: str = "▸"
    """The selected row."""
    good: str = "✓"
    """Supported."""
    bad: str = "✗"
    """Not above baseline."""
    anything: str = "≈"
    """Fits almost anything."""
    estimate: str = "~"
    """An estimate that exact numbers will replace."""
    same_mark: str = "="
    """The same label stands in another pane."""
    agrees: str = "≡"
    """Another pane says the same in other words."""
    dot: str = "·"
    """Between two facts."""
    run: str = "▶"
    """Work is running."""
    saved: str = "●"
    unsaved: str = "○"
    sae: str = "●"
    """A layer with an SAE."""
    reader: str = "◆"
    """A layer with a reader."""
    here: str = "◆"
    """This activation, among its background."""
    cut: str = "…"
    bars: str = " ▁▂▃▄▅▆▇█"
    full: str = "━"
    rest: str = "─"
    rule: str = "─"
    """Across a table, where something begins."""
    shares: str = "∩"
    at_least: str = "≥"

    def verdict(self, words: str | None) -> str:
        """Return the mark of a verdict in words; a space where there is none."""
        if not words:
            return " "
        return self.good if words.startswith("supported") else self.anything if "anything" in words else self.bad

    def bar(self, share: float) -> str:
        """Return the bar for a share of the whole, 0 to 1."""
        top = len(self.bars) - 1
        return self.bars[max(0, min(top, round(share * top)))]

    def meter(self, done: int, total: int, width: int = 10) -> str:
        """Return a progress bar of `width` cells."""
        filled = min(width, done * width // total) if total > 0 else 0
        return self.full * filled + self.rest * (width - filled)


UNICODE = Marks()
ASCII = Marks(
    cursor=">",
    good="+",
    bad="x",
    anything="%",
    dot="-",
    run=">",
    saved="*",
    unsaved="o",
    sae="*",
    reader="+",
    here="X",
    cut="~",
    bars=" .:-=+*#@",
    full="#",
    rest=".",
    rule="-",
    shares="&",
    agrees=":",
    at_least=">=",
)


def choose(name: str) -> Marks:
    """Return the set that the setting `app.marks` names."""
    return ASCII if name == "ascii" else UNICODE
