"""The layers in one line: the cursor's in brackets, those with an SAE or a reader marked; a click goes there."""

from __future__ import annotations

from textual import events, getters
from textual.content import Content
from textual.message import Message
from textual.style import Style
from textual.widget import Widget

from screens.app import InvestigatorApp

LABEL = "layer "


class LayerBar(Widget):
    """One line of layers."""

    COMPONENT_CLASSES = {"layer--plain", "layer--here", "layer--mark", "layer--dim"}
    DEFAULT_CSS = """
    LayerBar {
        height: 1;
        width: auto;
        padding: 0 1;
        & > .layer--plain { color: $foreground; }
        & > .layer--here { color: $accent; text-style: bold; }
        & > .layer--mark { color: $success; }
        & > .layer--dim { color: $foreground 70%; }
    }
    """
    app = getters.app(InvestigatorApp)

    class Picked(Message):
        """A layer was clicked."""

        def __init__(self, layer: int) -> None:
            super().__init__()
            self.layer = layer

    def __init__(self) -> None:
        super().__init__(id="layers")
        self.count = 0
        self.here = 0
        self._columns: list[tuple[int, int, int]] = []

    def show(self, count: int, layer: int) -> None:
        """Show so many layers with the cursor on one."""
        changed = count != self.count
        self.count, self.here = count, layer
        self.refresh(layout=changed)

    def get_content_width(self, container: object, viewport: object) -> int:
        """Be as wide as the line."""
        return len(self.render().plain)

    def on_click(self, event: events.Click) -> None:
        """Go to the layer under the mouse."""
        column = event.x - self.gutter.left
        for layer, start, end in self._columns:
            if start <= column < end:
                self.post_message(self.Picked(layer))

    def render(self) -> Content:
        """Return the line: every layer where there are few, else those around the cursor."""
        parts: list[tuple[str, Style]] = [(LABEL, self._style("dim"))]
        self._columns = []
        at = len(LABEL)
        for layer in self._shown():
            pieces = self._layer(layer)
            parts += [(text, self._style(name)) for text, name in pieces]
            end = at + sum(len(text) for text, _ in pieces)
            self._columns.append((layer, at, end))
            at = end
        return Content.assemble(*parts, *self._legend())

    def _shown(self) -> range:
        first = max(0, min(self.here - 4, self.count - 9))
        return range(first, min(self.count, first + 9)) if self.count > 12 else range(self.count)

    def _layer(self, layer: int) -> list[tuple[str, str]]:
        marks = self.app.marks
        sae = marks.sae if layer in self.app.layers_with_sae else ""
        reader = marks.reader if layer in self.app.layers_with_reader else ""
        here = layer == self.here
        return [
            (f"[{layer}" if here else f" {layer}", "here" if here else "plain"),
            (sae + reader, "mark"),
            ("]" if here else " ", "here"),
        ]

    def _legend(self) -> list[tuple[str, Style]]:
        marks, of = self.app.marks, f" of {self.count}" if self.count > 12 else ""
        return [(f"{of}  {marks.sae} SAE  {marks.reader} reader", self._style("dim"))]

    def _style(self, name: str) -> Style:
        return self.get_visual_style(f"layer--{name}", partial=True)
