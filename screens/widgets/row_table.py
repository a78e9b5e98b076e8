"""A table drawn by lines: only what is visible is painted, and the selected row is followed by its key."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from investigator.text import inert, one_line
from screens.paint import colour


class Column(msgspec.Struct, frozen=True):
    """A column of fixed width before the text; dropped where the table is narrower than `least`."""

    title: str
    width: int
    least: int = 0
    left: bool = False
    """Whether its cells stand at the left edge; numbers stand at the right one."""


class Cell(msgspec.Struct, frozen=True):
    """A short text and the component class that colours it."""

    text: str
    style: str = "number"


class Line(msgspec.Struct, frozen=True):
    """One row: cells for the columns, then the text that takes the rest, then one mark at the right edge."""

    key: str
    cells: tuple[Cell, ...]
    text: str
    """Model text as it came; made inert when drawn."""
    style: str = "text"
    mark: str = ""


COLOURS = {
    "muted": ("text-muted", Style()),
    "good": ("success", Style()),
    "bad": ("error", Style()),
    "mark": ("accent", Style(bold=True)),
    "dim": ("text-disabled", Style()),
}
"""Theme variable and style of each name that a cell may be coloured by."""
PLAIN = {"number": Style(), "text": Style(), "strong": Style(bold=True)}
"""Names of styles that add nothing, or little, to the table's own."""


class RowTable(ScrollView, inherit_bindings=False):
    """Rows under a fixed header. Arrow keys belong to the screen; a click selects, a second click opens."""

    DEFAULT_CSS = """
    RowTable {
        height: 1fr;
        overflow-x: hidden;
        scrollbar-size-vertical: 1;
    }
    """
    can_focus = True

    class Moved(Message):
        """Another row was selected."""

        def __init__(self, table: RowTable, key: str | None) -> None:
            super().__init__()
            self.table, self.key = table, key

        @property
        def control(self) -> RowTable:
            """Return the table."""
            return self.table

    class Opened(Moved):
        """The selected row was clicked again."""

    def __init__(self, columns: Sequence[Column], title: str, *, pointer: str = "▸", id: str | None = None) -> None:
        super().__init__(id=id)
        self.columns = tuple(columns)
        self.text_title = title
        self.pointer = pointer
        self.lines: tuple[Line, ...] = ()
        self.selected: str | None = None
        """Key of the row a person chose; None: the first row, whichever it is."""
        self.dimmed = False
        """Whether the rows are of another place than the cursor's."""
        self.tall = 1
        """Lines a row: below the first, `under` paints the rest."""
        self._colours: dict[str, Style] = {}

    @property
    def columns_wide(self) -> int:
        """Return the columns that rows may use: a scrollbar takes one from the widget's own."""
        return self.scrollable_content_region.width

    @property
    def index(self) -> int:
        """Return the selected row's place; -1 where there are no rows."""
        if self.selected is not None:
            for at, line in enumerate(self.lines):
                if line.key == self.selected:
                    return at
        return 0 if self.lines else -1

    @property
    def current(self) -> Line | None:
        """Return the selected row."""
        return self.lines[self.index] if self.lines else None

    @property
    def cut_text(self) -> str:
        """Return the selected row's text in full where its line has no room for it; else nothing."""
        line = self.current
        return inert(line.text) if line and cell_len(inert(line.text)) > self._room() else ""

    def show(self, lines: Sequence[Line], *, dimmed: bool = False) -> bool:
        """Show these rows; repaints only what differs, and returns whether anything did."""
        fresh = tuple(lines)
        if fresh == self.lines and dimmed == self.dimmed:
            return False
        everything = dimmed != self.dimmed or len(fresh) != len(self.lines)
        before, old = self.index, self.lines
        self.lines, self.dimmed = fresh, dimmed
        if everything or before != self.index:
            self.fit()
            self.refresh()
        else:
            for at, (new, past) in enumerate(zip(fresh, old, strict=True)):
                if new != past:
                    self.refresh_lines(at * self.tall + 1, self.tall)
        return True

    def show_columns(self, columns: Sequence[Column]) -> None:
        """Show these columns, as many as rows have cells."""
        if tuple(columns) != self.columns:
            self.columns = tuple(columns)
            self.refresh()

    def fit(self) -> None:
        """Be as long as the rows are."""
        self.virtual_size = Size(self.columns_wide, len(self.lines) * self.tall + 1)

    def move(self, by: int) -> None:
        """Select another row, `by` rows below."""
        if self.lines:
            self.select(self.lines[max(0, min(len(self.lines) - 1, self.index + by))].key)

    def page(self, by: int) -> None:
        """Select a row one page below or above."""
        self.move(by * max(1, (self.size.height - 2) // self.tall))

    def select(self, key: str | None) -> None:
        """Select the row of that key and bring it into view."""
        if key == self.selected:
            return
        self.selected = key
        self._into_view()
        self.refresh()
        self.post_message(self.Moved(self, key))

    def notify_style_update(self) -> None:
        """Forget colours, after a change of theme or focus."""
        super().notify_style_update()
        self._colours.clear()

    def on_resize(self) -> None:
        """Fit the rows to the width."""
        self.fit()
        self._into_view()

    def on_focus(self) -> None:
        """Colour the cursor."""
        self._colours.clear()

    def on_blur(self) -> None:
        """Pale the cursor."""
        self._colours.clear()

    def on_click(self, event: events.Click) -> None:
        """Select what was clicked; open what was selected already."""
        at = (event.y - 1 + self.scroll_offset.y) // self.tall
        if event.y > 0 and 0 <= at < len(self.lines):
            again = at == self.index and self.has_focus and self.selected is not None
            self.focus()
            self.select(self.lines[at].key)
            if again or event.chain > 1:
                self.post_message(self.Opened(self, self.lines[at].key))

    def render_line(self, y: int) -> Strip:
        """Paint the header or one row."""
        at, part = divmod(y - 1 + self.scroll_offset.y, self.tall)
        if y == 0:
            return self._strip(self._header(), Style())
        if not 0 <= at < len(self.lines):
            return Strip.blank(self.columns_wide, self._style("text"))
        chosen = at == self.index
        if part:
            return self.under(at, chosen)
        under = Style(bgcolor=self._style("cursor").bgcolor, bold=self.has_focus or None) if chosen else Style()
        return self._strip(self._pieces(self.lines[at], chosen), under)

    def under(self, at: int, chosen: bool) -> Strip:
        """Paint the line below a row, where rows are two lines tall."""
        return Strip.blank(self.columns_wide, self._style("text"))

    def _shown(self) -> list[tuple[int, Column]]:
        return [(at, column) for at, column in enumerate(self.columns) if self.columns_wide >= column.least]

    def _room(self) -> int:
        return max(0, self.columns_wide - 2 - sum(column.width + 1 for _, column in self._shown()) - 2)

    def _header(self) -> list[tuple[str, str]]:
        titles = [(_fit(column.title, column) + " ", "muted") for _, column in self._shown()]
        return [("  ", "muted"), *titles, (self.text_title[: self._room()], "muted")]

    def _pieces(self, line: Line, chosen: bool) -> list[tuple[str, str]]:
        room = self._room()
        pieces = [(f"{self.pointer} " if chosen else "  ", "mark")]
        for at, column in self._shown():
            cell = line.cells[at] if at < len(line.cells) else Cell("")
            pieces.append((_fit(cell.text, column) + " ", cell.style))
        pieces.append((_pad(one_line(line.text, room), room), line.style))
        return [*pieces, (f" {line.mark or ' '}", "mark")]

    def _strip(self, pieces: list[tuple[str, str]], over: Style) -> Strip:
        dim = self._style("dim") if self.dimmed else None
        segments = [
            Segment(text, (dim if dim and name != "mark" else self._style(name)) + over) for text, name in pieces
        ]
        return Strip(segments).adjust_cell_length(self.columns_wide, self._style("text") + over)

    def _style(self, name: str) -> Style:
        found = self._colours.get(name)
        if found is None:
            found = self._colours[name] = self._made(name)
        return found

    def _made(self, name: str) -> Style:
        # `rich_style` blends all ancestors' colours on every call, which would be most of the time of a frame.
        base, plain = self.rich_style, PLAIN.get(name)
        if plain is not None:
            return base + plain
        variables, (_, under) = self.app.theme_variables, self.background_colors
        if name == "cursor":
            behind = "block-cursor-blurred-background" if self.has_focus else "boost"
            return base + Style(bgcolor=colour(variables, behind, under).rich_color)
        variable, more = COLOURS[name]
        return base + more + Style(color=colour(variables, variable, under).rich_color)

    def _into_view(self) -> None:
        at, height = self.index, max(1, self.size.height - 1)
        top, first = self.scroll_offset.y, at * self.tall
        last = first + self.tall - 1
        if at >= 0 and not (top <= first and last < top + height):
            y = max(0, last - height + 1) if last >= top + height else first
            self.scroll_to(y=y, animate=False, immediate=True)


def _fit(text: str, column: Column) -> str:
    return text[: column.width].ljust(column.width) if column.left else text[: column.width].rjust(column.width)


def _pad(text: str, width: int) -> str:
    return text.ljust(width) if text.isascii() else set_cell_size(text, width)
