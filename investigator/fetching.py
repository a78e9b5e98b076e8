"""Fetching a prompt's activations into a file: asked for by name, its size known before, whole or not there at all."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from investigator import clients
from investigator.asking import checked
from investigator.errors import BadInput, Disconnected, StoreError
from investigator.events import Answer
from investigator.records import Fetched, Opened
from investigator.wire import Fetch, Question

if TYPE_CHECKING:
    from backends.base import Backend

Watch = Callable[[int, int], None]
"""Called with the bytes that have come and their total."""


def size_of(opened: Opened, layers: tuple[int, ...] = ()) -> int:
    """Return the bytes of a prompt's activations, float32, without the file's header of a few hundred bytes."""
    return (len(layers) or opened.layers) * len(opened.tokens) * opened.width * 4


def check_target(file: Path) -> None:
    """Raise BadInput where a file cannot be written, before anything is computed."""
    if file.suffix != ".safetensors":
        raise BadInput(f"{file} does not end in .safetensors.", "Activations are written in no other format.")
    if not file.parent.is_dir():
        raise BadInput(f"There is no folder {file.parent}.", "Make it, or name another file.")
    if not os.access(file.parent, os.W_OK) or file.is_dir():
        raise BadInput(f"{file} cannot be written.", "Name another file.")


async def fetch(backend: Backend, verb: Fetch, file: Path, watch: Watch | None = None) -> Fetched:
    """Have the activations written over there, bring the file here, and let the far one be deleted.

    Raises BadInput where they are too many, StoreError where the file cannot be written here.
    """
    check_target(file)
    question = Question(uuid.uuid4().hex, getattr(backend, "client", "") or clients.new_name(), verb)
    answer = Answer(question.id)
    try:
        async for event in backend.ask(question):
            answer.apply(event)
        fetched = checked(answer).result
        assert isinstance(fetched, Fetched)
        await _bring(backend, question.id, file, fetched.bytes, watch)
        return fetched
    except asyncio.CancelledError:
        await backend.cancel(question.id)
        raise
    finally:
        if answer.ended:
            await backend.acknowledge(question.id)


async def _bring(backend: Backend, id: str, file: Path, size: int, watch: Watch | None) -> None:
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    came = 0
    try:
        with part.open("wb") as opened:
            async for chunk in backend.file(id):
                came += opened.write(chunk)
                if watch is not None:
                    watch(came, size)
        if came != size:
            raise Disconnected(f"Only {came:,} of {size:,} bytes came.", "Ask again.")
        part.replace(file)
    except OSError as error:
        raise StoreError(
            f"{file} cannot be written: {error.strerror or error}.", "Make room, or name another."
        ) from error
    finally:
        part.unlink(missing_ok=True)
