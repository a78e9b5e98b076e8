"""The cursor that screens share: its place, and the keys that move it over tokens and layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from screens.base import BaseScreen

if TYPE_CHECKING:
    from screens.bench_place import Place


class CursorKeys(BaseScreen[None]):
    """A screen on which the bench's cursor moves; `go` says what follows when it did."""

    @property
    def place(self) -> Place | None:
        """Return the cursor's place, which the bench shares."""
        return self.app.desk.place

    @property
    def place_words(self) -> str:
        """Return the layer, for the status line."""
        return f"L{self.place.layer}" if self.place else ""

    def go(self, place: Place) -> None:
        """Put the cursor somewhere."""
        self.app.desk.place = place
        self.redraw()

    def redraw(self) -> None:
        """Bring everything up to date."""
        raise NotImplementedError

    def action_token(self, by: int) -> None:
        """Move to another token."""
        if self.place:
            self.go(self.place.at_token(self.place.position + by))

    def action_token_end(self, side: int) -> None:
        """Move to the first or the last token."""
        if self.place:
            self.go(self.place.at_token(0 if side < 0 else len(self.place.opened.tokens) - 1))

    def action_layer(self, by: int) -> None:
        """Move to another layer."""
        if self.place:
            self.go(self.place.at_layer(self.place.layer + by))
