"""Serving: the backend process from its first moment to its last."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import logging
import os
import secrets
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from backends import rendezvous
from backends.build import build_id
from backends.command import arguments_for
from backends.rendezvous import Badge, Place
from backends.server.children import Children
from backends.server.options import engine_maker, parser, settings_of
from backends.server.service import Service
from investigator import workbench
from investigator.errors import InvestigatorError
from investigator.settings import Settings

if TYPE_CHECKING:
    import uvicorn

log = logging.getLogger("backends.server")


def main(argv: Sequence[str] | None = None) -> int:
    """Serve a workbench on a unix socket until idle for `backend.linger` seconds or told to stop; return the status.

    `--log FILE` detaches: a session of its own, standard streams in that file. Without, it stays in the foreground.
    """
    program = parser("python -m backends.server")
    program.add_argument("--socket", help="where to listen; by default the local backend's own place")
    program.add_argument("--log", help="detach, and write to this file")
    options = program.parse_args(argv)
    if options.log:
        _detach(Path(options.log))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(threadName)s %(levelname)s %(message)s")
    try:
        return _serve(options)
    except InvestigatorError as error:
        print(error, file=sys.stderr)
        return error.exit_code


def _detach(file: Path) -> None:
    with contextlib.suppress(PermissionError):
        os.setsid()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    target = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, standard in ((nothing, 0), (target, 1), (target, 2)):
        os.dup2(source, standard)
    os.close(target)
    os.close(nothing)


def _serve(options: argparse.Namespace) -> int:
    settings = settings_of(options)
    place = _place(options, settings)
    rendezvous.private_folder(place.socket.parent)
    lock = rendezvous.hold_lock(place)
    if lock is None:
        log.warning("another backend already serves %s", place.socket)
        return 0
    try:
        asyncio.run(_live(options, settings, place))
    finally:
        rendezvous.clear(place)
        os.close(lock)
    return 0


def _place(options: argparse.Namespace, settings: Settings) -> Place:
    if options.socket:
        return rendezvous.place_of(Path(options.socket).expanduser().resolve())
    backend = settings.backend
    return rendezvous.place_for(workbench.locate(options.workbench), backend.device, backend.dtype)


async def _live(options: argparse.Namespace, settings: Settings, place: Place) -> None:
    badge = Badge(secrets.token_hex(16), os.getpid(), build_id())
    listener = rendezvous.listen(place, badge)
    children = Children(arguments_for(options.workbench, options.engine, settings), place.log.parent / "children")
    log_file = options.log or "the terminal of the backend"
    service = Service(engine_maker(options, settings), children.run, settings, badge, log_file, place.socket)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, service.closing.set)
    log.info("%s serves %s at %s", badge.build, options.workbench, place.socket)
    gc.disable()
    collecting = asyncio.create_task(_collect_later(service))
    await live(service, listener)
    collecting.cancel()
    log.info("bye")


async def _collect_later(service: Service) -> None:
    """Keep the garbage collector out of loading, and what was loaded out of the garbage collector.

    Measured on two cores: loading takes 3.2 s of processor time instead of 4.0 s, and a full collection, which holds
    every thread up, a fraction of a millisecond instead of 0.3 s.
    """
    await service.scheduler.settled.wait()
    gc.freeze()
    gc.enable()


async def live(service: Service, listener: socket.socket) -> None:
    """Answer on a listening socket until the service closes."""
    # The engine starts loading first: torch takes ten times as long to import as what follows here.
    service.scheduler.start()
    import uvicorn

    from backends.server.app import make_app
    from backends.server.peers import OwnUserProtocol

    config = uvicorn.Config(
        make_app(service),
        http=OwnUserProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=3600,  # a client's idle connection is not closed under its next question
        timeout_graceful_shutdown=0,
    )
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # routes log their own faults
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # signals are ours: they remove the socket on the way out
    closing = asyncio.create_task(_close(service, server))
    await server.serve(sockets=[listener])
    service.scheduler.stop()
    service.questions.clear()
    closing.cancel()


async def _close(service: Service, server: uvicorn.Server) -> None:
    await service.closing.wait()
    server.should_exit = True
