"""Sockets that others could reach are neither served nor asked, and a stale one is never taken for ours."""

from __future__ import annotations

import os
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from backends import rendezvous
from backends.rendezvous import Badge
from backends.ssh.probe import answers
from investigator import paths
from investigator.cli import main
from investigator.errors import BackendError

BADGE = Badge("a1b2c3d4", os.getpid(), "build")


@pytest.fixture
def folder(own_home: Path) -> Path:
    made = own_home / "s"
    rendezvous.private_folder(made)
    return made


@pytest.fixture
def listener(folder: Path) -> Iterator[socket.socket]:
    with rendezvous.listen(rendezvous.place_of(folder / "a.sock"), BADGE) as made:
        yield made


def test_the_usual_folder_is_closed_to_others_and_so_is_the_socket(listener: socket.socket, folder: Path) -> None:
    usual = paths.socket_folder()
    usual.mkdir(mode=0o755, parents=True)
    usual.chmod(0o755)
    rendezvous.private_folder(usual)
    assert stat.S_IMODE(usual.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "a.sock").stat().st_mode) == 0o600
    assert stat.S_IMODE((folder / "a.nonce").stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_folder_that_others_can_write_to_is_refused(folder: Path, mode: int) -> None:
    folder.chmod(mode)
    with pytest.raises(BackendError, match="can be written to by others"):
        rendezvous.private_folder(folder)


def test_a_folder_that_others_could_put_aside_is_refused(own_home: Path) -> None:
    shared = own_home / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    with pytest.raises(BackendError, match="could be put aside"):
        rendezvous.private_folder(shared / "mine")
    shared.chmod(0o1777)  # as the folder for temporary files
    rendezvous.private_folder(shared / "mine")


def test_a_link_to_somebody_elses_folder_is_refused(own_home: Path, folder: Path) -> None:
    (own_home / "link").symlink_to(folder)
    with pytest.raises(BackendError, match="belongs to somebody else"):
        rendezvous.private_folder(own_home / "link")


def test_a_socket_that_others_could_use_is_not_asked(
    listener: socket.socket, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "a.sock").chmod(0o660)
    assert main(["dial", str(folder / "a.sock")]) == 5
    assert "no socket that only you can use (mode 0660" in capsys.readouterr().err
    (folder / "a.sock").unlink()
    (folder / "a.sock").write_text("")
    with pytest.raises(BackendError, match="no socket that only you can use"):
        rendezvous.check_socket(folder / "a.sock")


def test_a_backend_does_not_serve_where_modes_are_not_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "umask", lambda mask: 0)  # what a file system without modes comes to
    place = rendezvous.place_of(folder / "b.sock")
    with pytest.raises(BackendError, match="nothing is asked of it or answered there"):
        rendezvous.listen(place, BADGE)
    assert not list(folder.iterdir())


def test_a_stale_socket_with_another_nonce_is_not_taken_for_the_backend(folder: Path) -> None:
    assert not answers(folder / "gone.sock", "nonce")
    place = rendezvous.place_of(folder / "a.sock")
    with rendezvous.listen(place, BADGE) as listener:
        assert rendezvous.read_badge(place) == BADGE
        assert not rendezvous.alive(place)  # nobody holds the lock, so whatever listens is not a backend of ours
        listener.settimeout(5)

        def reply() -> None:
            link, _ = listener.accept()
            with link:
                link.recv(4096)
                link.sendall(b'HTTP/1.1 200 OK\r\n\r\n{"nonce": "another"}')

        answering = threading.Thread(target=reply)
        answering.start()
        assert not answers(place.socket, BADGE.nonce)
        answering.join()
