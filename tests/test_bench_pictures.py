"""A few pictures: the bench answered and the hypotheses at both sizes, the corpus at 80x24."""

from collections.abc import Callable
from typing import Any

import pytest
from bench_pilot import NARROW, WIDE, answered, settings, text, until
from judged_backend import JudgedBackend

from fake_backend import FakeBackend
from screens.app import InvestigatorApp
from screens.work import Work

Compare = Callable[..., bool]


@pytest.fixture(autouse=True)
def steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every answer took a tenth of a second."""
    end = Work.end

    def at_once(work: Work, state: Any) -> None:
        end(work, state)
        work.seconds = 0.1

    monkeypatch.setattr(Work, "end", at_once)


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_the_bench(snap_compare: Compare, size: tuple[int, int]) -> None:
    backend = FakeBackend()

    async def ask(pilot: Any) -> None:
        await until(pilot, lambda: answered(pilot, "labels"))
        await pilot.press("g", "h", *"ports", "enter", "2", "down")
        await until(pilot, lambda: answered(pilot, "explain") and "gap +1.27" in text(pilot))
        await until(pilot, lambda: bool(pilot.app.screen.query("ParetoPlot")))
        await pilot.pause()

    app = InvestigatorApp(backend.connect, None, settings())
    assert snap_compare(app, terminal_size=size, run_before=ask)


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_the_hypotheses(snap_compare: Compare, size: tuple[int, int]) -> None:
    async def ask(pilot: Any) -> None:
        await until(pilot, lambda: answered(pilot, "labels"))
        await pilot.press("H", "n", *"ports", "enter", "n", *"wrong", "enter")
        await until(pilot, lambda: "supported" in text(pilot) and "baseline" in text(pilot))
        await pilot.pause()

    app = InvestigatorApp(JudgedBackend((1, 3)).connect, None, settings())
    assert snap_compare(app, terminal_size=size, run_before=ask)


def test_the_corpus(snap_compare: Compare) -> None:
    async def ask(pilot: Any) -> None:
        await until(pilot, lambda: answered(pilot, "labels"))
        await pilot.press("C", "slash", *"ships", "enter", "down")
        await until(pilot, lambda: "recall .94" in text(pilot))
        await pilot.pause()

    app = InvestigatorApp(JudgedBackend().connect, None, settings())
    assert snap_compare(app, terminal_size=NARROW, run_before=ask)
