"""Two models: what the readers of a second one say of the first one's vector, beside what the first one's own says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from textual import events, on
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Static

from investigator import expressions
from investigator.provenance import MapSummary
from investigator.records import Compared, ComparedRow
from investigator.sources import Decoder, Residual, leaves, residuals
from investigator.wire import Compare
from screens import crossmodel_draw, crossmodel_words
from screens.bench_place import Place, place_of
from screens.crossmodel_keys import REST, CrossModelKeys
from screens.crossmodel_words import COLUMNS
from screens.messages import ShowComparison, WorkChanged
from screens.saying import say
from screens.widgets.layer_bar import LayerBar
from screens.widgets.reading_table import ReadingTable
from screens.widgets.row_table import RowTable
from screens.widgets.token_strip import TokenStrip
from screens.work import Work, saved_work

PRIORITY = 3


class CrossModelScreen(CrossModelKeys):
    """The question above, both ends and the map, four columns of texts, and lift with its controls below."""

    CSS_PATH = "crossmodel.tcss"

    def __init__(self) -> None:
        super().__init__()
        self.work: Work | None = None
        self.asked: Place | None = None
        """Where the comparison shown was asked."""
        self.wash, self.controls, self.seed, self.map_name = 0.5, False, 0, ""
        self.column = COLUMNS[0]
        self._soon: Timer | None = None

    def compose_body(self) -> Iterable[Widget]:
        """Lay out the question, the two ends, the columns and what is behind them."""
        yield TokenStrip()
        yield Static(id="readout", markup=False)
        yield LayerBar()
        yield Static(id="cross-head", markup=False)
        with Horizontal(id="cross-columns"):
            for name in COLUMNS:
                with Vertical(id=f"column-{name}", classes="box column"):
                    yield ReadingTable(name, self.app.marks)
        yield Static(id="cross-said", markup=False)
        yield Static(id="cross-state", markup=False)
        with VerticalScroll(id="cross-lift", classes="box", can_focus=False):
            yield Static(id="cross-lines", markup=False)

    def on_mount(self) -> None:
        """Follow the work and the link."""
        self.app.link_changed.subscribe(self, lambda _: self.redraw())
        self.app.desk_changed.subscribe(self, lambda _: self.redraw())
        self.show_column(self.column)

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        """Show where the bench stands now."""
        self._arrived()

    @property
    def work_slot(self) -> str:
        """Return the slot that ctrl+g stops."""
        return "compare"

    @property
    def table(self) -> ReadingTable:
        """Return the column that has the keys."""
        return self.query_one(f"#reading-{self.column}", ReadingTable)

    @property
    def compared(self) -> Compared | None:
        """Return the comparison shown, once it is whole."""
        result = self.work.answer.result if self.work else None
        return result if isinstance(result, Compared) else None

    @property
    def rows(self) -> list[ComparedRow]:
        """Return the rows as far as they have come."""
        found = self.compared.rows if self.compared else self.work.answer.rows.values() if self.work else ()
        return [row for row in found if isinstance(row, ComparedRow)]

    @property
    def where(self) -> str:
        """Return what the comparison shown is about, in words."""
        name = self.compared.map.name if self.compared else self.map_name
        return f"{self.asked.words if self.asked else ''} through {name}".strip()

    # Where it is.

    def maps_here(self) -> list[MapSummary]:
        """Return the maps that lead from the cursor's place."""
        if self.app.book is None or self.place is None:
            return []
        at = self._end(self.place)
        return [one for one in self.app.book.maps if (one.source, one.source_layer) == at]

    def _end(self, place: Place) -> tuple[str, int]:
        """Return the subject and layer of a place; of a typed source, where its first part stands."""
        first = leaves(place.source)[0]
        if isinstance(first, Residual):
            return first.subject, first.layer
        book = self.app.book
        if isinstance(first, Decoder) and book is not None:
            for sae in book.saes:
                if first.sae in {"", sae.name}:
                    return sae.subject, sae.layer
        layer = getattr(first, "layer", -1)
        return getattr(first, "subject", "") or place.opened.subject, layer if layer >= 0 else place.layer

    @property
    def chosen(self) -> MapSummary | None:
        """Return the map that is gone through: the one chosen, else the first from here."""
        here = self.maps_here()
        return next((one for one in here if one.name == self.map_name), here[0] if here else None)

    def go(self, place: Place) -> None:
        """Put the cursor somewhere."""
        self.app.desk.place = place
        self._arrived()

    def _arrived(self) -> None:
        """Show at once what was answered here before."""
        verb = self.verb()
        if verb is not None and self.app.asker.stored(verb) is not None:
            self.ask()
        self.redraw()

    # Asking.

    def verb(self) -> Compare | None:
        """Return the question that the screen stands for; None where no map leads from here."""
        place, chosen = self.place, self.chosen
        if place is None or chosen is None:
            return None
        return Compare(place.source, chosen.name, self.wash, controls=self.controls, seed=self.seed)

    def ask(self, *, fresh: bool = False) -> None:
        """Compare at the cursor's place."""
        verb = self.verb()
        if verb is None:
            self.app.tell(crossmodel_draw.no_map(self))
            return
        self.asked = self.place
        self.work = self.app.ask(verb, slot="compare", listener=self, fresh=fresh, priority=PRIORITY)
        self.redraw()

    def ask_soon(self) -> None:
        """Compare once the keys rest, where there is a comparison already: only what is new is read anew."""
        if self._soon is not None:
            self._soon.stop()
            self._soon = None
        if self.work is not None and self.place is not None and self.place.same_as(self.asked):
            self._soon = self.set_timer(REST, self.ask)

    def on_work_changed(self, message: WorkChanged) -> None:
        """Show how it goes; what model A's reader drew is judged as drawn where it is tested here."""
        message.stop()
        if message.work is self.work:
            if self.asked is not None and self.compared is not None:
                drawn = [row.reading("own") for row in self.rows if row.method == "drawn"]
                self.app.desk.drew(self.asked.source, [text for one in drawn if one for text in one.texts])
            self.redraw()

    def on_show_comparison(self, message: ShowComparison) -> None:
        """Show a comparison that was saved, at its own place; nothing is asked."""
        message.stop()
        saved = message.saved
        asked = saved.question
        if not isinstance(asked, Compare):
            return
        read = residuals(asked.source)
        if saved.strip is not None and read:
            place = place_of(saved.strip, read[0], self.app.book)
            self.app.desk.place = place if place.source == asked.source else self._typed(place, asked)
        elif self.place is not None:
            self.app.desk.place = self._typed(self.place, asked)
        self.wash, self.controls, self.seed, self.map_name = asked.wash, asked.controls, asked.seed, asked.map
        self.asked, self.work = self.place, saved_work(saved, self)
        self.redraw()

    def _typed(self, place: Place, asked: Compare) -> Place:
        return replace(place, given=asked.source, expression=expressions.show(asked.source))

    # Drawing.

    def redraw(self) -> None:
        """Bring everything up to date."""
        if self.is_mounted and self.is_current:
            crossmodel_draw.everything(self)

    def show_column(self, name: str) -> None:
        """Give a column the keys, and the room where columns take turns."""
        self.column = name
        for other in COLUMNS:
            self.query_one(f"#column-{other}").set_class(other == name, "-front")
        self.set_focus(self.table)
        self.call_after_refresh(self.redraw)

    def say(self, selector: str, words: str | Content, *, layout: bool = False) -> None:
        """Show words in one of the lines."""
        say(self.query_one(selector, Static), words, layout=layout)

    # What happens on the screen.

    @on(RowTable.Moved)
    def _moved(self, message: RowTable.Moved) -> None:
        self.redraw()

    @on(RowTable.Opened)
    def _opened(self) -> None:
        self.action_why()

    @on(TokenStrip.Picked)
    def _token_picked(self, message: TokenStrip.Picked) -> None:
        if self.place:
            self.go(self.place.at_token(message.position))

    @on(LayerBar.Picked)
    def _layer_picked(self, message: LayerBar.Picked) -> None:
        if self.place:
            self.go(self.place.at_layer(message.layer))

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """A column that was clicked has the keys."""
        if isinstance(event.widget, ReadingTable) and event.widget.column != self.column:
            self.show_column(event.widget.column)

    def on_resize(self) -> None:
        """Draw to the width."""
        self.call_after_refresh(self.redraw)

    def export_forms(self) -> dict[str, tuple[str, str]]:
        """Return what this screen can write to a file."""
        return {"comparison": ("this comparison as markdown tables", ".md")} if self.compared else {}

    def export_text(self, form: str) -> str:
        """Return the text of a form."""
        return crossmodel_words.page(self.compared, self.where) if self.compared else ""
