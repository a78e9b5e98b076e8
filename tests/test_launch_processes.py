"""Backends as real processes: started, found, replaced, killed, raced for, and left alone where they are not ours."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from server_tools import answer, explain, question, until

from backends import launch, rendezvous, start
from backends.client import SocketBackend
from backends.command import environment
from backends.rendezvous import Place
from fake_engine import SOURCE
from investigator import paths
from investigator.errors import BackendError, Disconnected, WorkbenchError
from investigator.settings import Backend, Settings
from investigator.wire import CheckWorkbench, Question, ShowFeatures, Work

ENGINE = "fake_engine:make"
ROOT = Path(__file__).parents[1]
SETTINGS = Settings(backend=Backend(linger=20.0))


started: list[int] = []


def forget_spawned() -> None:
    """Behave as another program would, which did not start the backends that live."""
    started.extend(start.spawned.values())
    start.spawned.clear()


@pytest.fixture
async def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """A workbench file's path; the backends started for it are ended afterwards."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests"))
    file = tmp_path / "tiny.toml"
    file.touch()
    yield str(file)
    for nonce in paths.socket_folder().glob("*.nonce"):
        place = rendezvous.place_of(nonce.with_suffix(".sock"))
        badge = rendezvous.read_badge(place)
        if badge and rendezvous.alive(place):
            os.kill(badge.pid, signal.SIGKILL)
            await until(lambda: not rendezvous.alive(place))  # noqa: B023
    for process in [*started, *start.spawned.values()]:
        # Another test's backend in this process would linger for minutes.
        with contextlib.suppress(ChildProcessError, ProcessLookupError):
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
    start.spawned.clear()
    started.clear()


def place_of(bench: str) -> Place:
    return launch.target(bench, SETTINGS, ENGINE).place


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def local(bench: str) -> launch.Local:
    return launch.Local(bench, SETTINGS, engine=ENGINE)


async def test_one_process_serves_all_who_come_and_its_files_are_private(bench: str) -> None:
    launch.start_early(bench, SETTINGS, engine=ENGINE)
    launch.start_early(bench, SETTINGS, engine=ENGINE)
    first, second = await asyncio.gather(*(launch.connect(bench, SETTINGS, engine=ENGINE) for _ in range(2)))
    hands = await first.handshake(wait=True)
    assert hands.state == "ready"
    assert (await second.handshake()).pid == hands.pid != os.getpid()
    assert os.getsid(hands.pid) == hands.pid, "the backend has a session of its own"
    place = place_of(bench)
    assert (mode(place.socket.parent), mode(place.socket), mode(place.nonce)) == (0o700, 0o600, 0o600)
    assert mode(place.log) == 0o600
    assert str(place.socket) in place.log.read_text()
    assert set((await first.status()).clients) == {first.client, second.client}
    await first.aclose()
    await second.aclose()


async def test_after_kill_9_the_next_question_starts_it_anew(bench: str) -> None:
    backend = local(bench)
    hands = await backend.handshake(wait=True)
    os.kill(hands.pid, signal.SIGKILL)
    await until(lambda: not rendezvous.alive(place_of(bench)))
    assert place_of(bench).socket.exists(), "what it left behind is stale"
    events = [event async for event in backend.ask(question(ShowFeatures(SOURCE), client=backend.client))]
    assert type(events[-1]).__name__ == "Finished"
    again = await backend.handshake()
    assert again.pid != hands.pid
    assert again.nonce != hands.nonce
    await backend.aclose()


async def test_a_backend_that_dies_while_it_answers_is_told_of_and_can_be_reached_again(bench: str) -> None:
    backend = local(bench)
    hands = await backend.handshake(wait=True)
    asked = Question("long", backend.client, Work("wait"))
    stream = backend.ask(asked)
    await anext(stream)
    os.kill(hands.pid, signal.SIGKILL)
    with pytest.raises(Disconnected, match="not there any more"):
        async for _ in stream:
            pass
    assert (await backend.reconnect()).pid != hands.pid
    await backend.aclose()


async def test_two_starts_race_safely(bench: str) -> None:
    place = place_of(bench)
    rendezvous.private_folder(place.socket.parent)
    command = launch.target(bench, SETTINGS, ENGINE).command
    processes = [subprocess.Popen(command, env=environment()) for _ in range(3)]
    client = await launch.connect(bench, SETTINGS, engine=ENGINE)
    served_by = (await client.handshake(wait=True)).pid
    others = [process for process in processes if process.pid != served_by]
    assert len(others) >= 2
    assert [await asyncio.to_thread(process.wait, 20) for process in others] == [0] * len(others)
    await client.shut_down(force=True)
    await client.aclose()
    for process in processes:
        await asyncio.to_thread(process.wait, 20)
    await until(lambda: not rendezvous.alive(place))
    assert not place.socket.exists()
    assert not place.nonce.exists()


async def test_a_stale_or_strange_socket_is_not_mistaken_for_a_backend(bench: str) -> None:
    place = place_of(bench)
    rendezvous.private_folder(place.socket.parent)
    rendezvous.write_badge(place, rendezvous.Badge("old", 1, "old build"))
    with socket.socket(socket.AF_UNIX) as strange:
        strange.bind(str(place.socket))
        strange.listen()
    client = await launch.connect(bench, SETTINGS, engine=ENGINE)
    assert (await client.handshake(wait=True)).state == "ready"
    await client.aclose()


async def other_build(bench: str) -> SocketBackend:
    """Start a backend and make it look like one of another build; return a client of it that has no lease."""
    client = await launch.connect(bench, SETTINGS, engine=ENGINE)
    await client.handshake(wait=True)
    await client.aclose()
    place = place_of(bench)
    badge = rendezvous.read_badge(place)
    assert badge is not None
    rendezvous.write_badge(place, badge._replace(build="0.0.9+older"))
    forget_spawned()
    return SocketBackend(place.socket, client="other")


async def test_an_idle_backend_of_another_build_is_replaced(bench: str) -> None:
    other = await other_build(bench)
    before = await other.handshake()
    await other.aclose()
    said: list[str] = []
    client = await launch.connect(bench, SETTINGS, engine=ENGINE, on_message=said.append)
    assert (await client.handshake()).pid != before.pid
    assert "The backend of another build is replaced." in said
    await client.aclose()


async def test_a_busy_backend_of_another_build_is_reported(bench: str) -> None:
    other = await other_build(bench)
    await other.keep_lease()
    with pytest.raises(BackendError, match=r"another build .0\.0\.9.older.*in use: 1 clients") as caught:
        await launch.connect(bench, SETTINGS, engine=ENGINE)
    assert "Close the program" in caught.value.mend
    await other.aclose()


async def test_a_backend_that_had_failed_is_tried_again(bench: str) -> None:
    broken = Path(bench).with_name("broken.toml")
    broken.touch()
    first = await launch.connect(str(broken), SETTINGS, engine=ENGINE)
    hands = await first.handshake(wait=True)
    assert hands.state == "failed"
    same = await launch.connect(str(broken), SETTINGS, engine=ENGINE)
    assert (await same.handshake()).pid == hands.pid, "this process started it, so its failure is fresh"
    await same.aclose()
    await first.aclose()
    forget_spawned()
    later = await launch.connect(str(broken), SETTINGS, engine=ENGINE)
    assert (await later.handshake(wait=True)).pid != hands.pid
    await later.aclose()


async def test_an_edited_workbench_and_another_device_have_backends_of_their_own(bench: str) -> None:
    before = place_of(bench).socket
    cuda = Settings(backend=msgspec.structs.replace(Backend(), device="cuda"))
    assert launch.target(bench, cuda).place.socket != before
    Path(bench).write_text("# edited")
    assert place_of(bench).socket != before
    with pytest.raises(WorkbenchError, match="no workbench called 'nothing'"):
        await launch.connect("nothing", SETTINGS)
    launch.start_early("nothing", SETTINGS)


async def test_a_folder_of_somebody_elses_is_refused(bench: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = os.getuid()
    paths.socket_folder().mkdir(parents=True)
    paths.socket_folder().chmod(0o755)
    rendezvous.private_folder(paths.socket_folder())
    assert mode(paths.socket_folder()) == 0o700
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    with pytest.raises(BackendError, match="belongs to somebody else"):
        await launch.connect(bench, SETTINGS, engine=ENGINE)


async def test_a_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(BackendError, match="belongs to somebody else"):
        rendezvous.private_folder(tmp_path / "link")


async def test_a_folder_that_others_write_to_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    shared, own = tmp_path / "shared", tmp_path / "own"
    for folder, bits in ((shared, 0o1777), (own, 0o755)):
        folder.mkdir()
        folder.chmod(bits)
    with pytest.raises(BackendError, match="written to by others"):
        rendezvous.private_folder(shared)
    rendezvous.private_folder(own)
    assert (mode(shared), mode(own)) == (0o1777, 0o755)


async def test_a_path_too_long_for_a_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="too long"):
        rendezvous.check_length(tmp_path / ("x" * 120))


async def test_a_backend_that_cannot_start_says_why(bench: str) -> None:
    bad = Settings(backend=msgspec.structs.replace(Backend(), linger=float("nan")))
    with pytest.raises(BackendError, match="ended with status") as caught:
        await launch.connect(bench, msgspec.structs.replace(bad, backend=_bad()), engine=ENGINE)
    assert "threads" in caught.value.message
    assert "backend-tiny" in caught.value.mend


def _bad() -> Backend:
    return Backend(threads="many")  # type: ignore[arg-type]


async def test_it_ends_by_itself_and_on_a_signal_leaving_no_socket(bench: str) -> None:
    brief = Settings(backend=msgspec.structs.replace(Backend(), linger=0.05))
    client = await launch.connect(bench, brief, engine=ENGINE)
    place = place_of(bench)
    await client.aclose()
    await until(lambda: not rendezvous.alive(place))
    assert not place.socket.exists()
    client = await launch.connect(bench, SETTINGS, engine=ENGINE)
    os.kill((await client.handshake()).pid, signal.SIGTERM)
    await until(lambda: not rendezvous.alive(place))
    assert not place.socket.exists()
    await client.aclose()


async def test_long_work_runs_in_a_child_is_cancelled_and_told_of_when_it_dies(bench: str) -> None:
    client = await launch.connect(bench, SETTINGS, engine=ENGINE)
    served_by = (await client.handshake(wait=True)).pid
    done = await answer(client, Question("w1", client.client, Work("train")))
    assert done.result is not None
    assert done.progress is not None
    worker = int(done.progress.message.split()[1])
    assert worker not in {served_by, os.getpid()}
    assert [event.n async for event in client.ask(Question("w1", client.client, Work("train")))] == [0, 1, 2]
    waiting = Question("w2", client.client, Work("wait"))
    stream = client.ask(waiting)
    await anext(stream)
    child = int((await anext(stream)).message.split()[1])  # type: ignore[union-attr]
    await client.cancel("w2")
    assert type([event async for event in stream][-1]).__name__ == "Cancelled"
    await until(lambda: not Path(f"/proc/{child}").exists())
    dead = await answer(client, Question("w3", client.client, Work("die")))
    assert dead.error is not None
    assert "exit status 9" in dead.error.message
    assert not list(place_of(bench).log.parent.glob("children/*"))
    await client.aclose()


async def test_a_child_does_not_outlive_its_backend(bench: str) -> None:
    client = await launch.connect(bench, SETTINGS, engine=ENGINE)
    served_by = (await client.handshake(wait=True)).pid
    stream = client.ask(Question("w", client.client, Work("wait")))
    await anext(stream)
    child = int((await anext(stream)).message.split()[1])  # type: ignore[union-attr]
    os.kill(served_by, signal.SIGKILL)
    await until(lambda: "State:\tZ" in _state(child) or not _state(child))
    with pytest.raises(Disconnected):
        await anext(stream)
    await client.aclose()


def _state(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/status").read_text()
    return ""


async def test_a_question_meant_for_the_backend_before_is_refused(bench: str) -> None:
    client = await launch.connect(bench, SETTINGS, engine=ENGINE)
    await client.handshake(wait=True)
    client.nonce = "another"
    with pytest.raises(Disconnected, match="started anew"):
        await answer(client, question(CheckWorkbench()))
    await client.aclose()
    with pytest.raises(Disconnected, match="closed its link"):
        await answer(client, explain())


def test_starting_early_imports_neither_the_http_client_nor_the_screen_nor_torch() -> None:
    heavy = "'httpx', 'torch', 'textual', 'uvicorn', 'asyncio', 'subprocess'"
    code = f"import backends.start, sys; print([m for m in ({heavy}) if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
