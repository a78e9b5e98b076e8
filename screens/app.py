"""The app: modes, the link, one asker, one recorder. Everything else belongs to its screens."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import App
from textual.binding import BindingType
from textual.message import Message
from textual.message_pump import MessagePump
from textual.screen import Screen
from textual.signal import Signal

from investigator.errors import InvestigatorError
from investigator.settings import Settings
from screens import keys, marks, themes, trace, workers
from screens.commands import provider
from screens.desk import Desk
from screens.elsewhere import Elsewhere
from screens.link import Connect, Link, Status
from screens.messages import (
    FindText,
    InterveneHere,
    OpenAnswer,
    OpenFeature,
    OpenHypothesis,
    OpenPrompt,
    ShowComparison,
    ShowSweep,
    TestText,
)
from screens.returning import Returning
from screens.work import Asker, Work

if TYPE_CHECKING:
    from investigator.provenance import WorkbenchSummary
    from investigator.wire import Verb
    from sessions import Recorder, Session, Store


def _bench() -> Screen[None]:
    from screens.bench import BenchScreen

    return BenchScreen()


def _hypotheses() -> Screen[None]:
    from screens.hypotheses import HypothesesScreen

    return HypothesesScreen()


def _corpus() -> Screen[None]:
    from screens.corpus import CorpusScreen

    return CorpusScreen()


def _crossmodel() -> Screen[None]:
    from screens.crossmodel import CrossModelScreen

    return CrossModelScreen()


def _intervene() -> Screen[None]:
    from screens.intervene import InterveneScreen

    return InterveneScreen()


def _sweep() -> Screen[None]:
    from screens.sweep import SweepScreen

    return SweepScreen()


def _notebook() -> Screen[None]:
    from screens.notebook import NotebookScreen

    return NotebookScreen()


class InvestigatorApp(App[None]):
    """The terminal app. It paints first; the backend and the session store are reached after the first frame."""

    TITLE = "Investigator"
    # The bench's rules with the app's own: a screen's file read later makes Textual parse every rule once more.
    CSS_PATH = [Path(__file__).with_name("app.tcss"), Path(__file__).with_name("bench.tcss")]
    MODES = {
        "bench": _bench,
        "hypotheses": _hypotheses,
        "corpus": _corpus,
        "crossmodel": _crossmodel,
        "intervene": _intervene,
        "sweep": _sweep,
        "notebook": _notebook,
    }
    DEFAULT_MODE = "bench"
    COMMANDS = {provider}
    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("app")
    ENABLE_COMMAND_PALETTE = True

    def __init__(
        self,
        connect: Connect,
        store: Store | Callable[[], Store] | None,
        settings: Settings,
        *,
        workbench: str = "pocket",
        session_name: str = "",
        prompt: str = "",
        keymap: dict[str, str] | None = None,
        troubles: tuple[str, ...] = (),
        host: str = "",
        greeting: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        self.settings = settings
        self.workbench = workbench
        self.session_name = session_name
        self.prompt = prompt
        self.moved_keys = dict(keymap or {})
        """The keymap in force: action id to keys."""
        self._troubles = troubles
        self.host = host
        """The machine where the backend is, as `--on` names it; empty: this one."""
        self._greeting = greeting
        self.marks = marks.choose(settings.app.marks)
        self.asker = Asker(self)
        self.desk = Desk()
        self.returning = Returning(self)
        self.link = Link(self, connect)
        self.link_changed: Signal[Status] = Signal(self, "link")
        self.work_changed: Signal[Work] = Signal(self, "work")
        self.desk_changed: Signal[str] = Signal(self, "desk")
        """Published with a session's id once its earlier hypotheses are on the desk."""
        self.store_changed: Signal[str] = Signal(self, "store")
        """Published with the store's trouble in words, empty where all is well."""
        self.answer_saved: Signal[str] = Signal(self, "saved")
        """Published with an answer's id once it is in the session file."""
        self.store: Store | None = None
        self.session: Session | None = None
        self.recorder: Recorder | None = None
        self.store_trouble = ""
        self._open_store = store
        for theme in themes.OURS:
            self.register_theme(theme)
        if settings.app.theme in self.available_themes:
            # Before the first frame: a theme set later parses and applies every rule again (0.1 s and more).
            self.set_reactive(App.theme, settings.app.theme)
            self.stylesheet.set_variables(self.get_css_variables())

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Give every theme the heat colours."""
        return themes.variable_defaults(self.current_theme.dark)

    def on_mount(self) -> None:
        """Take the keymap, and reach for the backend once the first frame stands."""
        if not self.settings.app.animations:
            self.animation_level = "none"
        if self.moved_keys:
            self.set_keymap(self.moved_keys)
        trace.start_heartbeat(self)
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        trace.mark("first-frame")
        gc.freeze()
        gc.enable()
        for trouble in self._troubles:
            self.tell(trouble, problem=True)
        for sentence in self._greeting:
            self.notify(sentence, markup=False, timeout=8)
        workers.start(self, "link", self.link.keep)
        workers.start(self, "store", self._start_store)

    async def _start_store(self) -> None:
        try:
            self.store = await asyncio.to_thread(self._open_store) if callable(self._open_store) else self._open_store
            if self.store is not None:
                from sessions import DEFAULT_SESSION, Recorder

                self.session = await asyncio.to_thread(self.store.session, self.session_name or DEFAULT_SESSION)
                self.recorder = Recorder(self.store, self.session, on_saved=self._saved)
                self.asker.record_earlier(self.recorder)
        except InvestigatorError as problem:
            self.store_trouble = str(problem)
        self.store_changed.publish(self.store_trouble)
        if self.store is not None:
            workers.start(self, "elsewhere", Elsewhere(self, self.store).watch)
        await self.returning.begin()

    def _saved(self, id: str) -> None:
        self.asker.acknowledge(id)
        self.answer_saved.publish(id)

    async def on_event(self, event: events.Event) -> None:
        """Act on a bound key at once, unless it is being typed.

        Textual sends a key to the focused widget and looks for its binding when it has bubbled back. Keys that come in
        one burst (a slow machine, a paste) would by then have gone to the widget that had the focus before: `h` and a
        sentence behind it would lose the sentence's first letters.
        """
        if isinstance(event, events.Key) and not event.is_forwarded and not self._typing:
            bound = self.screen.active_bindings.get(event.key)
            if bound is not None and bound.enabled:
                await self.run_action(bound.binding.action, bound.node)
                return
        await super().on_event(event)

    @property
    def _typing(self) -> bool:
        return self.focused is not None and self.focused.check_consume_key("a", "a")

    @property
    def book(self) -> WorkbenchSummary | None:
        """Return what the backend has loaded, once it was ready."""
        return self.link.book

    @property
    def layers_with_sae(self) -> frozenset[int]:
        """Return the layers of the cursor's model that an SAE reads."""
        saes = self.book.saes if self.book else ()
        return frozenset(sae.layer for sae in saes if sae.subject == self.subject)

    @property
    def subject(self) -> str:
        """Return the model under the cursor: the prompt's, before there is one the workbench's first."""
        if self.desk.place is not None:
            return self.desk.place.opened.subject
        return self.book.subjects[0].name if self.book and self.book.subjects else ""

    @property
    def labels_known(self) -> int:
        """Return how many labels the workbench's readers rank; 0 where it does not say."""
        return max((reader.labels for reader in self.book.readers), default=0) if self.book else 0

    @property
    def layers_with_reader(self) -> frozenset[int]:
        """Return the layers of the cursor's model that a reader reads."""
        # -1: read at any layer, by readers without training, which rank no labels and are no default.
        readers = self.book.readers if self.book else ()
        return frozenset(one.layer for one in readers if one.layer >= 0 and one.subject == self.subject)

    def ask(self, verb: Verb, *, slot: str, listener: MessagePump, fresh: bool = False, priority: int = 0) -> Work:
        """Ask a verb; `WorkChanged` messages tell `listener` how it goes, and a newer one in the slot supersedes it."""
        return self.asker.ask(verb, slot=slot, listener=listener, fresh=fresh, priority=priority)

    def link_lost(self) -> None:
        """Take note that a stream broke."""
        self.link.lost()

    def tell(self, text: str, *, problem: bool = False) -> None:
        """Show a short sentence over the screen; it is plain text, never markup."""
        self.notify(text, severity="error" if problem else "information", markup=False, timeout=8 if problem else 3)

    async def on_open_prompt(self, message: OpenPrompt) -> None:
        """Open a prompt on the bench, from any screen."""
        await self._to("bench", message, OpenPrompt(message.prompt, message.hypothesis))

    async def on_open_answer(self, message: OpenAnswer) -> None:
        """Show a saved answer on the bench, from any screen."""
        await self._to("bench", message, OpenAnswer(message.answer_id, message.row_key))

    async def on_open_hypothesis(self, message: OpenHypothesis) -> None:
        """Show a tested hypothesis on the bench, from any screen."""
        await self._to("bench", message, OpenHypothesis(message.trial))

    async def on_find_text(self, message: FindText) -> None:
        """Look for a sentence in the corpus, from any screen."""
        await self._to("corpus", message, FindText(message.text, message.saved))

    async def on_show_comparison(self, message: ShowComparison) -> None:
        """Show a saved comparison, from any screen."""
        await self._to("crossmodel", message, ShowComparison(message.saved))

    async def on_test_text(self, message: TestText) -> None:
        """Test a sentence at the cursor's place, from any screen."""
        await self._to("hypotheses", message, TestText(message.text))

    async def on_intervene_here(self, message: InterveneHere) -> None:
        """Show what a change would do, from any screen."""
        await self._to("intervene", message, InterveneHere(message.change, message.saved))

    async def on_show_sweep(self, message: ShowSweep) -> None:
        """Show a saved sweep, from any screen."""
        await self._to("sweep", message, ShowSweep(message.saved, message.row_key))

    def on_open_feature(self, message: OpenFeature) -> None:
        """Open a latent's page."""
        from screens.feature import FeatureScreen

        message.stop()
        self.push_screen(FeatureScreen(message.latent, message.sae))

    async def _to(self, mode: str, message: Message, copy: Message) -> None:
        """Show a mode's screen and hand it what came from another one."""
        message.stop()
        if self.current_mode != mode:
            await self.switch_mode(mode)
        self.screen_stack[0].post_message(copy)

    def action_stop_work(self) -> None:
        """Stop the work of the screen below all sheets."""
        below = next((screen for screen in reversed(self.screen_stack) if hasattr(screen, "stop_work")), None)
        if below is not None:
            below.stop_work()

    def action_help(self) -> None:
        """Show the current screen's help page."""
        from screens.help_page import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(getattr(self.screen, "ROOM", "app")))

    def action_screenshot(self, filename: str | None = None, path: str | None = None) -> None:
        """Write the screen as an SVG and say where."""
        from screens import screenshot

        try:
            self.tell(f"Saved {screenshot.save(self)}")
        except InvestigatorError as problem:
            self.tell(str(problem), problem=True)

    def action_export(self) -> None:
        """Choose what to write to a file: the session, the screen, the plot."""
        from screens.exporting import Exporting

        Exporting(self).choose()

    async def on_unmount(self) -> None:
        """Give the lease back, so that a clean exit ends what this app left running; save what still waits."""
        self.returning.end()
        await self.link.aclose()
        if self.recorder is not None:
            await asyncio.to_thread(self.recorder.close)
