"""Asking a saved answer's question again, and what came of it beside what was stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from investigator.text import inert, one_line

if TYPE_CHECKING:
    from screens.work import Work
    from sessions import SavedAnswer
    from sessions.replay import Comparison

MOST = 40
"""Differing values that are listed; the rest are counted."""


def compared(saved: SavedAnswer, work: Work, row_key: str = "") -> Comparison | None:
    """Compare, once the answer is whole; None while it is not, or where it failed on its way."""
    from sessions.replay import compare

    return compare(saved, work.answer, row_key=row_key) if work.answer.ended and not work.answer.cancelled else None


def words(saved: SavedAnswer, work: Work, comparison: Comparison | None) -> str:
    """Return what a person reads: the verdict, why it may differ, and the values that do."""
    head = f"{saved.kind}, stored {saved.saved_at[:16].replace('T', ' ')} UTC, asked again now"
    if comparison is None:
        return f"{head}\n\n{_going(work)}"
    return "\n".join([head, "", f"verdict     {comparison.sentence}", *_reasons(comparison), *_rows(comparison)])


def _going(work: Work) -> str:
    if work.failure is not None:
        return f"It could not be asked again. {inert(work.failure.message)} {inert(work.failure.mend)}".strip()
    if work.state == "stopped":
        return "It was stopped, so there is nothing to compare."
    return f"{work.state} {work.progress}".strip() + "  ^g stops"


def _reasons(comparison: Comparison) -> list[str]:
    if not comparison.reasons:
        same = "" if comparison.verdict == "identical" else ", so the cause is not among them"
        return [f"reasons     The same model, reader, libraries, seed, dtype and machine{same}."]
    name = "reasons" if comparison.verdict != "identical" else "changed"
    lines = [inert(reason.sentence) for reason in comparison.reasons]
    return [f"{name:<12}{lines[0]}", *(f"{'':<12}{line}" for line in lines[1:])]


def _rows(comparison: Comparison) -> list[str]:
    if not comparison.rows:
        return []
    lines = ["", "values that differ, those outside the tolerance first"]
    for row in comparison.rows[:MOST]:
        by = f"  by {row.difference:.2g}" if row.difference is not None else ""
        outside = "" if row.within else "  outside"
        lines.append(f"  {inert(row.path)}: {one_line(row.before, 30)} -> {one_line(row.after, 30)}{by}{outside}")
    left = len(comparison.rows) - MOST
    return [*lines, *([f"  and {left} more"] if left > 0 else [])]
