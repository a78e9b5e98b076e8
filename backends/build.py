"""The build: one short text that is equal where the installed backend code is equal."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import investigator


@cache
def build_id() -> str:
    """Return the version and a digest of the vocabulary's and the backend's source files.

    The app, the commands and the session store are left out: mending a screen needs no other backend.
    """
    import hashlib

    digest = hashlib.blake2b(digest_size=6)
    for name, content in _sources(Path(investigator.__file__).parent, Path(__file__).parent):
        digest.update(name.encode() + b"\0" + content + b"\0")
    return f"{investigator.__version__}+{digest.hexdigest()}"


def _sources(vocabulary: Path, backends: Path) -> list[tuple[str, bytes]]:
    files = [*vocabulary.glob("*.py"), *vocabulary.glob("records/*.py"), *backends.rglob("*.py")]
    return sorted((file.relative_to(file.parents[1]).as_posix(), file.read_bytes()) for file in files)
