"""An app that is killed is offered as it was; two apps on one file see each other; a locked or full file is said."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from pathlib import Path

import msgspec
import pytest
from bench_pilot import answered, bench, press, text, the, until
from session_tools import script

from fake_backend import EXAMPLE, FakeBackend
from investigator.records import ExplanationRow
from investigator.sources import Residual
from screens import elsewhere, returning
from screens.modals.confirm import Confirm
from sessions import Store, open_store
from sessions.bookmarks import FOLDER, Bookmark, Bookmarks

MARK = Bookmark("s", "pocket", EXAMPLE, Residual("pocket", (1, 2), 3, 1))


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look ten times as often."""
    monkeypatch.setattr(returning, "PERIOD", 0.05)
    monkeypatch.setattr(elsewhere, "PERIOD", 0.05)


def marks(store: Store) -> list[Path]:
    return sorted((store.path.parent / FOLDER).glob("*.json"))


async def killed_app(store: Store) -> Bookmark:
    """Run an app to a place of its own, and leave behind what a kill would leave."""
    async with bench(FakeBackend(), store=store) as pilot:
        await press(pilot, "left", "left", "2", "o")
        await until(pilot, lambda: answered(pilot, "labels"))
        await press(pilot, "h", *"ports", "enter")
        place = the(pilot).place
        assert place is not None
        await until(pilot, lambda: bool(marks(store)) and b"ports" in marks(store)[0].read_bytes())
        left = msgspec.json.decode(marks(store)[0].read_bytes(), type=Bookmark)
        assert left.source == place.source
        await pilot.app.recorder.flush()  # type: ignore[attr-defined]
    assert not marks(store), "an app that is left takes its bookmark with it"
    (store.path.parent / FOLDER / "0.json").write_bytes(msgspec.json.encode(left))
    (store.path.parent / FOLDER / "0.lock").touch()
    return left


async def test_a_killed_app_is_offered_as_it_was_and_comes_back_there(tmp_path: Path) -> None:
    with open_store(tmp_path / "sessions.db") as store:
        left = await killed_app(store)
        async with bench(FakeBackend(), store=store, settle=False) as pilot:
            await until(pilot, lambda: isinstance(pilot.app.screen, Confirm))
            await until(pilot, lambda: "Several whales" in text(pilot))
            assert "without being left" in " ".join(text(pilot).split())
            await press(pilot, "y")
            await until(pilot, lambda: answered(pilot, "labels") and the(pilot).place is not None)
            shown = the(pilot)
            await until(pilot, lambda: shown.place is not None and shown.place.source == left.source)
            assert shown.around.number == left.pane == 5
            assert shown.labels.order == left.orders[1] == "score"
            assert shown.hypothesis.text == "ports"
            assert [token.text for token in shown.place.opened.tokens] == [  # type: ignore[union-attr]
                "<bos>", *(f" {word}" if at else word for at, word in enumerate(EXAMPLE.split(" "))),
            ]  # fmt: skip


async def test_no_begins_anew_and_the_offer_is_not_made_again(tmp_path: Path) -> None:
    with open_store(tmp_path / "sessions.db") as store:
        await killed_app(store)
        async with bench(FakeBackend(), store=store, settle=False) as pilot:
            await until(pilot, lambda: isinstance(pilot.app.screen, Confirm))
            await press(pilot, "n")
            await until(pilot, lambda: answered(pilot, "features"))
        async with bench(FakeBackend(), store=store) as pilot:
            assert not isinstance(pilot.app.screen, Confirm)


async def test_a_prompt_on_the_command_line_is_what_was_asked_for(tmp_path: Path) -> None:
    with open_store(tmp_path / "sessions.db") as store:
        await killed_app(store)
        async with bench(FakeBackend(), store=store, prompt="another one") as pilot:
            assert not isinstance(pilot.app.screen, Confirm)
            assert "another one" in text(pilot)


def test_the_bookmark_of_a_living_app_is_nobody_elses_and_a_killed_ones_is_taken_once(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path\nfrom sessions.bookmarks import Bookmark, Bookmarks\n"
    code += "from investigator.sources import Residual\n"
    code += "mark = Bookmark('s', 'pocket', 'p', Residual('pocket', (1, 2), 3, 1))\n"
    code += "made = Bookmarks(Path(sys.argv[1])); made.write(mark); print('there', flush=True); sys.stdin.readline()"
    other = script(code, str(tmp_path / "sessions.db"))
    assert other.stdout is not None and other.stdout.readline() == "there\n"
    first, second = (Bookmarks(tmp_path / "sessions.db") for _ in range(2))
    assert first.take_over("s") is None, "it lives"
    os.kill(other.pid, signal.SIGKILL)
    other.communicate()
    assert first.take_over("another session") is None
    found = first.take_over("s")
    assert found is not None and found.prompt == "p" and found.at
    assert second.take_over("s") is None, "it is the first one's now"
    first.close()
    assert not list((tmp_path / FOLDER).iterdir())


def test_a_bookmark_that_cannot_be_read_is_no_trouble(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    for name, content in (("a", b"{"), ("b", msgspec.json.encode(MARK))):
        (tmp_path / FOLDER / f"{name}.json").write_bytes(content)
        (tmp_path / FOLDER / f"{name}.lock").touch()
    made = Bookmarks(tmp_path / "sessions.db")
    found = made.take_over("s")
    assert found is not None and found.source == MARK.source
    made.close()


async def test_two_apps_on_one_file_see_each_others_findings(tmp_path: Path) -> None:
    """Each app has a store of its own on the file, as two processes do."""
    first, second = (open_store(tmp_path / "sessions.db") for _ in range(2))
    async with (
        bench(FakeBackend(), store=first) as one,
        bench(FakeBackend(), store=second) as other,
    ):
        await press(one, "2", "s")
        await until(one, lambda: len(the(one).findings.findings) == 1)
        await until(other, lambda: len(the(other).findings.findings) == 1, turns=2000)
        finding = the(other).findings.findings[0]
        assert finding == the(one).findings.findings[0]
        second.edit_finding(finding.id, "seen from the other one", ["shared"])
        await until(one, lambda: the(one).findings.findings[0].note == "seen from the other one", turns=2000)
    first.close()
    second.close()


async def test_a_file_locked_by_another_program_is_said_and_written_when_it_is_free(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    store = open_store(path, busy=0.05)
    async with bench(FakeBackend(), store=store) as pilot:
        await until(pilot, lambda: "● saved" in text(pilot))
        await pilot.app.recorder.flush()  # type: ignore[attr-defined]
        holder = sqlite3.connect(path)
        holder.execute("begin immediate")
        await press(pilot, "left")
        await until(pilot, lambda: "locked" in pilot.app.recorder.trouble, turns=2000)  # type: ignore[attr-defined]
        await press(pilot, "g")
        await until(pilot, lambda: answered(pilot, "explain"))
        await until(pilot, lambda: "Answers cannot be saved" in text(pilot).splitlines()[0], turns=2000)
        assert answered(pilot, "features"), "the app goes on"
        holder.rollback()
        holder.close()
        assert await asyncio.to_thread(store.retry)
        await press(pilot, "left")
        await until(pilot, lambda: "● saved" in text(pilot).splitlines()[0], turns=2000)
    kinds = [saved.kind for saved in store.answers(limit=100)]
    assert "explain" in kinds and kinds.count("features") >= 3
    store.close()


async def test_a_full_disk_is_said_and_nothing_is_lost(tmp_path: Path) -> None:
    store = open_store(tmp_path / "sessions.db", busy=0.05)
    async with bench(FakeBackend(), store=store) as pilot:
        await pilot.app.recorder.flush()  # type: ignore[attr-defined]
        writer = store._journal._writer
        assert writer is not None
        pages = writer.conn.execute("pragma page_count").fetchone()[0]
        writer.conn.execute(f"pragma max_page_count = {pages}")
        for _ in range(3):
            await press(pilot, "g")
            await until(pilot, lambda: answered(pilot, "explain"))
        await until(pilot, lambda: "disk is full" in store.trouble, turns=2000)
        await press(pilot, "left")
        await until(pilot, lambda: "Answers cannot be saved" in text(pilot).splitlines()[0], turns=2000)
        await until(pilot, lambda: bool(list(tmp_path.glob("*.spill"))))
        writer.conn.execute("pragma max_page_count = 1073741823")
    rows = [row for saved in store.answers(limit=100) if saved.kind == "explain" for row in saved.all_rows()]
    assert rows and all(isinstance(row, ExplanationRow) for row in rows)
    store.close()
    assert not list(tmp_path.glob("*.spill")), "what waited is in the file"


async def test_answers_in_the_file_are_forgotten_by_the_backend(tmp_path: Path) -> None:
    backend, forgotten = FakeBackend(), list[str]()

    async def acknowledge(id: str) -> None:
        forgotten.append(id)

    backend.acknowledge = acknowledge  # type: ignore[method-assign]
    with open_store(tmp_path / "sessions.db") as store:
        async with bench(backend, store=store) as pilot:
            await until(pilot, lambda: len(forgotten) >= 3)
            await pilot.app.recorder.flush()  # type: ignore[attr-defined]
        assert set(forgotten) <= {saved.id for saved in store.answers(limit=100)}
