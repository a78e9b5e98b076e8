"""Pane 6: what verbalizers say of this activation, with how much of it their text brings back in front."""

from __future__ import annotations

from investigator.events import Answer
from investigator.provenance import ReaderSummary, WorkbenchSummary
from investigator.records import ExplanationRow, Explanations, Row
from investigator.text import one_line
from investigator.wire import Explain
from investigator.workbench import UNTRAINED
from screens.bench_place import Place
from screens.score_words import number
from screens.widgets.explanation_table import ExplanationPane
from screens.widgets.label_table import score_cells, verdict_cell
from screens.widgets.row_table import Cell, Column, Line
from screens.work import Work

FIRST = ("nla", "oracle", "latentqa", *UNTRAINED)
"""Kinds in the order in which they are offered: those that may have a reconstructor first."""
HIDDEN = (Column("fve", 5, least=10_000), Column("cos", 5, least=10_000))
"""The columns of fidelity where it is not known."""


class VerbalizerPane(ExplanationPane):
    """Texts of one verbalizer at a time: fve and cosine, then gap, how often each came, and a verdict."""

    SLOT = "verbalize"
    NUMBER = 6
    TITLE = "verbalizer"
    TEXT_TITLE = "text"
    COLUMNS = (
        Column("fve", 5),
        Column("cos", 5),
        Column("gap", 6),
        Column("p", 4, least=62),
        Column("n", 2, least=44),
        Column("", 1),
    )
    ORDER_WORDS = {"diversity": "MMR"}
    ORDERS = ("diversity", "fidelity", "gap", "likelihood", "count")

    def __init__(self) -> None:
        super().__init__()
        self.reader = ""
        """The verbalizer chosen; empty: the first at the cursor's place."""

    def readers(self, place: Place | None) -> list[str]:
        """Return the verbalizers that read a place, those with weights of their own first."""
        return verbalizers(self.app.book, place) if place is not None else []

    def name_at(self, place: Place | None) -> str:
        """Return the verbalizer that is asked at a place: the chosen one where it reads there, else the first."""
        there = self.readers(place)
        return self.reader if self.reader in there else there[0] if there else ""

    def next_reader(self) -> str:
        """Go to the next verbalizer of the cursor's place and return its name; empty where there is no other."""
        there = self.readers(self.place)
        if len(there) < 2:
            return ""
        self.reader = there[(there.index(self.name_at(self.place)) + 1) % len(there)]
        self.seed = 0
        return self.reader

    def verb(self, place: Place) -> Explain | None:
        """Ask the chosen verbalizer, where there is one."""
        name = self.name_at(place)
        return self.drawing(place, name) if name else None

    def take(self, work: Work, place: Place | None = None) -> None:
        """Show how a question goes; one to a verbalizer that is no longer chosen is ignored."""
        name = work.verb.reader.partition("@")[0] if isinstance(work.verb, Explain) else ""
        if name in {self.reader, self.name_at(place or self.place)}:
            super().take(work, place)

    def line(self, row: Row) -> Line:
        """Return a text as it is drawn, its fidelity in front."""
        assert isinstance(row, ExplanationRow)
        cells = (
            *self._fidelity(row),
            *score_cells(row.score, self.app.marks),
            Cell(str(row.count), "muted"),
            verdict_cell(row.score, self.app.marks),
        )
        return Line(row.key, cells, row.text, "text", self.mark_of(row))

    def redraw(self) -> None:
        """Bring everything up to date; without fidelity its columns leave their room to the text."""
        if self.is_mounted:
            rows = self.shown_rows()
            known = not rows or any(isinstance(row, ExplanationRow) and row.fidelity for row in rows)
            self.table.show_columns(self.COLUMNS if known else (*HIDDEN, *self.COLUMNS[2:]))
        super().redraw()

    def _fidelity(self, row: ExplanationRow) -> tuple[Cell, Cell]:
        found = row.fidelity
        if found is None:
            return Cell(self.app.marks.dot, "muted"), Cell(self.app.marks.dot, "muted")
        if found.error is not None or found.cosine is None:
            return Cell("error", "bad"), Cell("")
        return Cell(number(found.fve, "+.2f"), "strong"), Cell(number(found.cosine, "+.2f"), "number")

    def _sort_key(self, row: ExplanationRow) -> tuple[float, float, str]:
        if self.order != "fidelity":
            return super()._sort_key(row)
        found = row.fidelity.cosine if row.fidelity is not None else None
        return (-found if found is not None else 2.0, row.rank or 1e9, row.text)

    def title_words(self) -> str:
        """Return the title, with the verbalizer's name behind the pane's own."""
        result = self.answer.result if self.answer is not None else None
        name = result.reader.partition("@")[0] if isinstance(result, Explanations) else self.name_at(self.place)
        named = f"{self.TITLE} {one_line(name, 24)}".rstrip()
        if self.tabs:
            return self.tabs.replace("[6 verbalizers]", f"[6 {named}]")
        return super().title_words().replace(self.TITLE, named, 1)

    def summary(self, answer: Answer) -> str:
        """Return how many were drawn, and where fidelity is not known, why."""
        said, found = super().summary(answer), answer.result
        if isinstance(found, Explanations) and found.rows and all(row.fidelity is None for row in found.rows):
            return f"no reconstructor, no fidelity {self.app.marks.dot} {said}"
        return said

    def hint(self) -> str:
        """Say what to press, and which verbalizers there are."""
        there = self.readers(self.place)
        if not there:
            return "No verbalizer reads this layer." if self.place is not None else ""
        others = [name for name in there if name != self.name_at(self.place)]
        more = f" V takes another: {', '.join(one_line(name, 24) for name in others)}." if others else ""
        return f"Press v to let {one_line(self.name_at(self.place), 24)} put this activation into words.{more}"


def verbalizers(book: WorkbenchSummary | None, place: Place) -> list[str]:
    """Return the names of the verbalizers that read a place; those without training read everywhere."""
    named = book.readers if book is not None else ()
    there = [one for one in named if is_verbalizer(one) and one.subject == place.opened.subject]
    there = sorted((one for one in there if one.layer in {-1, place.layer}), key=lambda one: FIRST.index(one.kind))
    known = {one.name for one in named}
    return [*(one.name for one in there), *(kind for kind in UNTRAINED if kind not in known)] if book else []


def is_verbalizer(reader: ReaderSummary) -> bool:
    """Whether a reader puts the activation into a prompt, in place of soft tokens before the text."""
    return reader.kind in FIRST
