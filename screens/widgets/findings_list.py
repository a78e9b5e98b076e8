"""The session's findings on the bench: what was kept, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import getters
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from screens.app import InvestigatorApp
from screens.widgets.row_table import Cell, Column, Line, RowTable

if TYPE_CHECKING:
    from sessions import Finding


class FindingsList(Vertical):
    """A table of findings; enter shows one on the bench as it was."""

    app = getters.app(InvestigatorApp)

    def __init__(self) -> None:
        super().__init__(id="findings", classes="pane")
        self.findings: tuple[Finding, ...] = ()

    def compose(self) -> ComposeResult:
        """Lay out the table and a hint."""
        columns = (Column("kept", 5, left=True),)
        yield RowTable(columns, "finding", pointer=self.app.marks.cursor, id="findings-rows")
        yield Static("Nothing kept yet. Press s on a row to keep it.", classes="said", markup=False)

    def on_mount(self) -> None:
        """Name the box."""
        self.border_title = "findings"

    @property
    def table(self) -> RowTable:
        """Return the table."""
        return self.query_one(RowTable)

    def show(self, findings: Sequence[Finding]) -> None:
        """Show these findings."""
        self.findings = tuple(findings)
        self.table.show([_line(finding) for finding in self.findings])
        self.query_one(".said").display = not self.findings

    def current(self) -> Finding | None:
        """Return the selected finding."""
        at = self.table.index
        return self.findings[at] if 0 <= at < len(self.findings) else None


def _line(finding: Finding) -> Line:
    note = f"  ({finding.note})" if finding.note else ""
    return Line(finding.id, (Cell(finding.made_at[11:16], "muted"),), finding.title + note)
