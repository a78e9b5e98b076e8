"""Exporting: what there is to write, where it goes, and a sentence about how it went."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from investigator.errors import BadInput, InvestigatorError
from screens import screenshot
from screens.modals import ExportChoice, ExportChooser
from screens.workers import start

if TYPE_CHECKING:
    from screens.app import InvestigatorApp
    from screens.widgets.pareto_plot import ParetoPlot
    from sessions import Session, Store

SESSION_FORMS = {
    "markdown": ("the session as markdown, every answer with its provenance", ".md"),
    "findings": ("only the findings, as markdown", ".md"),
    "json": ("the session as JSON", ".json"),
}
SCREEN_FORM = {"screen": ("this screen as SVG", ".svg")}
PLOT_FORM = {"plot": ("the plot as SVG", ".svg")}


@runtime_checkable
class Exports(Protocol):
    """A screen that has something of its own to write."""

    def export_forms(self) -> dict[str, tuple[str, str]]:
        """Return its forms: what each is, and its suffix."""
        ...

    def export_text(self, form: str) -> str:
        """Return the text of a form."""
        ...


class Exporting:
    """One export of the app, from the chooser to the file."""

    def __init__(self, app: InvestigatorApp) -> None:
        self.app = app

    def choose(self) -> None:
        """Show the forms that there are, and write the chosen one."""
        own = self._screen.export_forms() if self._screen is not None else {}
        forms = {**own, **(SESSION_FORMS if self.app.store and self.app.session else {}), **SCREEN_FORM}
        if (plot := self._plot()) is not None and plot.pareto.walk:
            forms |= PLOT_FORM
        self.app.push_screen(ExportChooser(forms, self._stem()), self._chosen)

    @property
    def _screen(self) -> Exports | None:
        screen = self.app.screen
        return screen if isinstance(screen, Exports) else None

    def _stem(self) -> str:
        name = self.app.session.name if self.app.session else "investigator"
        return "".join(char if char.isalnum() or char in "-_" else "-" for char in name)[:60] or "investigator"

    def _plot(self) -> ParetoPlot | None:
        from screens.widgets.pareto_plot import ParetoPlot

        return next(iter(self.app.screen.query(ParetoPlot)), None)

    def _chosen(self, choice: ExportChoice | None) -> None:
        if choice is not None:
            # The sheet has gone by now; the picture is of the screen below it.
            self.app.call_after_refresh(self._begin, choice)

    def _begin(self, choice: ExportChoice) -> None:
        try:
            maker = self._maker(choice.form)
        except InvestigatorError as problem:
            self.app.tell(str(problem), problem=True)
            return
        start(self.app, "export", self._write, maker, choice.file, exclusive=False)

    def _maker(self, form: str) -> Callable[[], str]:
        """Return what makes the text; pictures are taken here, on the event loop, the rest may run in a thread."""
        match form:
            case "screen":
                picture = screenshot.picture(self.app)
                return lambda: picture
            case "plot":
                drawing = self._plot_svg()
                return lambda: drawing
            case _ if self._screen is not None and form in self._screen.export_forms():
                text = self._screen.export_text(form)
                return lambda: text
            case _:
                store, session = self._open_session()
                return lambda: session_text(store, session, form)

    def _plot_svg(self) -> str:
        from screens.plot_svg import svg

        plot = self._plot()
        if plot is None:
            raise BadInput("There is no plot on this screen.", "Export it from the bench.")
        return svg(plot.pareto, title=f"Activation against log p, {self._place()}", selected=plot.selected)

    def _place(self) -> str:
        place = getattr(self.app.screen, "place", None)
        return str(getattr(place, "words", "")) or self.app.workbench

    def _open_session(self) -> tuple[Store, Session]:
        if self.app.store is None or self.app.session is None:
            raise BadInput("There is no session to export.", self.app.store_trouble)
        return self.app.store, self.app.session

    async def _write(self, maker: Callable[[], str], file: Path) -> None:
        try:
            written = await asyncio.to_thread(lambda: screenshot.write(file, maker()))
        except InvestigatorError as problem:
            self.app.tell(str(problem), problem=True)
        else:
            self.app.tell(f"Written: {written}")


def session_text(store: Store, session: Session, form: str) -> str:
    """Return a session as `markdown`, `findings` (markdown, findings only) or `json`."""
    from sessions import export_json, export_markdown

    if form == "json":
        return export_json(store, session)
    return export_markdown(store, session, findings_only=form == "findings")
