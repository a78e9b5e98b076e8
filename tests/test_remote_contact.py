"""First contact with a host, through a real sshd: signed in, greeted, its files fetched, its long work followed."""

from __future__ import annotations

import asyncio
import errno
import io
import json
import os
import pty
import select
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import tomli_w
from bench_pilot import text, until
from safetensors.numpy import load_file
from ssh_tools import SSHD, far_host

from backends.ssh import contact
from backends.ssh.remote import Remote
from backends.ssh.tunnel import Tunnel
from fake_backend import FakeBackend
from investigator import __version__, fetching, paths, settings
from investigator.asking import Asker
from investigator.cli import main
from investigator.commands import install
from investigator.commands.faults.loopback import ROOT, Loopback
from investigator.errors import BackendError, Disconnected
from investigator.records import Opened
from investigator.wire import Fetch, Open
from screens.app import InvestigatorApp
from screens.link import Status

pytestmark = pytest.mark.skipif(SSHD is None, reason="there is no sshd here to reach: install openssh-server")


@pytest.fixture(scope="module")
def loopback(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loopback]:
    with far_host(tmp_path_factory.mktemp("far")) as host:
        yield host


@pytest.fixture
def far(loopback: Loopback) -> Loopback:
    """The host, named in this test's own settings."""
    file = settings.settings_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(tomli_w.dumps({"hosts": {"far": {"command": loopback.host.command}}}))
    return loopback


def test_a_host_is_greeted_once_and_activations_come_only_where_asked(
    far: Loopback, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "here.safetensors"
    words = ["open", "The doctor gave the patient some medicine", "--on", "far", "--no-save", "--json"]
    assert main([*words, "--fetch-activations", str(target), "--layer", "3", "--layer", "0"]) == 0
    said = capsys.readouterr()
    assert "far: no GPU" in said.err or "GiB free)" in said.err
    assert "workbenches: pocket" in said.err
    opened = json.loads(said.out)["result"]
    count, width = len(opened["tokens"]), opened["width"]
    assert f"{2 * count * width * 4:,} bytes of activations" in said.err
    tensors = load_file(target)
    assert {name: tensor.shape for name, tensor in tensors.items()} == dict.fromkeys(
        ("layer.0", "layer.3"), (count, width)
    )
    norms = [float((row.astype("float64") ** 2).sum() ** 0.5) for row in tensors["layer.3"]]
    assert norms == pytest.approx(opened["norms"][3], rel=1e-5)
    assert not list(far.home.rglob("*.safetensors"))
    assert main(words) == 0
    assert "workbenches" not in capsys.readouterr().err
    assert main([*words, "--fetch-activations", str(tmp_path / "here.bin")]) == 2
    assert "does not end in .safetensors" in capsys.readouterr().err


def test_a_file_comes_whole_over_a_cut_link(far: Loopback, tmp_path: Path) -> None:
    async def scenario() -> None:
        remote = Remote("far", "pocket", settings.load())
        remote.sign_in()
        opened = (await Asker(remote, None).ask(Open("whales and harbours " * 40))).result
        assert isinstance(opened, Opened)
        verb = Fetch(tuple(token.id for token in opened.tokens), opened.subject)
        cuts = [300_000, 700_000]

        def watch(came: int, _size: int) -> None:
            if cuts and came > cuts[0]:
                cuts.pop(0)
                far.cut()

        for name in ("cut", "whole"):
            fetched = await fetching.fetch(remote, verb, tmp_path / f"{name}.safetensors", watch)
        assert fetched.bytes > fetching.size_of(opened) > 1_000_000
        await remote.aclose()

    asyncio.run(scenario())
    cut, whole = (load_file(tmp_path / f"{name}.safetensors") for name in ("cut", "whole"))
    assert cut.keys() == whole.keys()
    assert all((cut[name] == whole[name]).all() for name in whole)
    assert not list(tmp_path.glob("*.part")) and not list(tmp_path.glob(".*"))


def test_long_work_goes_on_over_a_cut_link_and_is_remembered(
    far: Loopback, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    text, out = tmp_path / "text.txt", tmp_path / "index"
    text.write_text("\n\n".join(f"Whale {i} surfaced beside the old harbour in Lisbon." for i in range(300)))
    words = ["index", "corpus", str(text), "--name", "sea", "--out", str(out), "--no-calibrate", "--on", "far"]

    def cut() -> None:
        while not list((far.home / "state" / "work").glob("*.ndjson")):
            time.sleep(0.05)
        far.cut()

    cutting = threading.Thread(target=cut)
    cutting.start()
    assert main([*words, "--json"]) == 0
    cutting.join()
    figures = json.loads(capfd.readouterr().out)["figures"]
    assert figures and (out / "corpus.json").is_file()
    assert main(["work", "--on", "far", "--json"]) == 0
    (work,) = json.loads(capfd.readouterr().out)["works"]
    assert (work["state"], work["verb"]["command"]) == ("done", "index corpus")
    assert main(["work", "attach", "index-corpus", "--on", "far", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["figures"] == figures
    assert main(["work", "cancel", "index-corpus", "--on", "far"]) == 2
    text.write_text("\n\n".join(f"Whale {i} surfaced beside the old harbour in Lisbon." for i in range(30_000)))
    words[words.index(str(out))] = str(tmp_path / "other")
    capfd.readouterr()
    assert main([*words, "--detach", "--json"]) == 0
    begun = json.loads(capfd.readouterr().out)["work"]
    assert main(["work", "cancel", begun, "--on", "far"]) == 0
    assert main(["work", "attach", begun, "--on", "far"]) == 130
    for left in ([], ["--detach"]):
        assert main(["train", "sae", "--corpus", "/no/such", "--out", str(out), "--on", "far", *left]) == 2
        assert "There is no folder /no/such to train from." in capfd.readouterr().err


def test_a_connection_that_the_user_keeps_is_shared(far: Loopback, own_home: Path) -> None:
    config = far.folder / "config"
    before = config.read_text()
    config.write_text(f"{before}  ControlPath {own_home}/ctl\n")
    authorized = far.folder / "authorized"
    keys = authorized.read_text()
    try:
        subprocess.run(
            ["ssh", "-M", "-f", "-N", "far"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        authorized.write_text("")  # nobody can sign in any more
        tunnel = Tunnel("far", "pocket", settings.load())
        found = tunnel.open(silent=False)
        assert tunnel.stands and found.protocol == 1
        tunnel.close()
        assert subprocess.run(["ssh", "-O", "check", "far"], capture_output=True).returncode == 0
    finally:
        subprocess.run(["ssh", "-O", "exit", "far"], capture_output=True)
        authorized.write_text(keys)
        config.write_text(before)


def test_a_password_is_asked_before_the_app_takes_the_screen(far: Loopback) -> None:
    key = far.folder / "user"
    secret = ["ssh-keygen", "-q", "-p", "-f", str(key)]
    subprocess.run([*secret, "-P", "", "-N", "open sesame"], check=True, stdout=subprocess.DEVNULL)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"}
    environment.pop("SSH_AUTH_SOCK", None)
    process, terminal = pty.fork()
    if process == 0:
        os.execve(sys.executable, [sys.executable, "-P", "-m", "investigator", "--on", "far"], environment)
    try:
        asked = _until(terminal, b"passphrase")
        assert b"\x1b[?1049h" not in asked
        os.write(terminal, b"open sesame\n")
        taken = _until(terminal, b"\x1b[?1049h")
        assert b"passphrase" not in taken
        assert b"far" in _until(terminal, b"on far")
        os.write(terminal, b"\x11")
        _until(terminal, b"\x1b[?1049l")
    finally:
        os.kill(process, 9)
        os.waitpid(process, 0)
        os.close(terminal)
        subprocess.run([*secret, "-P", "open sesame", "-N", ""], check=True, stdout=subprocess.DEVNULL)


def _until(terminal: int, wanted: bytes, patience: float = 90.0) -> bytes:
    seen, give_up = b"", time.monotonic() + patience
    while wanted not in seen:
        assert time.monotonic() < give_up, seen[-2000:]
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                seen += os.read(terminal, 65536)
            except OSError as error:
                assert error.errno == errno.EIO
                raise AssertionError(seen[-2000:]) from error
    return seen


def test_another_version_is_explained_with_the_command_that_mends_it() -> None:
    assert contact.difference("gpu1", __version__) == ()
    (said,) = contact.difference("gpu1", "0.0.1")
    assert "gpu1 has Investigator 0.0.1" in said and "`investigator install --on gpu1`" in said
    assert contact.is_new("gpu1", "0.0.1")
    assert not contact.is_new("gpu1", "0.0.1")
    assert contact.is_new("gpu1", "0.0.2")


def test_a_host_names_its_workbench_and_its_own_device_unless_another_is_asked(own_home: Path) -> None:
    hosts = {"gpu1": settings.Host(workbench="gemma")}
    chosen = settings.Settings(backend=settings.Backend(device="cpu"), hosts=hosts)
    dead = subprocess.Popen(["true"])
    dead.wait()
    paths.socket_folder().mkdir(parents=True)
    left_behind = paths.socket_folder() / f"on-{dead.pid:x}0abc.sock"
    left_behind.touch()
    assert Tunnel("gpu1", "", chosen)._serve == ["serve", "--detach", "--workbench=gemma"]
    assert Tunnel("gpu1", "mine", chosen, device="cuda:1")._serve[2:] == ["--device=cuda:1", "--workbench=mine"]
    assert not left_behind.exists()


def test_a_host_names_an_environment_instead_of_a_command() -> None:
    from backends.ssh import words

    assert words.called(settings.Host(venv="~/bench env/")) == "~/'bench env/bin/investigator'"
    assert words.called(settings.Host(venv="/opt/bench")) == shlex.quote("/opt/bench/bin/investigator")
    assert words.called(settings.Host(command="srun --overlap investigator")) == "srun --overlap investigator"


async def test_the_status_line_names_the_host_and_what_it_has_is_said() -> None:
    app = InvestigatorApp(FakeBackend().connect, None, settings.Settings(), host="gpu1", greeting=("gpu1: one GPU.",))
    async with app.run_test(size=(140, 45)) as pilot:
        await until(
            pilot, lambda: " on gpu1 " in text(pilot).splitlines()[0] + " " and app.link.status.state == "ready"
        )
        assert any("gpu1: one GPU." in str(note.message) for note in app._notifications)
        app.link.status = Status("lost", "gpu1 cannot be reached.")
        app.link_changed.publish(app.link.status)
        await until(pilot, lambda: text(pilot).startswith(" gpu1 cannot be reached."))


def test_installing_is_offered_where_somebody_can_answer(
    far: Loopback, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.settings_file().write_text(tomli_w.dumps({"hosts": {"far": {"command": "no-such-command"}}}))
    words = ["open", "A prompt", "--on", "far", "--no-save"]
    assert main(words) == 5
    assert "Install Investigator" not in capsys.readouterr().err
    done: list[list[str]] = []
    for answer, times in (("n", 0), ("y", 1)):
        monkeypatch.setattr(sys, "stdin", Typed(f"{answer}\n"))
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        monkeypatch.setattr(install, "run", lambda options: done.append([options.command, options.on]) or 1)
        assert main(words) == 5
        assert f"Install Investigator {__version__} on far now? [y/N]" in capsys.readouterr().err
        assert len(done) == times
    assert done == [["install", "far"]]


class Typed(io.StringIO):
    """A terminal on which something was typed."""

    def isatty(self) -> bool:
        return True


def test_what_a_host_refuses_is_a_sentence_with_what_to_do(far: Loopback, capsys: pytest.CaptureFixture[str]) -> None:
    deaf = f"""sh -c 'case $0 in dial) exit 1;; esac; exec {far.host.command} "$0" "$@"'"""
    chosen = settings.Settings(hosts={"far": settings.Host(command=deaf, forward="dial")})
    with pytest.raises(BackendError, match=r"Neither a forwarded socket nor .* dial` reaches the backend on far"):
        Tunnel("far", "pocket", chosen).open(silent=True)
    settings.settings_file().write_text(tomli_w.dumps({"hosts": {"far": {"command": "echo hello #"}}}))
    assert main(["machine", "--on", "far"]) == 5
    assert "too old to say what it has. `investigator install --on far`" in capsys.readouterr().err
    authorized = far.folder / "authorized"
    keys = authorized.read_text()
    authorized.write_text("")
    try:
        with pytest.raises(Disconnected, match=r"far cannot be reached: .*Permission denied") as caught:
            Tunnel("far", "pocket", settings.load()).open(silent=True)
        assert "Sign in with `ssh` by hand" in caught.value.mend
        assert main(["work", "attach", "some-work", "--on", "far"]) == 5
        assert "Permission denied" in capsys.readouterr().err
    finally:
        authorized.write_text(keys)
