"""Running the app on the fake backend in tests: what is on screen, and waiting without sleeping."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from textual.pilot import Pilot

from fake_backend import FakeBackend
from investigator.settings import App, Settings
from screens.app import InvestigatorApp
from screens.bench import BenchScreen

WIDE, NARROW, TINY = (140, 45), (80, 24), (20, 5)
Bench = Pilot[Any]


def settings(**app: object) -> Settings:
    """Return settings under which the cursor counts as rested at once."""
    return Settings(app=msgspec.structs.replace(App(rest_ms=1), **app))


@asynccontextmanager
async def bench(
    backend: FakeBackend,
    size: tuple[int, int] = WIDE,
    *,
    store: Any = None,
    prompt: str = "",
    settle: bool = True,
    hook: Callable[[Any], None] | None = None,
    **app: object,
) -> AsyncIterator[Bench]:
    """Run the app; on entry the example is answered, unless `settle` is off."""
    made = InvestigatorApp(backend.connect, store, settings(**app), prompt=prompt)
    async with made.run_test(size=size, message_hook=hook, notifications=True) as pilot:
        if settle:
            await until(pilot, lambda: answered(pilot, "features") and answered(pilot, "labels"))
        yield pilot


async def until(pilot: Bench, true: Callable[[], bool], turns: int = 400) -> None:
    """Let the app run until something holds; fail where it never does."""
    for _ in range(turns):
        if true():
            return
        await pilot.pause(0.005)
    raise AssertionError(f"it never came to hold; on screen:\n{text(pilot)}")


async def press(pilot: Bench, *keys: str) -> None:
    """Press keys and let the app take them in."""
    await pilot.press(*keys)
    await pilot.pause()


def the(pilot: Bench) -> BenchScreen:
    """Return the bench."""
    screen = pilot.app.screen_stack[0]
    assert isinstance(screen, BenchScreen)
    return screen


def answered(pilot: Bench, name: str) -> bool:
    """Whether a pane shows a whole answer about the cursor's place."""
    screen = pilot.app.screen_stack[0]
    panes = [pane for pane in getattr(screen, "panes", ()) if name == pane.SLOT]
    return any(pane.state.name == "done" and not pane.foreign for pane in panes)


def text(pilot: Bench) -> str:
    """Return what is on screen as text, one line a row."""
    return "\n".join(strip.text for strip in pilot.app.screen._compositor.render_strips())


def line(pilot: Bench, *words: str) -> str:
    """Return the first line on screen that holds all the words."""
    found = [row for row in text(pilot).splitlines() if all(word in row for word in words)]
    assert found, f"no line holds {words}:\n{text(pilot)}"
    return found[0]
