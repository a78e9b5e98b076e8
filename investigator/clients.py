"""Names of clients: which machine and process asks, so that a list of who is attached says something."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterable

_ODD = re.compile(r"[^A-Za-z0-9.-]+")
_MADE = re.compile(r"(.+)_[0-9a-f]{12}")
LONGEST = 40


def new_name() -> str:
    """Return a name of its own for a client of this process: `laptop-4711_3f9c...`."""
    node = _ODD.sub("-", os.uname().nodename)[:LONGEST].strip("-") or "client"
    return f"{node}-{os.getpid()}_{uuid.uuid4().hex[:12]}"


def people(names: Iterable[str]) -> list[str]:
    """Return who stands behind the names, each machine and process once."""
    return sorted({found[1] if (found := _MADE.fullmatch(name)) else name[:LONGEST] for name in names})
