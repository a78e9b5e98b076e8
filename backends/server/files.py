"""Files that go with answers: streamed from any byte on, so that a cut link costs nothing that has come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

from starlette.responses import StreamingResponse

from backends.server.refusals import Refused

_CHUNK = 1 << 18


def stream(file: Path, start: int) -> StreamingResponse:
    """Return the bytes from number `start` on; raise Refused where the file is gone or shorter."""
    try:
        opened = file.open("rb")
        size = file.stat().st_size
    except OSError as error:
        raise Refused(f"The file of this answer is gone: {error.strerror}.", "Ask again.", 404) from error
    if start > size:
        opened.close()
        raise Refused(f"The file has {size} bytes, so there is none numbered {start}.", "Begin at 0.")
    opened.seek(start)
    headers = {"content-length": str(size - start)}
    return StreamingResponse(_chunks(opened), headers=headers, media_type="application/octet-stream")


async def _chunks(opened: BinaryIO) -> AsyncIterator[bytes]:
    with opened:
        while chunk := await asyncio.to_thread(opened.read, _CHUNK):
            yield chunk
