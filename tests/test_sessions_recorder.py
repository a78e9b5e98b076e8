"""The recorder and its bad days: full disk, locked file, read-only folder, damaged file, killed process."""

import asyncio
import os
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from session_tools import events, features, script, some_features, source, stream

from fake_backend import PROVENANCE
from investigator.errors import Disconnected
from investigator.events import ends
from investigator.records import ExplanationRow, Score
from investigator.wire import Accepted, Cancelled, Event, Explain, Partial, Question, ShowFeatures
from sessions import Recorder, open_store, spill


def spills(database: Path) -> list[Path]:
    return [path for folder in spill.folders(database) for path in folder.glob(f"{spill.prefix(database)}*.spill")]


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    found = tmp_path / "data" / "sessions.db"
    yield found
    for left in spills(found):
        left.unlink()


QUESTION = Question("q-1", "test", ShowFeatures(source()))
EVENTS = events(QUESTION.verb, features("harbours"))
ROWS = tuple(ExplanationRow(text, Score(-1.0)) for text in ("ports", "ships"))


async def test_every_event_passes_and_the_answer_is_stored(path: Path) -> None:
    with open_store(path) as store:
        told: list[str] = []
        recorder = Recorder(store, store.session("whales"), on_saved=told.append)
        assert [event async for event in recorder.record(QUESTION, stream(*EVENTS))] == EVENTS
        await recorder.flush()
        assert store.answer("q-1").result == features("harbours")
        assert recorder.trouble == ""
        await asyncio.sleep(0)
        assert told == ["q-1"]
        await recorder.aclose()


async def test_a_reader_that_leaves_at_the_last_event_loses_nothing(path: Path) -> None:
    with open_store(path) as store:
        recorder = Recorder(store, store.session("whales"))
        async for event in recorder.record(QUESTION, stream(*EVENTS)):
            if ends(event):
                break
        await recorder.aclose()
        assert store.answer("q-1").result is not None


async def test_a_broken_stream_is_folded_on_when_it_is_taken_up_again(path: Path) -> None:
    question = Question("q-1", "test", Explain(source()))

    async def breaks() -> AsyncIterator[Event]:
        yield Accepted(question.verb, PROVENANCE, n=0)
        yield Partial((ROWS[0],), n=1)
        raise Disconnected("gone")

    with open_store(path) as store:
        recorder = Recorder(store, store.session("whales"))
        with pytest.raises(Disconnected):
            [event async for event in recorder.record(question, breaks())]
        await recorder.flush()
        assert store.answers() == []
        rest = stream(Partial((ROWS[1],), n=2), Cancelled("stopped", n=3))
        [event async for event in recorder.record(question, rest)]
        await recorder.aclose()
        assert store.answer("q-1").rows == ROWS
        assert store.answer("q-1").provenance == PROVENANCE


async def test_a_stream_that_stays_broken_is_stored_as_it_stood_when_the_recorder_closes(path: Path) -> None:
    question = Question("q-1", "test", Explain(source()))
    with open_store(path) as store:
        recorder = Recorder(store, store.session("whales"))
        broken = stream(Accepted(question.verb, PROVENANCE, n=0), Partial(ROWS, n=1))
        [event async for event in recorder.record(question, broken)]
        await recorder.aclose()
        saved = store.answer("q-1")
        assert saved.rows == ROWS and saved.cancelled is not None


async def test_a_question_stopped_before_any_row_leaves_no_empty_answer(path: Path) -> None:
    with open_store(path) as store:
        recorder = Recorder(store, store.session("whales"))
        [e async for e in recorder.record(QUESTION, stream(EVENTS[0], Cancelled("superseded", n=1)))]
        await recorder.aclose()
        assert store.answers() == []


async def test_a_locked_file_holds_up_neither_the_stream_nor_the_loop_and_is_told(path: Path) -> None:
    with open_store(path, busy=0.5) as store:
        session = store.session("whales")
        recorder = Recorder(store, session)
        other = sqlite3.connect(path)
        other.execute("begin immediate")
        done = [event async for event in recorder.record(QUESTION, stream(*EVENTS))]
        assert done == EVENTS  # before the half second that the writer waits has passed
        await recorder.flush()
        assert "another program holds the file locked" in recorder.trouble
        assert store.answer("q-1").result == features("harbours")  # what waits can be read
        assert [one.answers for one in store.sessions()] == [1]
        assert len(spills(path)) == 1
        other.execute("rollback")
        other.close()
        question = Question("q-2", "test", ShowFeatures(source(3)))
        [e async for e in recorder.record(question, stream(*events(question.verb, features("b"))))]
        await recorder.aclose()
        assert recorder.trouble == "" and spills(path) == []
        assert sorted(saved.id for saved in store.answers(session)) == ["q-1", "q-2"]


async def test_what_waits_is_tried_again_without_another_answer(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sessions.recorder.RETRY", 0.05)
    with open_store(path, busy=0.05) as store:
        recorder = Recorder(store, store.session("whales"))
        other = sqlite3.connect(path)
        other.execute("begin immediate")
        [event async for event in recorder.record(QUESTION, stream(*EVENTS))]
        await recorder.flush()
        assert recorder.trouble
        other.execute("rollback")
        other.close()
        while recorder.trouble:
            await asyncio.sleep(0.02)
        assert spills(path) == []
        await recorder.aclose()


def test_a_full_database_keeps_answers_readable_and_gets_them_later(path: Path) -> None:
    with open_store(path) as store:
        session = store.session("whales")
        writer = store._journal._writer
        assert writer is not None
        pages = writer.execute("pragma page_count").fetchone()[0]
        writer.execute(f"pragma max_page_count = {pages}")
        for n in range(60):
            store.save_answer(session, *some_features(f"q-{n}", "harbours " * 40))
        assert "the disk is full" in store.trouble
        assert len(store.answers(session, "harb")) == 60
        finding = store.keep(session, "q-59", title="Kept while full", tags=["x"])
        assert store.edit_finding(finding.id, note="revised").note == "revised"
        writer.execute("pragma max_page_count = 1000000")
        assert store.retry()
        assert store.trouble == "" and spills(path) == []
    with open_store(path) as again:
        assert len(again.answers(search="harb")) == 60
        assert [one.note for one in again.findings(search="kept")] == ["revised"]


FULL_DISK = """
import resource, sys, tempfile
from pathlib import Path
from session_tools import some_features
from sessions import open_store
store = open_store(Path(sys.argv[1]))
session = store.session("whales")
resource.setrlimit(resource.RLIMIT_FSIZE, (0 if sys.argv[2] == "nothing" else 400_000,) * 2)
for n in range(200):
    store.save_answer(session, *some_features(f"q-{n}", "harbours " * 200))
assert len(store.answers(session, limit=10**6)) == 200
print(store.trouble)
sys.stdout.flush()
import os; os._exit(9)
"""


@pytest.mark.parametrize("room", ["some", "nothing"])
def test_no_file_may_grow_and_yet_every_answer_is_readable_and_the_user_is_told(
    path: Path, room: str, tmp_path: Path
) -> None:
    process = script(FULL_DISK, str(path), room, TMPDIR=str(tmp_path))
    out, said = process.communicate(timeout=240)
    assert process.returncode == 9, said
    assert out.startswith(f"Answers cannot be saved to {path}")
    assert room == "some" or "in memory only" in out
    with open_store(path) as store:
        assert store.notice == ""
        kept = {saved.id for saved in store.answers(limit=10**6)}
    assert kept <= {f"q-{n}" for n in range(200)}


SPILL_THEN_DIE = """
import os, sqlite3, sys
from pathlib import Path
from session_tools import some_features
from sessions import open_store
store = open_store(Path(sys.argv[1]), busy=0.05)
session = store.session("whales")
other = sqlite3.connect(sys.argv[1])
other.execute("begin immediate")
for n in range(5):
    store.save_answer(session, *some_features(f"q-{n}", "harbours"))
print("spilled", flush=True)
sys.stdin.read()
"""


def test_a_spill_file_is_merged_once_at_the_next_open_but_not_while_its_writer_lives(path: Path) -> None:
    writer = script(SPILL_THEN_DIE, str(path))
    assert writer.stdout is not None and writer.stdout.readline() == "spilled\n"
    left = spills(path)
    assert len(left) == 1
    lines = left[0].read_bytes()
    with open_store(path, busy=0.05) as store:
        assert store.answers() == []
    assert spills(path) == left
    writer.kill()
    writer.communicate()
    left[0].write_bytes(lines + lines + b'["answers", {"id": "cut sho')  # a crash in the middle of a line
    with open_store(path) as store:
        assert len(store.answers(search="harbours")) == 5
        assert [one.answers for one in store.sessions()] == [5]
    assert spills(path) == []


READ_ONLY = """
import ctypes, os, sys
from pathlib import Path
if os.getuid() == 0 and sys.argv[2] == "first":
    # root may write everywhere until CAP_DAC_OVERRIDE (1) is dropped and a program is executed
    ctypes.CDLL(None, use_errno=True).prctl(24, 1, 0, 0, 0)
    os.execv(sys.executable, [sys.executable, "-c", os.environ["CODE"], sys.argv[1], "second"])
from session_tools import some_features
from sessions import open_store
store = open_store(Path(sys.argv[1]))
session = store.session("whales")
store.save_answer(session, *some_features("q-new", "ships"))
print(store.trouble)
print(sorted(saved.id for saved in store.answers(session)), len(store.answers(search="ships")))
store.close()
"""


def test_a_read_only_folder_is_read_and_answers_wait_elsewhere(path: Path, tmp_path: Path) -> None:
    with open_store(path) as store:
        store.save_answer(store.session("whales"), *some_features("q-old", "harbours"))
    for file in path.parent.iterdir():
        file.chmod(0o444)
    path.parent.chmod(0o555)
    try:
        process = script(READ_ONLY, str(path), "first", CODE=READ_ONLY, TMPDIR=str(tmp_path))
        out, said = process.communicate(timeout=240)
        assert process.returncode == 0, said
    finally:
        path.parent.chmod(0o755)
        path.chmod(0o644)
    trouble, ids, *_ = out.splitlines()
    assert "cannot be written" in trouble and "INVESTIGATOR_HOME" in trouble
    assert ids == "['q-new', 'q-old'] 1"
    os.environ["TMPDIR"], before = str(tmp_path), os.environ.get("TMPDIR")
    import tempfile

    tempfile.tempdir = None
    try:
        with open_store(path) as store:
            assert sorted(saved.id for saved in store.answers()) == ["q-new", "q-old"]
    finally:
        tempfile.tempdir = None
        if before is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = before


def aside(path: Path) -> list[Path]:
    return [file for file in path.parent.glob("*.damaged-*") if not file.name.endswith(("-wal", "-shm"))]


@pytest.mark.parametrize("damage", ["not a database", "header", "page", "cut"])
def test_a_damaged_file_is_put_aside_whole_and_an_empty_one_begun(path: Path, damage: str) -> None:
    with open_store(path) as store:
        for n in range(30):
            store.save_answer(store.session("whales"), *some_features(f"q-{n}", "harbours " * 30))
    whole = path.read_bytes()
    broken = {
        "not a database": b"x" * 5000,
        "header": b"\0" * 100 + whole[100:],
        "page": whole[:8192] + b"\xff" * (len(whole) - 16384) + whole[-8192:],
        "cut": whole[: len(whole) // 2],
    }[damage]
    path.write_bytes(broken)
    with open_store(path) as store:
        store.save_answer(store.session("whales"), *some_features("new", "a"))
        assert {saved.id for saved in store.answers()} == {"new"}
        assert "damaged" in store.notice and "sessions repair" in store.notice and store.trouble == ""
    assert [file.read_bytes() for file in aside(path)] == [broken]


def test_damage_that_is_noticed_only_when_writing_loses_no_answer(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_store(path) as store:
        for n in range(30):
            store.save_answer(store.session("whales"), *some_features(f"q-{n}", "harbours " * 30))
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + b"\xff" * (len(whole) - 8192))
    monkeypatch.setattr("sessions.database.CHECKED_BYTES", 0)
    with open_store(path) as store:
        store.save_answer(store.session("ships"), *some_features("new", "a"))
        assert store.answer("new").result == features("a")
        assert "damaged" in store.notice and store.trouble == ""
    assert len(aside(path)) == 1
    with open_store(path) as store:
        assert [saved.id for saved in store.answers()] == ["new"]


def test_a_file_of_a_newer_version_is_left_alone(path: Path) -> None:
    with open_store(path) as store:
        store.session("whales")
    with sqlite3.connect(path) as raw:
        raw.execute(
            "insert into _sqlite_migrations (migration_set, name, applied_at) values ('investigator', 'm999', '')"
        )
    raw.close()
    before = path.read_bytes()
    with open_store(path) as store:
        store.save_answer(store.session("whales"), *some_features("q-1", "a"))
        assert "newer version" in store.trouble
        assert store.answer("q-1").result == features("a")
    assert path.read_bytes() == before
    assert len(spills(path)) == 1


def test_a_folder_that_cannot_be_made_is_told_and_nothing_is_lost(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    path = tmp_path / "file" / "sessions.db"
    with open_store(path) as store:
        store.save_answer(store.session("whales"), *some_features("q-1", "a"))
        assert "cannot be saved" in store.trouble
        assert store.answer("q-1").result == features("a")
    for left in spills(path):
        left.unlink()


def test_threads_may_read_and_write_at_once(path: Path) -> None:
    with open_store(path) as store:
        session = store.session("whales")

        def write(name: str) -> None:
            for n in range(15):
                store.save_answer(session, *some_features(f"{name}-{n}", "a"))
                store.answers(session, "a", limit=3)

        threads = [threading.Thread(target=write, args=(name,)) for name in "abc"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(store.answers(session)) == 45 and store.trouble == ""
