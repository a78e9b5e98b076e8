"""Coming back: an app that was killed is offered as it was, at the next start in the same session."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from investigator.errors import InvestigatorError
from investigator.text import one_line
from investigator.wire import Open
from screens import workers
from screens.bench_place import place_of

if TYPE_CHECKING:
    from screens.app import InvestigatorApp
    from screens.bench import BenchScreen
    from sessions.bookmarks import Bookmark, Bookmarks

PERIOD = 1.0
"""Seconds between two looks at where the app stands: what a kill may cost of the cursor's way."""


class Returning:
    """Keeps the app's bookmark up to date, and offers the one that a killed app left."""

    def __init__(self, app: InvestigatorApp) -> None:
        self.app = app
        self._marks: Bookmarks | None = None
        self._written: Bookmark | None = None
        self._offering = False

    async def begin(self) -> None:
        """Look for a killed app's bookmark once the session is open, and keep one from now on."""
        app = self.app
        if app.store is None or app.session is None:
            return
        from sessions.bookmarks import Bookmarks

        self._marks = Bookmarks(app.store.path)
        found = await asyncio.to_thread(self._marks.take_over, app.session.id)
        if found is not None and not app.prompt and found.workbench == app.workbench:
            self._offer(found)
        app.set_interval(PERIOD, self._look)

    def _offer(self, mark: Bookmark) -> None:
        from screens.modals.confirm import Confirm

        self._offering = True
        where = f"{one_line(mark.prompt, 60)!r}, layer {mark.source.layer}, {mark.mode}"
        said = (
            f"Investigator was ended at {mark.at[11:16]} UTC on {mark.at[:10]} without being left. It stood at {where}."
        )
        sheet = Confirm(f"{said} Every answer is in the session. Go back there?", "As it was")
        self.app.push_screen(sheet, lambda yes: self._answered(mark, yes=bool(yes)))

    def _answered(self, mark: Bookmark, *, yes: bool) -> None:
        self._offering = False
        if yes:
            workers.start(self.app, "returning", self._go_back, mark)

    async def _go_back(self, mark: Bookmark) -> None:
        from screens.bench import BenchScreen

        app = self.app
        bench = app.screen_stack[0]
        if not isinstance(bench, BenchScreen) or app.store is None:
            return
        source = mark.source
        try:
            strip = await asyncio.to_thread(app.store.strip, source.subject, source.token_ids)
        except InvestigatorError:
            strip = None
        _arrange(bench, mark)
        if strip is None:
            bench.open_text(mark.prompt)
        else:
            bench.prompt_bar.show(strip.prompt)
            bench.reopened = True
            bench.go(place_of(strip, source, app.book))
            bench.asking.open(Open(token_ids=source.token_ids, subject=source.subject))
        if mark.mode != app.current_mode and mark.mode in app.MODES:
            await app.switch_mode(mark.mode)

    def _look(self) -> None:
        mark = None if self._offering else self._here()
        if mark is not None and mark != self._written:
            self._written = mark
            workers.start(self.app, "bookmark", self._write, mark)

    async def _write(self, mark: Bookmark) -> None:
        # A folder that takes no file costs this convenience alone; the store says what else it costs.
        with contextlib.suppress(OSError):
            if self._marks is not None:
                await asyncio.to_thread(self._marks.write, mark)

    def _here(self) -> Bookmark | None:
        from screens.bench import BenchScreen
        from sessions.bookmarks import Bookmark

        app, place = self.app, self.app.desk.place
        bench = app._screen_stacks["bench"][0] if app._screen_stacks.get("bench") else None
        if place is None or app.session is None or not isinstance(bench, BenchScreen):
            return None
        return Bookmark(
            session=app.session.id,
            workbench=app.workbench,
            prompt=place.opened.prompt,
            source=place.residual,
            mode=app.current_mode,
            pane=bench.around.number,
            orders=tuple(pane.order for pane in bench.panes),
            filters=tuple(pane.filter for pane in bench.panes),
            hypothesis=bench.hypothesis.text,
        )

    def end(self) -> None:
        """Take the bookmark away, because the app is left; one that broke keeps it."""
        if self._marks is not None and self.app._exception is None:
            self._marks.close()


def _arrange(bench: BenchScreen, mark: Bookmark) -> None:
    """Put orders, filters, hypothesis and focus back."""
    for pane, order, words in zip(bench.panes, mark.orders, mark.filters, strict=False):
        if order in pane.ORDERS:
            pane.order = order
        pane.filter = words
    if mark.hypothesis:
        bench.hypothesis.show_text(mark.hypothesis)
    bench.around.go(mark.pane if 1 <= mark.pane <= 6 else 1)
