"""The doses of an intervention: divergence beside random directions, and what the model writes on."""

from __future__ import annotations

from collections.abc import Sequence

from investigator.dose_tables import beside, nats, spread
from investigator.records import DoseRow, Shift
from screens.marks import Marks
from screens.widgets.row_table import Cell, Column, Line, RowTable

COLUMNS = (
    Column("dose", 6),
    Column("KL", 8),
    Column("random directions", 26, least=72, left=True),
    Column("score", 7, least=112),
    Column("random", 26, least=112, left=True),
    Column("kept", 4),
    Column("random", 16, least=104, left=True),
)


def line(row: DoseRow) -> Line:
    """Return a dose as it is drawn."""
    if row.error is not None:
        return Line(row.key, (Cell(f"{row.dose:g}", "strong"), Cell("failed", "bad")), row.error, "bad")
    shift: Shift | None = row.shifts[0] if row.shifts else None
    beyond = bool(row.random) and row.kl is not None and row.kl > max(row.random)
    cells = (
        Cell(f"{row.dose:g}", "strong"),
        Cell(nats(row.kl), "good" if beyond else "number"),
        Cell(beside(row.random), "muted"),
        Cell(nats(shift.change, True) if shift else "", "number"),
        Cell(beside(shift.random, True) if shift else "", "muted"),
        Cell(str(row.kept), "number"),
        Cell(spread(row.random_kept, 1) if row.random_kept else "", "muted"),
    )
    return Line(row.key, cells, row.continuation)


class DoseTable(RowTable):
    """The doses in order."""

    def __init__(self, marks: Marks) -> None:
        super().__init__(COLUMNS, "what the model writes on", pointer=marks.cursor, id="dose-rows")
        self.rows: dict[str, DoseRow] = {}

    def show_rows(self, rows: Sequence[DoseRow]) -> None:
        """Show these doses."""
        self.rows = {row.key: row for row in rows}
        self.show([line(row) for row in rows])

    @property
    def row(self) -> DoseRow | None:
        """Return the selected dose."""
        return self.rows.get(self.current.key) if self.current else None
