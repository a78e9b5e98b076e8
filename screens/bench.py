"""The bench: one prompt, one token, one layer, and what several explainers say of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import BindingType
from textual.widget import Widget
from textual.widgets import Static

from screens import keys
from screens.base import BaseScreen


class BenchScreen(BaseScreen[None]):
    """The main screen."""

    ROOM = "bench"
    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("bench")

    def compose_body(self) -> Iterable[Widget]:
        """Lay out the bench."""
        yield Static("bench")
