"""What provokes each message of the troubleshooting page: real parts of the program, brought into that very trouble."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket as sockets
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from server_tools import answer, explain, labels, question, raw, running, until
from session_tools import script, some_features

from backends import launch, rendezvous, start
from backends.client import SocketBackend
from backends.engine import shortage
from backends.engine.captures import Captures
from backends.engine.doctor import fitting
from backends.rendezvous import Badge
from backends.server import limits
from backends.ssh import tunnel
from fake_backend import EXAMPLE, FakeBackend
from fake_engine import Gate
from investigator import api, settings, workbench
from investigator.cli import check_rooms, main
from investigator.errors import InvestigatorError
from investigator.settings import Backend, Host, Settings
from investigator.wire import Explain, Open, Question
from screens import link
from sessions import open_store
from sessions.backup import backup
from sessions.check import check
from sessions.repair import repair

Provoke = Callable[["Ground"], str | Awaitable[str]]
PROVOCATIONS: dict[str, Provoke] = {}
"""From a message as the page has it (`...` stands for what differs) to what provokes it and returns what was said."""


class Ground:
    """A folder, and the means to change things for the time of one test."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.patch, self.capsys = folder, patch, capsys


def provokes(message: str) -> Callable[[Provoke], Provoke]:
    """Note which message a function provokes."""

    def note(function: Provoke) -> Provoke:
        PROVOCATIONS[message] = function
        return function

    return note


def told(work: Callable[[], object]) -> str:
    """Return the sentences of the failure that some work ends with."""
    try:
        work()
    except InvestigatorError as error:
        return str(error)
    raise AssertionError("nothing went wrong")


async def told_later(work: Awaitable[object]) -> str:
    """Do the same for what is awaited."""
    try:
        await work
    except InvestigatorError as error:
        return str(error)
    raise AssertionError("nothing went wrong")


# -- starting --------------------------------------------------------------------------------------------------------


@provokes("The app needs a terminal.")
def no_terminal(at: Ground) -> str:
    main(["app"])
    return at.capsys.readouterr().err


@provokes("The settings file ... cannot be used: ...")
def bad_settings(at: Ground) -> str:
    file = at.folder / "settings.toml"
    file.write_text("[backend]\nlinger = 'soon'\n")
    return told(lambda: settings.load(file))


@provokes("There is no workbench called '...'.")
def no_workbench(at: Ground) -> str:
    return told(lambda: workbench.locate("nowhere"))


@provokes("The package '...' is found at ..., not beside ...")
def package_in_the_way(at: Ground) -> str:
    return told(lambda: check_rooms(at.folder))


@provokes(
    "The folder ... belongs to somebody else or can be written to by others, so no backend is started or trusted there."
)
def open_folder(at: Ground) -> str:
    at.folder.chmod(0o777)
    return told(lambda: rendezvous.private_folder(at.folder))


@provokes("The path ... is too long for a socket (103 bytes at most).")
def long_path(at: Ground) -> str:
    return told(lambda: rendezvous.check_length(at.folder / ("x" * 100)))


@provokes("The backend ended with status ...")
async def backend_that_cannot_start(at: Ground) -> str:
    (at.folder / "tiny.toml").touch()
    meant = launch.target(str(at.folder / "tiny.toml"), Settings(), "nothing:here")
    start.spawned[meant.place.socket] = os.posix_spawn("/bin/sh", ["/bin/sh", "-c", "exit 3"], {})
    while True:
        try:
            start.running(meant.place)
        except InvestigatorError as error:
            return str(error)
        await asyncio.sleep(0.01)


@provokes("The engine did not load: ...")
async def engine_that_breaks(at: Ground) -> str:
    async with running(at.folder / "s", workbench="crashing.toml") as (_, client):
        return (await client.handshake(wait=True)).message


@provokes("A backend of another build (...) has this workbench. The backend is in use: ...")
async def another_build(at: Ground) -> str:
    async with running(at.folder / "s") as (_, client):
        await client.keep_lease()
        return await told_later(launch._replace(client, rendezvous.place_of(client.socket), Badge("n", 1, "0.0.9+a")))


@provokes("The backend speaks protocol ..., this program ....")
async def another_protocol(at: Ground) -> str:
    at.patch.setattr("backends.client.PROTOCOL", 2)
    async with running(at.folder / "s") as (_, client):
        return await told_later(client.handshake())


@provokes("What answers at ... is no backend: ...")
async def another_program(at: Ground) -> str:
    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
        await writer.drain()
        writer.close()

    return await _against(at, speak)


# -- while it answers ------------------------------------------------------------------------------------------------


async def _against(at: Ground, speak: Any, ask: bool = False) -> str:
    path = at.folder / "x.sock"
    server = await asyncio.start_unix_server(speak, str(path))
    client = SocketBackend(path, client="me")
    try:
        return await told_later(answer(client, explain()) if ask else client.handshake())
    finally:
        await client.abandon()
        server.close()
        await server.wait_closed()


@provokes("The link to the backend broke again and again.")
async def broken_link(at: Ground) -> str:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    return await _against(at, hang_up, ask=True)


@provokes("The backend is not there any more.")
async def dead_backend(at: Ground) -> str:
    with sockets.socket(sockets.AF_UNIX) as left:
        left.bind(str(at.folder / "x.sock"))
    client = SocketBackend(at.folder / "x.sock", client="me")
    try:
        return await told_later(answer(client, explain()))
    finally:
        await client.abandon()


@provokes("The backend ended ... and was started anew. What it was answering is asked again: ...")
def backend_killed(at: Ground) -> str:
    socket = at.folder / "x.sock"
    start.spawned[socket] = os.posix_spawn("/bin/sh", ["/bin/sh", "-c", "kill -9 $$"], {})
    fate = ""
    while not fate:
        fate = start.fate(socket)
    from screens.work import Work

    work = Work(Open("x"), "open", None, "me", 0)  # type: ignore[arg-type]
    return link._came_back([work], fate)


class Mortal(FakeBackend):
    """Dies under every explanation, and comes back as another process."""

    async def ask(self, question: Any, *, start: int = 0) -> Any:
        async for event in super().ask(question, start=start):
            yield event
            if isinstance(question.verb, Explain):
                self.kill()
                self._alive()

    async def handshake(self, *, wait: bool = False) -> Any:
        if self._dead.is_set():
            self.revive()
        return await super().handshake(wait=wait)


@provokes(
    "The backend died 2 times while it answered this `...`, so the question is set aside and not asked "
    "again until this program ends."
)
def deadly_question(at: Ground) -> str:
    with api.Investigator(Mortal()) as bench:
        prompt = bench.open(EXAMPLE)
        return told(lambda: bench.ask(Explain(prompt.source())))


@provokes("The device stopped answering (...), so the backend ends and is started anew.")
async def device_gone(at: Ground) -> str:
    async with running(at.folder / "s") as (service, client):
        error = (await answer(client, labels("device"))).error
        await until(service.closing.is_set)
        assert error is not None
        return error.message


async def failure(at: Ground, asked: Question) -> str:
    async with running(at.folder / "s") as (_, client):
        error = (await answer(client, asked)).error
        assert error is not None
        return f"{error.message} {error.mend}"


@provokes("`...` stopped on a fault that is not yours (...).")
async def unforeseen(at: Ground) -> str:
    return await failure(at, labels("raises"))


@provokes("A number of the answer (...) is not finite, so the answer is not shown.")
async def not_a_number(at: Ground) -> str:
    return await failure(at, labels("nan"))


@provokes("The prompt is empty.")
async def empty_prompt(at: Ground) -> str:
    return await failure(at, question(Open("")))


async def refusal(at: Ground, body: bytes, *, first: int = 0) -> str:
    gate = Gate(hold=True)
    async with running(at.folder / "s", gate) as (_, client), raw(client) as http:
        for _ in range(first):
            await http.post("/questions", content=msgspec.json.encode(explain()))
        said = (await http.post("/questions", content=body)).json()
        await http.delete("/leases/me")
        gate.allow(100)
        return f"{said['message']} {said['mend']}"


@provokes("The prompt has ... characters; 200000 are the most.")
async def long_prompt(at: Ground) -> str:
    return await refusal(at, msgspec.json.encode(question(Open("x" * (limits.PROMPT_CHARACTERS + 1)))))


@provokes("The request has more than ... bytes.")
async def large_request(at: Ground) -> str:
    return await refusal(at, b" " * (limits.REQUEST_BYTES + 1))


@provokes("... of your questions have not ended yet, and that is the most.")
async def too_many(at: Ground) -> str:
    at.patch.setattr(limits, "QUESTIONS_PER_CLIENT", 2)
    return await refusal(at, msgspec.json.encode(explain()), first=2)


@provokes("There is no verb '...'.")
async def unknown_verb(at: Ground) -> str:
    return await refusal(at, b'{"id": "a", "client": "me", "verb": {"verb": "dream"}}')


# -- memory ----------------------------------------------------------------------------------------------------------


@provokes("... does not fit: its ... billion weights take ... as ..., and ... are free on ....")
def too_large(at: Ground) -> str:
    file = workbench.locate("pocket")
    at.patch.setattr(fitting, "free_for", lambda *_, **__: (1e6, "this machine"))
    return told(lambda: fitting.refuse_too_large(workbench.load(file), file.parent, Backend()))


@provokes(
    "The activations of ... tokens take ... MB, and captured prompts may take ... MB here, a fifth of "
    "the memory that was free."
)
def no_room_for_a_prompt(at: Ground) -> str:
    return told(lambda: Captures(8, most_bytes=1000).check_room(6, 100, 256))


@provokes("There is not enough memory to read a prompt of ... tokens.")
def capture_without_memory(at: Ground) -> str:
    class Full:
        name = "tiny"

        def capture(self, ids: Any) -> Any:
            raise MemoryError

    return told(lambda: Captures(8).get(Full(), (1, 2, 3)))  # type: ignore[arg-type]


@provokes("There is not enough memory for even one text.")
def no_half_left(at: Ground) -> str:
    return told(lambda: shortage.fewer(MemoryError(), 1))


@provokes("There was not enough memory for `...`.")
async def memory_ran_out(at: Ground) -> str:
    return await failure(at, labels("memory"))


# -- the session file ------------------------------------------------------------------------------------------------


@provokes("Answers cannot be saved to ...: another program holds the file locked. They are kept aside and tried again.")
def locked(at: Ground) -> str:
    path = at.folder / "sessions.db"
    with open_store(path, busy=0.05) as store:
        session = store.session("s")
        with contextlib.closing(sqlite3.connect(path)) as other:
            other.execute("begin immediate")
            store.save_answer(session, *some_features("q", "a"))
            return store.trouble


@provokes("Answers cannot be saved to ...: the disk is full; make room. They are kept aside and tried again.")
def full(at: Ground) -> str:
    return _hindered(at, "pragma max_page_count = 1", large=True)


@provokes(
    "Answers cannot be saved to ...: the file or its folder cannot be written; change its permissions or "
    "set INVESTIGATOR_HOME. They are kept aside and tried again."
)
def read_only(at: Ground) -> str:
    return _hindered(at, "pragma query_only = 1")


def _hindered(at: Ground, how: str, *, large: bool = False) -> str:
    with open_store(at.folder / "sessions.db", busy=0.05) as store:
        session = store.session("s")
        writer = store._journal._writer
        assert writer is not None
        writer.conn.execute(how)
        store.save_answer(session, *some_features("q", "a" * (100_000 if large else 1)))
        said = store.trouble
        writer.conn.execute("pragma query_only = 0")
        writer.conn.execute("pragma max_page_count = 100000")
        return said


def _damaged(at: Ground) -> Path:
    path = at.folder / "sessions.db"
    with open_store(path) as store:
        store.save_answer(store.session("s"), *some_features("q", "a"))
    content = bytearray(path.read_bytes())
    content[4096:8192] = bytes(4096)
    path.write_bytes(content)
    return path


@provokes(
    "The session file ... was damaged. It is kept as ..., and an empty one was started; `investigator "
    "sessions repair` brings back what is readable of it."
)
def damaged_at_start(at: Ground) -> str:
    with open_store(_damaged(at)) as store:
        return store.notice


@provokes("... is damaged: ...")
def damaged_at_check(at: Ground) -> str:
    return next(row.message for row in check(_damaged(at)) if row.name == "pages")


@provokes("The session file ... was written by a newer version of Investigator.")
def newer(at: Ground) -> str:
    path = at.folder / "sessions.db"
    open_store(path).close()
    with contextlib.closing(sqlite3.connect(path)) as other:
        columns = "insert into _sqlite_migrations (migration_set, name, applied_at)"
        other.execute(f"{columns} values ('investigator', 'm999', '')")
        other.commit()
    with open_store(path) as store:
        return store.trouble.partition(": ")[2]


@provokes("Another program has the session file ... open, so it is not repaired now.")
def open_elsewhere(at: Ground) -> str:
    path = _damaged(at)
    code = (
        "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1]); c.execute('begin'); c.execute('select 1 from sessions')"
    )
    code += ".fetchall(); print('open', flush=True); sys.stdin.readline()"
    other = script(code, str(path))
    assert other.stdout is not None and other.stdout.readline()
    try:
        return told(lambda: repair(path, busy=0.1))
    finally:
        other.communicate("\n")


@provokes("... is there already, and no backup is written over.")
def backup_there(at: Ground) -> str:
    path = _damaged(at)
    return told(lambda: backup(path, path))


# -- the other machine -----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _ssh(at: Ground, script: str) -> Iterator[None]:
    """Let `ssh` be a script: what the real one says is tested where there is a server for it."""
    shim = at.folder / "bin" / "ssh"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\ncase "$*" in *"-O check"*) exit 255;; *"-O "*) exit 1;; esac\n{script}\n')
    shim.chmod(0o700)
    at.patch.setenv("PATH", f"{shim.parent}{os.pathsep}{os.environ['PATH']}")
    yield


def _opened(at: Ground, script: str, **host: str) -> str:
    with _ssh(at, script):
        chosen = Settings(hosts={"gpu1": Host(**host)})  # type: ignore[arg-type]
        return told(lambda: tunnel.Tunnel("gpu1", "", chosen).open(silent=True))


@provokes("gpu1 cannot be reached: ...")
def unreachable(at: Ground) -> str:
    return _opened(at, "echo 'Permission denied (publickey).' >&2; exit 255")


@provokes("There is no `...` on gpu1...")
def not_installed(at: Ground) -> str:
    return _opened(at, "exit 127")


@provokes("gpu1 has Investigator ... with protocol ..., this machine ... with ....")
def other_version(at: Ground) -> str:
    said = '{"investigator": "9.9", "protocol": 99, "socket": "x", "nonce": "y"}'
    return _opened(at, f"echo '{said}'; exec cat")


@provokes("gpu1 does not forward unix sockets.")
def no_forwarding(at: Ground) -> str:
    said = '{"investigator": "0.1", "protocol": 1, "socket": "/x", "nonce": "y"}'
    return _opened(at, f"echo '{said}'; exec cat", forward="socket")


@provokes("gpu1 did not say within ... seconds where its backend is.")
def silent_host(at: Ground) -> str:
    at.patch.setattr(tunnel, "PATIENCE", 0.2)
    return _opened(at, "exec cat")


@provokes("The backend on gpu1 did not start: ...")
def far_backend_fails(at: Ground) -> str:
    return _opened(at, "echo 'The device cuda cannot be used.' >&2; exit 3")
