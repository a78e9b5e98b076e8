"""Where things belong on this system: settings, data, sockets. `INVESTIGATOR_HOME` moves them all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

HOME_VARIABLE = "INVESTIGATOR_HOME"


def _under(kind: str) -> Path:
    home = os.environ.get(HOME_VARIABLE)
    if home:
        return Path(home).expanduser() / kind
    import platformdirs

    found: Path = getattr(platformdirs, f"user_{kind}_path")("investigator")
    return found


def config_folder() -> Path:
    """Return the folder of settings, keymap and workbenches (not made here)."""
    return _under("config")


def data_folder() -> Path:
    """Return the folder of the session database and spill files (not made here)."""
    return _under("data")


def cache_folder() -> Path:
    """Return the folder of what can be made again (not made here)."""
    return _under("cache")


def log_folder() -> Path:
    """Return the folder of backend logs (not made here)."""
    return _under("state")


def socket_folder() -> Path:
    """Return the folder of backend sockets; short, because a unix socket's path holds at most 107 bytes."""
    home = os.environ.get(HOME_VARIABLE)
    if home and len(os.fsencode(home)) <= 60:
        return Path(home).expanduser() / "run"
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    base = Path(runtime) if runtime and Path(runtime).is_dir() else Path(tempfile.gettempdir())
    suffix = "" if not home else "-" + format(hash_of(home), "08x")
    return base / f"investigator-{os.getuid()}{suffix}"


def hash_of(text: str) -> int:
    """Return a 32-bit hash of a text, the same in every process."""
    import zlib

    return zlib.crc32(text.encode())
