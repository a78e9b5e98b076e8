"""The top line: model, layer, device, where we are, what runs and how to stop it, and whether it is saved."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual.content import Content
from textual.style import Style
from textual.widget import Widget

from investigator.text import one_line

if TYPE_CHECKING:
    from investigator.provenance import SubjectSummary
    from screens.app import InvestigatorApp
    from screens.base import BaseScreen

PLACES = ("bench", "hypotheses", "corpus", "crossmodel", "intervene", "sweep", "notebook")

SLOW = frozenset({"explain", "labels", "test", "find", "contrast", "compare", "intervene", "sweep"})
"""Verbs that are named while they run, even before they say how far they are."""

Part = tuple[str, str]
"""Text and component class."""


class StatusLine(Widget):
    """One line that drops what matters least first when it grows narrow."""

    COMPONENT_CLASSES = {"status--name", "status--dim", "status--here", "status--run", "status--good", "status--bad"}
    DEFAULT_CSS = """
    StatusLine { height: 1; }
    StatusLine > .status--name { color: $primary; text-style: bold; }
    StatusLine > .status--dim { color: $foreground 75%; }
    StatusLine > .status--here { color: $accent; text-style: bold; }
    StatusLine > .status--run { color: $accent; }
    StatusLine > .status--good { color: $success; }
    StatusLine > .status--bad { color: $error; text-style: bold; }
    """

    @property
    def _app(self) -> InvestigatorApp:
        return cast("InvestigatorApp", self.app)

    def on_mount(self) -> None:
        """Follow the link, the work and the store."""
        for signal in (self._app.link_changed, self._app.work_changed, self._app.store_changed):
            signal.subscribe(self, self._changed)

    def _changed(self, _: object) -> None:
        self.refresh()

    def render(self) -> Content:
        """Return the line."""
        return Content.assemble(*((text, self._style(name)) for text, name in self.parts(self.size.width)))

    def _style(self, name: str) -> Style:
        return self.get_visual_style(name, partial=True) if name else Style()

    def parts(self, width: int) -> list[Part]:
        """Return the pieces for a width: left, then what runs, then the session at the right edge."""
        running, saved = self._work_words(), self._store_words(width)
        left = self._left(width - _length(running) - _length(saved) - 2)
        space = max(1, width - _length(left) - _length(running) - _length(saved))
        return [*left, *running, (" " * space, ""), *saved]

    def _left(self, room: int) -> list[Part]:
        facts, chosen = self._facts(), list[Part]()
        # Where one is stays, whatever else has to go.
        here = sum(len(text) for text, _ in facts if text == self._here)
        for part in facts:
            if part[0] == self._here or _length(chosen) + len(part[0]) + here <= room:
                chosen.append(part)
                here = 0 if part[0] == self._here else here
        return chosen

    @property
    def _here(self) -> str:
        return f"[{self._app.current_mode}]"

    def _facts(self) -> list[Part]:
        """Return facts in the order in which they are kept when room is short (which is also their order on screen)."""
        status, here = self._app.link.status, cast("BaseScreen[None]", self.screen)
        if status.state in {"failed", "lost"}:
            host = one_line(self._app.host, 20)
            where = f" {host}: " if host and not status.message.startswith(host) else " "
            return [(f"{where}{status.message} ", "status--bad"), (f"{status.mend} ", "status--dim")]
        book, dot = self._app.book, f" {self._app.marks.dot} "
        if status.state != "ready" or status.handshake is None:
            name = _short_name(book.name if book else self._app.workbench)
            return [(f" {name}", "status--name"), *self._host(), (f"{dot}{status.message}", "status--run")]
        hands = status.handshake
        model = book.subjects[0] if book and book.subjects else None
        facts = [(f" {_short_name(book.name if book else self._app.workbench)}", "status--name")]
        facts += self._host()
        facts += [(dot + here.place_words, "")] if here.place_words else []
        facts += [(f"{dot}{hands.device} {_short(hands.dtype)}", "status--dim")]
        facts += [(f"{dot}{_model(model)}", "status--dim")] if model else []
        return [*facts, *self._places()]

    def _host(self) -> list[Part]:
        return [(f" on {one_line(self._app.host, 20)}", "status--here")] if self._app.host else []

    def _places(self) -> list[Part]:
        here = self._app.current_mode
        return [("   ", ""), *((f" {name} " if name != here else self._here, _where(name == here)) for name in PLACES)]

    def _work_words(self) -> list[Part]:
        works = [work for work in self._app.asker.running.values() if work.state != "waiting"]
        works.sort(key=lambda work: (work.name != "explain", work.started))
        shown = [work for work in works if work.progress or work.name in SLOW][:1]
        return [
            (f"  {self._app.marks.run} {f'{work.name} {work.progress}'.strip()} ^g", "status--run") for work in shown
        ]

    def _store_words(self, width: int) -> list[Part]:
        app = self._app
        trouble = app.store_trouble or (app.recorder.trouble if app.recorder else "")
        if trouble:
            return [(f"{app.marks.unsaved} {one_line(trouble, max(16, width // 3))} ", "status--bad")]
        if app.session is None:
            return [(f"{app.marks.unsaved} not saved ", "status--dim")]
        name = f"{'session: ' if width >= 110 else ''}{one_line(app.session.name, 20)} "
        return [(name if width >= 60 else "", "status--dim"), (f"{app.marks.saved} saved ", "status--good")]


def _short_name(workbench: str) -> str:
    """Return a workbench's name; a path's last folder where it was named by path."""
    parts = [part for part in workbench.split("/") if part and part != "workbench.toml"]
    return one_line(parts[-1] if parts else workbench, 24)


def _where(here: bool) -> str:
    return "status--here" if here else "status--dim"


def _short(dtype: str) -> str:
    return {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}.get(dtype, dtype)


def _model(model: SubjectSummary) -> str:
    size = f"{model.parameters / 1e9:.1f}B" if model.parameters >= 1e9 else f"{model.parameters / 1e6:.1f}M"
    return f"{one_line(model.family or model.name, 20)} {size}"


def _length(parts: list[Part]) -> int:
    return sum(len(text) for text, _ in parts)
