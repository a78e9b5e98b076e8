"""What stands behind scores, as tables: why a verdict, the controls, every phrasing, a contrast, a search."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from investigator.records import Contrasted, Found, HypothesisRow, Labels, Row, Score
from investigator.table import Table, number, share, without_empty

MARKS = {"supported": "✓", "not above baseline": "✗", "fits almost anything": "≈"}
ESTIMATE = "~"
"""Before a number that exact ones will replace."""


def gap(score: Score) -> str:
    """Return the gap with its sign, as an estimate where it is one."""
    return marked_estimate(score, number(score.gap, sign=True))


def marked_estimate(score: Score, text: str) -> str:
    """Return a number's text with the mark of an estimate where the score is one."""
    return f"{ESTIMATE}{text}" if score.estimate and text else text


def interval(bounds: tuple[float, float] | None) -> str:
    """Return an interval in signed numbers."""
    return "" if bounds is None else f"{number(bounds[0], 2, sign=True)} to {number(bounds[1], 2, sign=True)}"


def verdict(score: Score) -> str:
    """Return the verdict with its mark, or nothing."""
    return f"{MARKS[score.verdict]} {score.verdict}" if score.verdict else ""


def behind(rows: Sequence[Row]) -> Iterator[Table]:
    """Yield what stands behind the verdicts of hypotheses, or of a single row of any kind."""
    scored = [row for row in rows if isinstance(row, HypothesisRow) or len(rows) == 1]
    several = [(str(getattr(row, "text", "")), found) for row in scored if isinstance(found := _score(row), Score)]
    tables = (_why(several), _controls(several), *(_wordings(row) for row in scored if isinstance(row, HypothesisRow)))
    yield from (table for table in tables if table.rows)


def _score(row: Any) -> Any:
    return getattr(row, "score", None)


def _why(several: Sequence[tuple[str, Score]]) -> Table:
    said = [(text, one) for text, one in several if one.why or one.note]
    rows = tuple((verdict(one), f"{one.why} {one.note}".strip(), text) for text, one in said)
    return without_empty(Table("Why", ("verdict", "why", "text"), rows))


def _controls(several: Sequence[tuple[str, Score]]) -> Table:
    rows = tuple(
        (
            "" if len(several) == 1 else text,
            control.name,
            number(control.gap, sign=True),
            number(control.score),
            str(control.count) if control.count > 1 else "",
        )
        for text, one in several
        for control in one.controls
    )
    return without_empty(Table("Controls", ("text", "control", ">gap", ">log p/tok", ">vectors"), rows))


def _wordings(row: HypothesisRow) -> Table:
    rows = tuple(
        (number(one.gap, sign=True), number(one.score), one.text, one.error or "")
        for one in row.wordings
        if len(row.wordings) > 1 or one.text != row.text
    )
    return without_empty(Table(f"Wordings of: {row.text}", (">gap", ">log p/tok", "wording", "why not"), rows))


def of_ranking(labels: Labels) -> Iterator[Table]:
    """Yield how far a ranking is proven, and how many labels of it are supported, where that is known."""
    known = (
        ("stage", "" if labels.stage == "exact" and labels.supported is None else labels.stage),
        ("labels", str(labels.total)),
        ("supported", "" if labels.supported is None else str(labels.supported)),
        ("recall of the index", "" if labels.recall is None else share(labels.recall)),
        ("share of the trie computed", "" if labels.visited is None else share(labels.visited)),
        ("note", labels.note),
    )
    rows = tuple(row for row in known if row[1])
    if len(rows) > 1:
        yield Table("Ranking", ("figure", ">value"), rows)


def of_contrast(found: Contrasted) -> Iterator[Table]:
    """Yield the difference of the two, with its interval."""
    cells = (number(found.difference, sign=True), interval(found.interval), found.left.text, found.right.text)
    columns = (">difference of gaps", "95 % interval", "left", "right", "why")
    yield without_empty(Table("Contrast", columns, ((*cells, found.why),)))


def of_search(found: Found) -> Iterator[Table]:
    """Yield what was searched, and the background line: the best score at unrelated positions."""
    top = found.background[-1] if found.background else None
    known = (
        ("sentence", found.text),
        ("corpus", found.corpus),
        ("positions", str(found.positions)),
        ("contexts", str(found.contexts)),
        ("scored exactly", "every position" if found.exact else str(found.rescored)),
        ("recall of the search", "" if found.recall is None else share(found.recall)),
        ("best of the background", number(top)),
        ("hits above it", "" if top is None else str(sum(_above(row.score, top) for row in found.rows))),
    )
    yield Table("Search", ("figure", "value"), tuple(row for row in known if row[1]))


def _above(score: Score, line: float) -> bool:
    return score.score is not None and score.score > line
