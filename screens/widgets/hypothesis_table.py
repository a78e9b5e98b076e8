"""The hypotheses of a prompt: one row each, and under it the tokens with what each scores there."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from investigator.records import Score
from screens import heat
from screens.desk import Trial
from screens.heat_map import HeatMap, of_scores
from screens.marks import Marks
from screens.score_words import gap, number, p_value, spread, verdict, verdict_style
from screens.widgets.row_table import Cell, Column, Line, RowTable
from screens.widgets.token_strip import Box, boxes, offset

COLUMNS = (
    Column("gap", 6),
    Column("p", 4),
    Column("verdict", 11, left=True),
    Column("words", 5),
    Column("log p", 6, least=56),
)
INDENT = 2
"""Cells before the tokens, as before a row's first column."""


def line(trial: Trial, score: Score | None, here: bool, marked: bool, marks: Marks) -> Line:
    """Return a row; what was tested at another place shows its bare score here and names that place."""
    if score is not None and score.error is not None:
        cells = [Cell("failed", "bad")]
    elif here and trial.row is None:
        cells = [Cell(_going(trial), "muted")]
    elif score is None:
        cells = [Cell(""), Cell(""), Cell("not here", "muted")]
    else:
        style = "good" if here and (score.gap or 0.0) > 0 else "muted"
        said = Cell(verdict(score, marks), verdict_style(score, marks)) if here else Cell("not judged", "muted")
        wording = trial.row.wording_spread if trial.row and here else None
        cells = [
            Cell(gap(score, marks), style),
            Cell(p_value(score.p) if here else "", "number"),
            said,
            Cell(spread(wording), "muted"),
            Cell(number(score.score, ".2f"), "muted"),
        ]
    mark = "x" if marked else ""
    drawn = " (drawn here)" if trial.drawn else ""
    return Line(str(trial.number), tuple(cells), trial.sentence.text + drawn, "text" if here else "muted", mark)


def _going(trial: Trial) -> str:
    return {"error": "error", "stopped": "stop", "disconnected": "lost"}.get(trial.work.state, "...")


class HypothesisTable(RowTable):
    """Rows with the token strip below them; where lines are few, below the selected row alone is no help: none."""

    def __init__(self, *, pointer: str, marks: Marks) -> None:
        super().__init__(COLUMNS, "hypothesis", pointer=pointer, id="hypotheses-rows")
        self.marks = marks
        self.boxes: tuple[Box, ...] = ()
        self.cursor = 0
        self.heats: tuple[HeatMap, ...] = ()
        self._ramp: dict[int, Style] = {}

    def show_strips(self, made: tuple[Box, ...], cursor: int, heats: Sequence[HeatMap]) -> None:
        """Show these tokens under the rows, with one heat a row."""
        fresh = tuple(heats)
        if (made, cursor, fresh) != (self.boxes, self.cursor, self.heats):
            self.boxes, self.cursor, self.heats = made, cursor, fresh
            self.refresh()

    def notify_style_update(self) -> None:
        """Forget colours, after a change of theme."""
        super().notify_style_update()
        self._ramp = {}

    def under(self, at: int, chosen: bool) -> Strip:
        """Paint a row's tokens: before each its bar, behind each its heat."""
        plain, wide = self._style("muted"), self.columns_wide - INDENT
        if at >= len(self.heats) or not self.boxes:
            return Strip.blank(self.columns_wide, plain)
        heat_of = self.heats[at]
        segments = [self._token(index, box, heat_of) for index, box in enumerate(self.boxes)]
        first = offset(self.boxes, min(self.cursor, len(self.boxes) - 1), wide)
        strip = Strip([piece for pair in segments for piece in pair]).crop_extend(first, first + wide, plain)
        return Strip.join([Strip([Segment(" " * INDENT, plain)]), strip])

    def _token(self, index: int, box: Box, heat_of: HeatMap) -> tuple[Segment, Segment]:
        share, plain = heat_of.share(index), self._style("muted")
        bar = "[" if index == self.cursor else " " if share is None else self.marks.bar(share)
        style = plain if share is None else plain + self._hot(share)
        return Segment(bar, self._style("mark")), Segment(box.text, style)

    def _hot(self, share: float) -> Style:
        ramp = heat.ramp(self.app.theme_variables)
        at = heat.bucket(share, 1.0, len(ramp))
        if at not in self._ramp:
            self._ramp[at] = ramp[at].rich_style
        return self._ramp[at]


def heat_of(trial: Trial, layer: int) -> HeatMap:
    """Return a trial's scores over the tokens at a layer; nothing where they were not asked."""
    row = trial.row
    if row is None:
        return of_scores(trial.sentence.text, ())
    scores = dict(row.layers).get(layer) or (row.positions if layer == trial.place.layer else ())
    return of_scores(row.text, scores)


__all__ = ["HypothesisTable", "boxes", "heat_of", "line"]
