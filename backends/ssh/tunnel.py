"""A tunnel: one ssh connection to a host that starts or finds the backend there and brings its socket here.

The far command waits on its standard input, which is a pipe of ours: when this process ends, however it ends, the pipe
closes, the far command ends, and ssh with it. Nothing is left behind on either side but the backend, which lingers.
"""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import msgspec

from backends import rendezvous
from backends.machine import Machine
from backends.ssh import far, words
from backends.ssh.dialler import Dialler
from backends.ssh.probe import answers
from investigator import __version__, paths
from investigator.errors import BackendError, Disconnected, NotInstalled
from investigator.settings import Host, Settings
from investigator.text import inert
from investigator.wire import PROTOCOL

PATIENCE = 90.0
"""Seconds in which the far side must have said where its backend is; a password is typed before they count."""
LOOKING = 6.0
"""Seconds more for it to say what it has; `nvidia-smi` takes up to three without its daemon."""
Say = Callable[[str], None]


class Whereabouts(msgspec.Struct, frozen=True):
    """What `investigator serve --detach` prints: where the backend listens and who it is."""

    investigator: str
    """Version."""
    protocol: int
    socket: str
    nonce: str
    build: str = ""
    """Empty where it is too old to say."""


class Tunnel:
    """The way to one workbench on one host; `socket` is its local end once `open` has returned."""

    def __init__(
        self,
        name: str,
        workbench: str,
        settings: Settings,
        *,
        device: str = "",
        dtype: str = "",
        on_message: Say | None = None,
    ) -> None:
        """Name a host and what to open there; an empty workbench, device or dtype is the host's own setting."""
        self.name = name
        self.host: Host = words.host_of(settings, name)
        self._destination = self.host.ssh or name
        self._say = on_message or (lambda message: None)
        # This machine's settings say nothing of the other's device.
        wanted = {"device": device, "dtype": dtype, "workbench": workbench or self.host.workbench}
        self._serve = ["serve", "--detach", *(f"--{flag}={value}" for flag, value in wanted.items() if value)]
        folder = paths.socket_folder()
        rendezvous.private_folder(folder)
        _sweep(folder)
        mark = f"{os.getpid():x}{id(self) & 0xFFFF:04x}"
        self._own_control = folder / f"c{mark}"
        self._control: Path | None = self._own_control
        """None while the connection that the user keeps is shared."""
        self.socket = folder / f"on-{mark}.sock"
        rendezvous.check_length(self.socket)
        # OpenSSH makes the control socket under a longer name first.
        rendezvous.check_length(folder / f"{self._own_control.name}.{'x' * 16}")
        self._process: subprocess.Popen[bytes] | None = None
        self._dialler: Dialler | None = None
        self._forwards = ""
        """The far socket that was asked to be forwarded."""
        self._said: list[str] = []
        self.opened = 0
        """How often the link was made."""
        self.found: Whereabouts | None = None
        """Who answered last."""
        self.machine: Machine | None = None
        """What the host has, as it said at first contact."""

    @property
    def stands(self) -> bool:
        """Whether the ssh connection is up."""
        return self._process is not None and self._process.poll() is None

    def open(self, *, silent: bool) -> Whereabouts:
        """Connect, find or start the backend there, and bring its socket here; blocks.

        Without `silent` ssh may ask for a password or a second factor on the terminal. Raises Disconnected where the
        host cannot be reached, BackendError where the command there fails or speaks another protocol.
        """
        self.close()
        line = f"{words.remote_line(self.host, *self._serve)} && exec cat"
        self._say(f"connecting to {self.name}")
        self._control = None if self._shared() else self._own_control
        command = words.master(self._destination, self._control, line, silent=silent)
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
            )
            lines = self._listen(self._process)
            self.found = found = self._whereabouts(self._process, lines)
            self._bring(found)
            if self.machine is None and found.build:
                self.machine = _machine(lines)
            self.opened += 1
        except BaseException:
            self.close()
            raise
        return found

    def _shared(self) -> bool:
        """Whether the user keeps a connection to the host, with its password and second factor given."""
        try:
            done = subprocess.run(
                words.check(self._destination), stdin=subprocess.DEVNULL, capture_output=True, timeout=5, check=False
            )
        except FileNotFoundError as error:
            raise far.no_ssh() from error
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0

    def _listen(self, process: subprocess.Popen[bytes]) -> queue.SimpleQueue[bytes | None]:
        lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        assert process.stdout is not None and process.stderr is not None
        threading.Thread(target=_read, args=(process.stdout, lines), name="tunnel", daemon=True).start()
        self._said = []
        self._errors = threading.Thread(target=_collect, args=(process.stderr, self._said), name="tunnel", daemon=True)
        self._errors.start()
        return lines

    def _whereabouts(self, process: subprocess.Popen[bytes], lines: queue.SimpleQueue[bytes | None]) -> Whereabouts:
        give_up = time.monotonic() + PATIENCE
        while True:
            try:
                line = lines.get(timeout=max(0.0, give_up - time.monotonic()))
            except queue.Empty:
                raise BackendError(
                    f"{self.name} did not say within {PATIENCE:.0f} seconds where its backend is.",
                    f"Try `ssh {self._destination} {words.called(self.host)} doctor`.",
                ) from None
            if line is None:
                self._errors.join(timeout=5)
                raise self._refused(process.wait())
            with contextlib.suppress(msgspec.DecodeError, msgspec.ValidationError):  # a login's greeting
                return self._checked(msgspec.json.decode(line, type=Whereabouts))

    def _checked(self, found: Whereabouts) -> Whereabouts:
        if found.protocol != PROTOCOL:
            raise NotInstalled(
                f"{self.name} has Investigator {found.investigator} with protocol {found.protocol}, "
                f"this machine {__version__} with {PROTOCOL}.",
                f"`investigator install --on {self.name}` puts {__version__} there.",
            )
        return found

    def _refused(self, code: int) -> BackendError:
        said = inert(" ".join(self._said[-3:]))[:400].strip().rstrip(".")
        if code == far.CUT:
            mend = _SIGN_IN if "ermission denied" in said else _REACH
            return Disconnected(f"{self.name} cannot be reached: {said or 'ssh gave no reason'}.", mend)
        if code == 127 or "not found" in said:
            return far.missing(self.name, self.host, said)
        return BackendError(f"The backend on {self.name} did not start: {said or f'status {code}'}.", "Mend it there.")

    def _bring(self, found: Whereabouts) -> None:
        """Bring the far socket here: forwarded, or dialled where forwarding does not reach it."""
        if self.host.forward != "dial" and self._forwarded(found):
            return
        if self.host.forward == "socket":
            raise BackendError(
                f"{self.name} does not forward unix sockets.", f"Set `forward` of [hosts.{self.name}] to auto or dial."
            )
        line = words.remote_line(self.host, "dial", found.socket)
        self._dialler = Dialler(self.socket, words.through(self._destination, self._control, line))
        if not answers(self.socket, found.nonce):
            raise BackendError(
                f"Neither a forwarded socket nor `{words.called(self.host)} dial` reaches the backend on {self.name}.",
                f"Try `ssh {self._destination} {line}` by hand: it should wait for input.",
            )

    def _forwarded(self, found: Whereabouts) -> bool:
        self._forwards = found.socket
        return self._ask_master("forward", found.socket) and answers(self.socket, found.nonce)

    def _ask_master(self, verb: str, remote: str) -> bool:
        command = words.forward(self._destination, self._control, self.socket, remote, verb=verb)
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False)
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0

    def close(self) -> None:
        """End the connection; the backend over there stays for its linger."""
        if self._dialler is not None:
            self._dialler.close()
            self._dialler = None
        if self._forwards and self._control is None:  # our own master takes its forwards with it
            self._ask_master("cancel", self._forwards)
        self._forwards = ""
        if self._process is not None:
            if self._process.stdin is not None:
                self._process.stdin.close()
            try:
                self._process.wait(timeout=0.5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        for file in (self.socket, self._own_control):
            file.unlink(missing_ok=True)


_SIGN_IN = "Sign in with `ssh` by hand to see what it wants; what asks for a password is asked when the app starts."
_REACH = "Check the network and the name; `ssh -v` says more. It is tried again while the app is open."


def _sweep(folder: Path) -> None:
    """Remove the local ends that killed programs left behind."""
    for socket in folder.glob("on-*.sock"):
        with contextlib.suppress(ValueError, OSError):
            process = int(socket.stem.removeprefix("on-")[:-4], 16)
            try:
                os.kill(process, 0)
            except ProcessLookupError:
                socket.unlink()


def _machine(lines: queue.SimpleQueue[bytes | None]) -> Machine | None:
    """Return what the far side says of itself, where it does so in time: nobody waits long to be told."""
    give_up = time.monotonic() + LOOKING
    with contextlib.suppress(queue.Empty):
        while (line := lines.get(timeout=max(0.0, give_up - time.monotonic()))) is not None:
            with contextlib.suppress(msgspec.DecodeError, msgspec.ValidationError):
                return msgspec.json.decode(line, type=Machine)
    return None


def _read(stream: IO[bytes], lines: queue.SimpleQueue[bytes | None]) -> None:
    with contextlib.suppress(ValueError, OSError), stream:
        for line in stream:
            lines.put(line)
    lines.put(None)


def _collect(stream: IO[bytes], said: list[str]) -> None:
    with contextlib.suppress(ValueError, OSError), stream:
        said.extend(line.decode(errors="replace").strip() for line in stream)
