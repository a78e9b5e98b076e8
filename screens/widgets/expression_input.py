"""A line of input that is completed: what may come next stands dim behind the cursor; tab or right takes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.actions import SkipAction
from textual.binding import Binding, BindingType
from textual.suggester import Suggester

from screens.widgets.inert_input import InertInput

TYPING = "typing · enter takes it · esc leaves"
"""What the line of keys says where nothing completes."""
Complete = Callable[[str], tuple[str, ...]]


class FromFunction(Suggester):
    """Offers the first line that a function gives."""

    def __init__(self, complete: Complete) -> None:
        # Not cached: what a workbench has is known only once the backend is ready.
        super().__init__(use_cache=False, case_sensitive=True)
        self._complete = complete

    async def get_suggestion(self, value: str) -> str | None:
        """Return the likeliest way to go on."""
        return next(iter(self._complete(value)), None)


class ExpressionInput(InertInput):
    """An input with completion."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("tab", "complete", "Complete", show=False)]

    def __init__(self, complete: Complete, *, placeholder: str, id: str) -> None:
        super().__init__(placeholder=placeholder, id=id, compact=True, suggester=FromFunction(complete))
        self.complete = complete

    def action_complete(self) -> None:
        """Take the first completion; where there is none, tab means what it means elsewhere."""
        found = next(iter(self.complete(self.value)), None) if self.cursor_position == len(self.value) else None
        if found is None:
            raise SkipAction
        self.value = found
        self.cursor_position = len(found)

    def point_at(self, at: int) -> None:
        """Take the keys, with the cursor where something is wrong; the focus selects everything first."""
        self.screen.set_focus(self)
        self.call_after_refresh(lambda: setattr(self, "cursor_position", at))

    @property
    def offers(self) -> str:
        """Return in a few words what may come next."""
        found = [line[len(self.value) :] for line in self.complete(self.value)[:6]]
        return f"tab completes: {'  '.join(found)}" if found else ""
