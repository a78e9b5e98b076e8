"""`--on HOST` through a real ssh and a real sshd: found, asked, cut, taken up again, and nothing left behind."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from ssh_tools import SSHD, far_host

from backends.ssh.remote import Remote
from backends.ssh.tunnel import Tunnel
from investigator import paths
from investigator.commands.faults.loopback import ROOT, Loopback
from investigator.errors import BackendError, Disconnected
from investigator.events import Answer
from investigator.records import Opened
from investigator.settings import Host, Settings
from investigator.sources import Residual
from investigator.wire import Explain, Open, Question

pytestmark = pytest.mark.skipif(SSHD is None, reason="there is no sshd here to reach: install openssh-server")
PROMPT = "The doctor gave the patient some medicine"


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Loopback]:
    with far_host(tmp_path) as host:
        yield host


def settings_of(host: Loopback, **more: str) -> Settings:
    return Settings(hosts={"far": msgspec.structs.replace(host.host, **more)})


def question(id: str, verb: Open | Explain) -> Question:
    return Question(id=id, client="", verb=verb)


async def _answer(remote: Remote, asked: Question, cut: Loopback | None = None) -> tuple[Answer, list[int]]:
    answer, numbers = Answer(asked.id), []
    async for event in remote.ask(asked):
        numbers.append(event.n)
        answer.apply(event)
        if cut is not None and len(numbers) in (2, 5):
            cut.cut()
    return answer, numbers


def test_a_question_is_answered_over_there_and_a_cut_link_loses_and_repeats_nothing(far: Loopback) -> None:
    async def scenario() -> None:
        remote = Remote("far", "pocket", settings_of(far))
        remote.sign_in()
        opened, _ = await _answer(remote, question("open-1", Open(PROMPT)))
        assert isinstance(opened.result, Opened)
        source = Residual(opened.result.subject, tuple(token.id for token in opened.result.tokens), 3, -1)
        asked = Explain(source, samples=20, max_tokens=12, keep=0, controls=False)
        whole, _ = await _answer(remote, question("explain-1", asked))
        cut, numbers = await _answer(remote, question("explain-2", asked), far)
        assert numbers == list(range(len(numbers)))
        assert cut.result == whole.result
        status = await remote.status()
        assert sum(running.id == "explain-2" for running in status.questions) <= 1
        await remote.aclose()

    asyncio.run(scenario())
    assert not list(paths.socket_folder().glob("*"))


def test_where_sockets_are_not_forwarded_every_connection_is_dialled(tmp_path: Path) -> None:
    async def scenario(host: Loopback) -> None:
        remote = Remote("far", "pocket", settings_of(host))
        remote.sign_in()
        opened, _ = await _answer(remote, question("open-1", Open(PROMPT)))
        assert isinstance(opened.result, Opened)
        await remote.aclose()

    with far_host(tmp_path, allow_sockets=False) as host:
        asyncio.run(scenario(host))
        with pytest.raises(BackendError, match="does not forward unix sockets"):
            Tunnel("far", "pocket", settings_of(host, forward="socket")).open(silent=True)


def test_what_goes_wrong_with_a_host_is_a_sentence(far: Loopback) -> None:
    with pytest.raises(BackendError, match="There is no `nowhere/investigator` on far"):
        Tunnel("far", "", Settings(hosts={"far": Host(command="nowhere/investigator")})).open(silent=True)
    with pytest.raises(Disconnected, match="cannot be reached"):
        Tunnel("no-such-host.invalid", "", Settings()).open(silent=True)
    with pytest.raises(BackendError, match="no workbench called 'no-such'"):
        Tunnel("far", "no-such", settings_of(far)).open(silent=True)
    other = 'echo \'{"investigator": "9.9", "protocol": 99, "socket": "x", "nonce": "y"}\' #'
    with pytest.raises(BackendError, match=r"far has Investigator 9\.9 with protocol 99"):
        Tunnel("far", "", Settings(hosts={"far": Host(command=other)})).open(silent=True)
    assert not list(paths.socket_folder().glob("*"))


def test_a_program_that_is_killed_leaves_no_ssh_behind(far: Loopback) -> None:
    script = (
        "import sys, time\n"
        "from backends.ssh.tunnel import Tunnel\nfrom investigator.settings import Host, Settings\n"
        "tunnel = Tunnel('far', 'pocket', Settings(hosts={'far': Host(command=sys.argv[1])}))\n"
        "tunnel.open(silent=True)\nprint(tunnel._process.pid, flush=True)\ntime.sleep(600)\n"
    )
    command = [sys.executable, "-P", "-c", script, far.host.command]
    held = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert held.stdout is not None
    ssh = int(held.stdout.readline())
    held.kill()
    held.wait()
    held.stdout.close()
    give_up = time.monotonic() + 30
    while Path(f"/proc/{ssh}").exists() and time.monotonic() < give_up:
        time.sleep(0.05)
    assert not Path(f"/proc/{ssh}").exists()
