"""A score in a few words: gap with its interval, p, verdict, note, spread over wordings, how many were tried."""

from __future__ import annotations

from investigator.records import HypothesisRow, Score
from investigator.text import inert
from screens.marks import Marks

Part = tuple[str, str]
"""Text, and the name of the style that colours it: good, bad, dim or strong."""
SHORT = {"supported": "supported", "not above baseline": "baseline", "fits almost anything": "anything"}
"""Verdicts where a table has eleven cells for them."""


def number(value: float | None, form: str) -> str:
    """Return a number, or nothing where it is not known."""
    return "" if value is None else format(value, form)


def p_value(value: float | None) -> str:
    """Return p without its leading zero, in at most five cells: .002, .31."""
    if value is None:
        return ""
    return f"{value:.3f}".lstrip("0") if value < 0.1 else f"{value:.2f}".lstrip("0")


def gap(score: Score, marks: Marks) -> str:
    """Return the gap with its sign, `~` before an estimate."""
    return (marks.estimate if score.estimate and score.gap is not None else "") + number(score.gap, "+.2f")


def verdict(score: Score, marks: Marks) -> str:
    """Return the verdict as its mark and one word."""
    if not score.verdict:
        return ""
    return f"{marks.verdict(score.verdict)} {SHORT.get(score.verdict, score.verdict)}"


def verdict_style(score: Score, marks: Marks) -> str:
    """Return how a verdict is coloured; the mark and the word say the same."""
    mark = marks.verdict(score.verdict)
    return {marks.good: "good", marks.bad: "bad"}.get(mark, "muted")


def spread(value: float | None) -> str:
    """Return half the range of the gap over wordings."""
    return "" if value is None else f"±{value:.1f}"


def parts(row: HypothesisRow, marks: Marks) -> list[Part]:
    """Return a hypothesis in words, what matters most first: narrow lines cut the end."""
    score = row.score
    if score.error is not None:
        return [(f"failed: {inert(score.error)}", "bad")]
    dot = f" {marks.dot} "
    found = [part for part in (_p(score), _verdict(score, marks), *_rest(row)) if part[0]]
    joined = [piece for text, style in found for piece in ((dot, "dim"), (text, style))]
    return [*_gap(score, marks), *joined] if score.gap is not None else joined[1:]


def brief(score: Score, marks: Marks) -> str:
    """Return gap with its interval, p and verdict; log p alone where there is no background."""
    if score.error is not None:
        return f"failed: {inert(score.error)}"
    if score.gap is None:
        return f"log p {number(score.score, '.2f')} a token, no background to compare with"
    judged = _verdict(score, marks)[0] or f"not judged{': ' + inert(score.note) if score.note else ''}"
    found = ("".join(text for text, _ in _gap(score, marks)), _p(score)[0], judged)
    return f" {marks.dot} ".join(text for text in found if text)


def _gap(score: Score, marks: Marks) -> list[Part]:
    interval = [(f" [{score.interval[0]:.1f}, {score.interval[1]:.1f}]", "dim")] if score.interval else []
    value = score.gap if score.gap is not None else 0.0
    return [(f"gap {gap(score, marks)}", "good" if value > 0 else "strong"), *interval]


def _p(score: Score) -> Part:
    return (f"p {p_value(score.p)} over {score.background}" if score.p is not None else "", "strong")


def _verdict(score: Score, marks: Marks) -> Part:
    if not score.verdict:
        return "", ""
    style = verdict_style(score, marks)
    return f"{marks.verdict(score.verdict)} {inert(score.verdict)}", "dim" if style == "muted" else style


def _rest(row: HypothesisRow) -> list[Part]:
    score = row.score
    reader = next((control for control in score.controls if control.name.replace("-", " ") == "prompt only"), None)
    above = score.gap - reader.gap if reader and reader.gap is not None and score.gap is not None else None
    return [
        (inert(score.note), "dim"),
        (f"above prompt only by {above:+.2f}" if above is not None else "", "dim"),
        (f"wording {spread(row.wording_spread)}" if row.wording_spread is not None else "", "dim"),
        (f"{score.tried} tried here" if score.tried > 1 else "", "dim"),
        (f"log p {score.score:.2f} a token" if score.score is not None else "", "dim"),
    ]
