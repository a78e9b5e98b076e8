"""A list of rows without keys of its own: the screen's registered actions move it, so that a keymap can."""

from __future__ import annotations

from collections.abc import Iterable

from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option


class RowList(OptionList, inherit_bindings=False):
    """Rows of inert text; the cursor stays on a row's key when the rows are drawn again."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, markup=False, compact=True)

    def draw(self, rows: Iterable[tuple[str, Content]]) -> None:
        """Show (key, line) rows; the highlighted key stays highlighted where it is still there, else the first."""
        kept, scroll = self.key, self.scroll_offset.y
        self.clear_options()
        self.add_options(Option(line, id=key) for key, line in rows)
        if not self.option_count:
            return
        self.highlighted = self._index_of(kept)
        if kept is not None and self.key == kept:
            self.scroll_to(y=scroll, animate=False)

    @property
    def key(self) -> str | None:
        """Return the key under the cursor."""
        if self.highlighted is None or not self.option_count:
            return None
        return self.get_option_at_index(self.highlighted).id

    def step(self, by: int) -> None:
        """Move the cursor by so many rows, stopping at the ends."""
        if self.option_count:
            at = -1 if self.highlighted is None and by > 0 else self.highlighted or 0
            self.highlighted = min(max(at + by, 0), self.option_count - 1)

    def page(self, by: int) -> None:
        """Move the cursor by pages."""
        self.step(by * max(self.scrollable_content_region.height - 1, 1))

    def _index_of(self, key: str | None) -> int:
        keys = [option.id for option in self.options]
        return keys.index(key) if key is not None and key in keys else 0
