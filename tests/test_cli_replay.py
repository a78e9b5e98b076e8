"""`investigator replay`: what was saved, asked again of a real engine behind a real socket, and the exit codes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from cli_tools import run
from server_tools import running

import tiny
from backends.client import SocketBackend
from backends.engine.engine import WorkbenchEngine
from fake_backend import EXAMPLE, FakeBackend
from investigator import wire
from investigator.api import Investigator
from investigator.errors import BadInput, ScoreError
from investigator.events import fold
from investigator.records import Worked
from investigator.settings import Backend, Settings
from investigator.wire import Question
from sessions import open_store

PROMPT = "The capital of France is Paris"
SAME, WITHIN, DIFFERENT, FAILED = 0, 3, 4, 1


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> FakeBackend:
    fake = FakeBackend()
    monkeypatch.setattr("backends.launch.Local", lambda *_, **__: fake)
    return fake


def ids(session: str) -> dict[str, str]:
    """Return a stored answer's id by its kind."""
    with open_store() as store:
        return {saved.kind: saved.id for saved in store.answers(store.session(session))}


# -- over canned answers --------------------------------------------------------------------------------------------


def test_every_verb_is_replayed_and_work_is_listed_with_its_command(
    backend: FakeBackend, capsys: pytest.CaptureFixture[str]
) -> None:
    place = [EXAMPLE, "--session", "s"]
    for command in ("open", "features", "labels", "explain", "lens"):
        run(command, *place)
    run("feature", "12", "--session", "s")
    run("test", EXAMPLE, "ships", "ports", "--session", "s")
    run("contrast", "ships", "ports", EXAMPLE, "--session", "s")
    run("doctor", "--session", "s")
    with open_store() as store:
        question = Question("worked", "t", wire.Work("train sae", {"out": "there", "corpus": "c"}))
        store.save_answer(store.session("s"), question, fold("worked", [wire.Finished(Worked("train sae"))]))
    capsys.readouterr()
    asked = len(backend.asked)
    assert run("replay", "s") == SAME
    out, said = capsys.readouterr()
    for kind in ("open", "features", "labels", "explain", "lens", "feature", "test", "contrast"):
        assert any(f"  {kind}" in line and line.endswith("identical to the bit") for line in out.splitlines()), kind
    assert "investigator train sae --out=there --corpus=c" in out and "investigator doctor" in out
    assert out.splitlines()[-1] == "2 not replayed, 14 identical" and said == ""
    assert len(backend.asked) - asked == 8  # the prompt that every command opened is opened once
    with open_store() as store:
        assert [one.name for one in store.sessions()] == ["s"]


def test_what_changed_is_printed_and_the_exit_code_says_so(
    backend: FakeBackend, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run("labels", EXAMPLE, "--session", "s")
    run("lens", EXAMPLE, "--session", "s")
    monkeypatch.setattr(backend, "labels", ("another label", *backend.labels[1:]))
    capsys.readouterr()
    found = ids("s")
    assert run("replay", found["labels"][:12], "--rows", "1") == DIFFERENT
    out = capsys.readouterr().out
    assert "different" in out and "outside" in out and "(1 more in --json)" in out
    assert run("replay", found["lens"]) == SAME
    assert run("replay", "s", "--limit", "1") == SAME
    capsys.readouterr()
    assert run("replay", "s", "--json") == DIFFERENT
    document = json.loads(capsys.readouterr().out)
    assert document["outcome"] == "different"
    assert {one["kind"]: one["outcome"] for one in document["answers"]}["labels"] == "different"
    labels = next(one for one in document["answers"] if one["kind"] == "labels")
    assert {"path", "before", "after", "difference", "within"} == set(labels["differences"][0])
    assert labels["command"].startswith("investigator labels")


def test_a_finding_is_replayed_by_its_row(
    backend: FakeBackend, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run("labels", EXAMPLE, "--session", "s")
    with open_store() as store:
        session = store.session("s")
        rows = store.answer(ids("s")["labels"]).all_rows()
        kept = [store.keep(session, ids("s")["labels"], row_key=row.key, title="t") for row in rows]
    gone = rows[0].key
    monkeypatch.setattr(backend, "labels", tuple(label if label != gone else "other" for label in backend.labels))
    assert run("replay", kept[0].id) == DIFFERENT
    assert run("replay", kept[1].id) == SAME


def test_what_fails_or_is_not_there_is_a_sentence(
    backend: FakeBackend, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run("features", EXAMPLE, "--session", "s")
    run("doctor", "--session", "checks")
    capsys.readouterr()
    backend.fail["features"] = ScoreError("The activation is nan.")
    assert run("replay", "s") == FAILED
    out = capsys.readouterr().out
    assert "It failed this time. The activation is nan." in out and "investigator features" in out
    for arguments, sentence in (
        (("nowhere",), "There is no session, finding or answer called 'nowhere'"),
        (("checks",), "Nothing of this can be replayed."),
        (("s", "--tolerance", "-1"), "is negative"),
        ((), "the following arguments are required: SESSION"),
    ):
        assert run("replay", *arguments) == BadInput.exit_code
        assert sentence in capsys.readouterr().err
    with open_store() as store:
        store.session("empty")
    assert run("replay", "empty") == BadInput.exit_code
    assert "holds no answers" in capsys.readouterr().err


def test_replays_are_recorded_where_that_is_asked(backend: FakeBackend) -> None:
    run("lens", EXAMPLE, "--session", "s")
    assert run("replay", "s", "--session", "again") == SAME
    with open_store() as store:
        assert [saved.kind for saved in store.answers(store.session("again", create=False))] == ["open", "lens"]


def test_python_replays_a_stored_answer(backend: FakeBackend) -> None:
    run("lens", EXAMPLE, "--session", "s")
    run("doctor", "--session", "s")
    with open_store() as store, Investigator(backend) as bench:
        assert bench.replay(store.answer(ids("s")["lens"])).verdict == "identical"
        with pytest.raises(BadInput, match="cannot be replayed"):
            bench.replay(store.answer(ids("s")["doctor"]))


# -- over a real engine ---------------------------------------------------------------------------------------------


@contextlib.contextmanager
def serving(folder: Path, workbench: Path, monkeypatch: pytest.MonkeyPatch, dtype: str = "auto") -> Iterator[None]:
    """Serve a freshly loaded engine on a socket, from a thread, and let commands find it there."""
    up, down = threading.Event(), threading.Event()
    settings = Settings(backend=Backend(dtype=dtype))

    async def serve() -> None:
        async with running(folder, make=lambda: WorkbenchEngine(workbench, settings)):
            up.set()
            await asyncio.to_thread(down.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert up.wait(60)
    monkeypatch.setattr("backends.launch.Local", lambda *_, **__: SocketBackend(folder / "s.sock"))
    try:
        yield
    finally:
        down.set()
        thread.join()


@pytest.fixture
def bench(tmp_path: Path, own_home: Path) -> Iterator[tiny.Tiny]:
    threads = torch.get_num_threads()
    made = tiny.make_workbench(tmp_path / "bench")
    tiny.make_statistics(made.statistics, background=24)  # every sentence is scored at every one of them
    yield made
    torch.set_num_threads(threads)


def record(bench: tiny.Tiny, *more: str) -> None:
    place = [PROMPT, "--session", "s"]
    assert run("features", *place) == 0
    assert run("labels", *place, "--limit", "5") == 0
    if more:
        assert run("explain", *place, "--samples", "3", "--max-tokens", "3", "--no-controls") == 0
        assert run("test", PROMPT, "a capital", "--as-typed", "--session", "s") == 0
        assert run("lens", *place) == 0
        assert run("feature", "1", "--session", "s") == 0


def test_the_same_workbench_gives_the_same_bits_and_another_label_file_or_reader_is_named(
    bench: tiny.Tiny, own_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(own_home / "a", bench.file, monkeypatch):
        record(bench, "all")
    with serving(own_home / "b", bench.file, monkeypatch):
        capsys.readouterr()
        assert run("replay", "s") == SAME, capsys.readouterr()
        assert "different" not in capsys.readouterr().out

    rows = tiny.label_rows()
    renamed = [row | {"description": f"another {row['description']}"} for row in rows]
    tiny.write_labels(bench.labels, renamed)
    with serving(own_home / "c", bench.file, monkeypatch):
        assert run("replay", ids("s")["labels"]) == DIFFERENT
        out = capsys.readouterr().out
        assert f"labels {bench.labels.relative_to(bench.folder)}, fingerprint: " in out and "outside" in out
        assert run("replay", ids("s")["lens"]) == SAME

    tiny.write_labels(bench.labels, rows)
    tiny.make_reader(bench.folder / "readers" / "mapper", subject=bench.subject, form="paper")
    with serving(own_home / "d", bench.file, monkeypatch):
        capsys.readouterr()
        assert run("replay", ids("s")["labels"]) == DIFFERENT
        out = capsys.readouterr().out
        assert "reader mapper, fingerprint: " in out and "labels labels" not in out
        assert run("replay", ids("s")["features"]) == SAME


def test_another_dtype_is_named_and_may_lie_within_a_wider_tolerance(
    bench: tiny.Tiny, own_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(own_home / "a", bench.file, monkeypatch):
        record(bench)
    with serving(own_home / "b", bench.file, monkeypatch, "bfloat16"):
        capsys.readouterr()
        assert run("replay", ids("s")["labels"], "--dtype", "bfloat16", "--tolerance", "1e-9") == DIFFERENT
        assert "dtype: float32 before, bfloat16 now" in capsys.readouterr().out
        assert run("replay", ids("s")["labels"], "--dtype", "bfloat16", "--tolerance", "0.5") == WITHIN
        assert "within tolerance (0.5)" in capsys.readouterr().out


def test_a_workbench_that_is_gone_is_a_sentence(
    bench: tiny.Tiny, own_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patched, serving(own_home / "a", bench.file, patched):
        assert run("features", PROMPT, "--session", "s") == 0
    bench.file.unlink()
    capsys.readouterr()
    assert run("replay", "s") == FAILED
    out, said = capsys.readouterr()
    assert f"There is no workbench called '{bench.file}'" in out and "Traceback" not in out + said
    assert out.count("It could not be asked again.") == 2
