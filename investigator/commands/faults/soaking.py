"""`python -m investigator.commands.faults.soaking`: the app itself, without a terminal, asking thousands of questions.

Every question goes the app's own way (asker, recorder, panes), on a bench whose keys are pressed in between. Prints one
line of JSON at each of two counts: the app's resident bytes and the backend's.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from investigator import settings
from investigator.commands.faults.ground import PROMPT, verbs
from investigator.errors import BackendError
from investigator.sources import Residual
from investigator.wire import RankLabels, ShowFeatures, Verb

if TYPE_CHECKING:
    from screens.app import InvestigatorApp
    from screens.bench import BenchScreen

KEYS = ("right", "left", "tab", "down", "o", "right", "question_mark", "escape", "h", "escape")
"""Pressed one after the other, one for every so many questions."""
PRESSED_EVERY = 20
PATIENCE = 120.0
"""Seconds in which every single thing must happen."""


def main(argv: Sequence[str] | None = None) -> int:
    """Soak a workbench and print what it took."""
    parser = argparse.ArgumentParser(prog="python -m investigator.commands.faults.soaking")
    parser.add_argument("workbench")
    parser.add_argument("early", type=int, help="questions before the first look")
    parser.add_argument("late", type=int, help="questions before the second")
    parser.add_argument("store", type=Path, help="the session file")
    options = parser.parse_args(argv)
    asyncio.run(_soak(options))
    return 0


async def _soak(options: argparse.Namespace) -> None:
    from screens.app import InvestigatorApp
    from screens.run import local
    from sessions import open_store

    chosen = settings.load()
    app = InvestigatorApp(
        local(options.workbench, chosen), lambda: open_store(options.store), chosen,
        workbench=options.workbench, session_name="soak", prompt=PROMPT,
    )  # fmt: skip
    async with app.run_test(size=(140, 45)) as pilot:
        bench: Any = app.screen_stack[0]
        await _until(lambda: bench.place is not None and app.recorder is not None)
        for turn in range(options.late):
            await _ask(app, bench, turn)
            if turn % PRESSED_EVERY == 0:
                await pilot.press(KEYS[turn // PRESSED_EVERY % len(KEYS)])
            if turn + 1 in {options.early, options.late}:
                await _look(app, turn + 1)


async def _ask(app: InvestigatorApp, bench: BenchScreen, turn: int) -> None:
    place = bench.place
    assert place is not None
    verb = _verb(place.opened.subject, place.ids, place.layer, turn)
    work = app.ask(verb, slot="soak", listener=_Nobody(), fresh=True)  # type: ignore[arg-type]
    await _until(lambda: not work.active)
    if work.state != "done":
        raise BackendError(f"Question {turn} ended as {work.state}: {work.failure}.", "Run the soak by itself.")


class _Nobody:
    """Takes messages and does nothing: the soak's own answers belong to no pane."""

    def post_message(self, message: object) -> bool:
        """Take a message."""
        return True


def _verb(subject: str, ids: tuple[int, ...], layer: int, turn: int) -> Verb:
    position = 1 + turn % (len(ids) - 1)
    if turn % 50 == 49:
        return RankLabels(Residual(subject, ids, layer, position), controls=False)
    if turn % 10 == 9:
        return verbs(subject, ids, layer, position)["test"]
    return ShowFeatures(Residual(subject, ids, layer, position))


async def _look(app: InvestigatorApp, turn: int) -> None:
    from backends.server.memory import resident_bytes

    assert app.recorder is not None and app.asker.backend is not None
    await app.recorder.flush()
    gc.collect()
    backend = (await app.asker.backend.status()).memory_bytes
    print(json.dumps({"turn": turn, "app": resident_bytes(), "backend": backend}), flush=True)


async def _until(happened: Any) -> None:
    async with asyncio.timeout(PATIENCE):
        while not happened():
            await asyncio.sleep(0.001)


if __name__ == "__main__":
    sys.exit(main())
