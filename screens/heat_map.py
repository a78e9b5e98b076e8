"""What is drawn over the tokens: a share from 0 to 1 for each, and the number behind it in words."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from investigator.records import HypothesisRow, Opened, Score
from investigator.text import one_line


class HeatMap(msgspec.Struct, frozen=True):
    """Heat over a prompt's tokens."""

    what: str
    """What the heat shows, in words."""
    shares: tuple[float | None, ...] = ()
    """0 to 1 a token; None: no heat."""
    numbers: tuple[str, ...] = ()
    """The number behind each share; empty where there is none."""

    def share(self, at: int) -> float | None:
        """Return a token's share."""
        return self.shares[at] if 0 <= at < len(self.shares) else None

    def number(self, at: int) -> str:
        """Return a token's number as text."""
        return self.numbers[at] if 0 <= at < len(self.numbers) else ""


NOTHING = HeatMap("nothing")


def of_norms(opened: Opened, layer: int) -> HeatMap:
    """Return the residual norms of a layer; special tokens stay cold, because their norms dwarf all others."""
    if layer >= len(opened.norms):
        return NOTHING
    norms = opened.norms[layer]
    plain = [norm for norm, token in zip(norms, opened.tokens, strict=False) if not token.special]
    low, span = min(plain, default=0.0), (max(plain, default=1.0) - min(plain, default=0.0)) or 1.0
    shares = tuple(
        None if token.special else (norm - low) / span for norm, token in zip(norms, opened.tokens, strict=False)
    )
    return HeatMap(f"residual norm at L{layer}", shares, tuple(f"{norm:.1f}" for norm in norms))


def of_hypothesis(row: HypothesisRow) -> HeatMap:
    """Return a hypothesis over the tokens: its gap where there is one, else its score."""
    return of_scores(row.text, row.positions)


def of_scores(text: str, scores: Sequence[Score], top: float | None = None) -> HeatMap:
    """Return one score a token as heat; `top` is the value of the hottest bucket, else the largest among them."""
    kind = "gap" if any(score.gap is not None for score in scores) else "log p"
    values = [_value(score) for score in scores]
    known = [value for value in values if value is not None]
    # Gaps start at 0: what fits no better than elsewhere is cold. Scores have no zero, so the least is cold.
    low = 0.0 if kind == "gap" else min(known, default=0.0)
    span = max((max(known, default=0.0) if top is None else top) - low, 1e-9)
    shares = tuple(None if value is None else max(0.0, (value - low) / span) for value in values)
    return HeatMap(f"{one_line(text, 60)} ({kind})", shares, tuple(map(_words, values)))


def _value(score: Score) -> float | None:
    return score.gap if score.gap is not None else score.score


def _words(value: float | None) -> str:
    return "" if value is None else f"{value:+.2f}"
