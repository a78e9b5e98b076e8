"""`investigator backends`: what runs is listed, ended and heard; strangers are not answered."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
from pathlib import Path

import pytest

from backends import start
from backends.launch import connect
from backends.roster import living
from backends.server.peers import peer_user, welcome
from investigator import clients
from investigator.cli import main, parse
from investigator.commands.serve import NEVER
from investigator.settings import Backend, Settings

ENGINE = "fake_engine:make"
QUICK = Settings(backend=Backend(linger=30.0))


def _workbench(folder: Path) -> str:
    file = folder / "bench.toml"
    file.write_text("")
    return str(file)


def test_a_living_backend_is_listed_kept_while_used_and_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))

    async def begin() -> None:
        backend = await connect(_workbench(tmp_path), QUICK, engine=ENGINE)
        await backend.handshake(wait=True)
        (one,) = await living()
        assert one.status is not None and one.status.memory_bytes > 10 * 2**20
        assert len(one.status.clients) == 1 and one.status.linger == 30.0
        assert await asyncio.to_thread(main, ["backends", "stop", "bench"]) == 2
        await backend.aclose()

    asyncio.run(begin())
    assert "in use" in capsys.readouterr().err
    assert main(["backends", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["backends"]
    assert found["name"].startswith("bench-") and found["status"]["handshake"]["state"] == "ready"
    assert main(["backends", "logs", "bench"]) == 0
    assert "serves" in capsys.readouterr().out
    assert main(["backends", "stop", "bench"]) == 0
    for process in start.spawned.values():
        os.waitpid(process, 0)
    start.spawned.clear()
    assert main(["backends", "stop", "bench-that-never-was"]) == 2
    assert "There is no backend called" in capsys.readouterr().err


def test_only_this_user_and_root_are_answered() -> None:
    left, right = socket.socketpair(socket.AF_UNIX)
    with left, right:
        assert peer_user(left) in (None, os.getuid())
    assert welcome(os.getuid()) and welcome(0)
    assert not welcome(os.getuid() + 12345)


def test_who_is_attached_is_said_by_machine_and_process() -> None:
    mine, other = clients.new_name(), "curl"
    assert re.fullmatch(r"[A-Za-z0-9._:-]{1,128}", mine)
    assert clients.people([mine, clients.new_name(), other]) == sorted([f"{mine.rpartition('_')[0]}", other])
    assert str(os.getpid()) in mine


def test_how_long_serve_stays_is_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    assert parse(["serve", "--linger", "never"]).linger == NEVER
    assert parse(["serve", "--linger", "12.5"]).linger == 12.5
    for wrong in ("soon", "-1", "inf", "nan"):
        with pytest.raises(SystemExit):
            parse(["serve", "--linger", wrong])
        assert "is no time to stay" in capsys.readouterr().err
