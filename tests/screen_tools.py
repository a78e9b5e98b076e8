"""An app over the fake backend and a real session file, driven by keys; waits for states, never for times."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textual.app import App
from textual.pilot import Pilot

from fake_backend import EXAMPLE, FakeBackend, tokens_of
from investigator.events import Answer
from investigator.settings import Settings
from investigator.sources import Residual
from investigator.wire import Open, Question, RankLabels, Verb
from screens import app as app_module
from screens.app import InvestigatorApp
from sessions import SavedAnswer, Session, Store, new_id, open_store

SMALL, LARGE = (80, 24), (140, 45)
HOSTILE = "[bold red]names[/] \x1b]0;owned\x07 of \u202etowns\u200b <b>&amp; `x` | y"
"""A label with markup, a terminal escape, a bidi override, a zero-width space, HTML and markdown."""


class ToldApp(InvestigatorApp):
    """The app, remembering what it told."""

    CSS_PATH = Path(app_module.__file__).with_name("app.tcss")

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.told: list[str] = []

    def tell(self, text: str, *, problem: bool = False) -> None:
        """Remember the sentence and show it."""
        self.told.append(text)
        super().tell(text, problem=problem)


@dataclass
class Stage:
    """A running app with everything around it."""

    app: InvestigatorApp
    pilot: Pilot[None]
    backend: FakeBackend
    store: Store
    told: list[str]
    """Every sentence that was shown over the screen; sentences vanish, this list does not."""

    async def tells(self, words: str) -> None:
        """Wait until a sentence with these words has been shown over the screen."""
        await self.until(lambda: any(words in sentence for sentence in self.told))

    async def press(self, *names: str) -> None:
        """Press keys and let the app act on them."""
        await self.pilot.press(*names)
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        """Type a text."""
        await self.press(*(_key(char) for char in text))

    async def until(self, happened: Callable[[], object]) -> None:
        """Wait until something holds; fail with the screen's text where it never does."""
        for _ in range(1500):
            if happened():
                return
            await self.pilot.pause(0.02)
        raise AssertionError(f"it never happened; the screen shows:\n{self.text()}")

    def text(self) -> str:
        """Return what the screen shows, as text."""
        return screen_text(self.app)

    async def shows(self, words: str) -> None:
        """Wait until the screen shows these words."""
        await self.until(lambda: words in self.text())


def _key(char: str) -> str:
    named = {" ": "space", "#": "number_sign", "/": "slash", ".": "full_stop", "-": "minus", "_": "underscore"}
    return named.get(char, char)


def screen_text(app: App[Any]) -> str:
    """Return the text of a picture of the screen, line by line."""
    svg = app.export_screenshot(simplify=True)
    rows: dict[float, list[tuple[float, str]]] = {}
    for x, y, words in re.findall(r'<text[^>]*?x="([\d.]+)" y="([\d.]+)"[^>]*>(.*?)</text>', svg, re.DOTALL):
        rows.setdefault(float(y), []).append((float(x), html.unescape(words).replace("\xa0", " ").replace("\n", "")))
    return "\n".join("".join(words for _, words in sorted(row)) for _, row in sorted(rows.items()))


@asynccontextmanager
async def stage(
    size: tuple[int, int] = LARGE,
    *,
    backend: FakeBackend | None = None,
    store: Store | None = None,
    settings: Settings | None = None,
    keymap: dict[str, str] | None = None,
    troubles: tuple[str, ...] = (),
) -> AsyncIterator[Stage]:
    """Start the app and wait until its session is open."""
    fake, kept = backend or FakeBackend(), store or open_store()
    app = ToldApp(fake.connect, kept, settings or Settings(), session_name="tests", keymap=keymap, troubles=troubles)
    async with app.run_test(size=size, notifications=True) as pilot:
        made = Stage(app, pilot, fake, kept, app.told)
        await made.until(lambda: app.recorder is not None and app.link.status.state == "ready")
        yield made


def residual(prompt: str = EXAMPLE, position: int = 2, layer: int = 3) -> Residual:
    """Return a place in a prompt, as the fake backend tokenises it."""
    return Residual("pocket", tuple(token.id for token in tokens_of(prompt)), layer, position)


async def saved(store: Store, session: Session, verb: Verb, backend: FakeBackend | None = None) -> SavedAnswer:
    """Ask the fake backend and store its answer; prompts are opened first, so that their tokens are known."""
    fake = backend or FakeBackend()
    question = Question(new_id(), "tests", verb)
    answer = Answer(question.id)
    async for event in fake.ask(question):
        answer.apply(event)
    store.save_answer(session, question, answer)
    return store.answer(question.id)


async def with_answers(backend: FakeBackend | None = None) -> tuple[Store, Session, SavedAnswer]:
    """Return a store whose session `tests` holds an opened prompt and a ranking of labels."""
    store = open_store()
    session = store.session("tests")
    await saved(store, session, Open(prompt=EXAMPLE), backend)
    ranking = await saved(store, session, RankLabels(residual()), backend)
    return store, session, ranking
