"""Files of a workbench: headers read without their tensors, and free memory, so that checks stay cheap."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

from backends.engine import pickles
from investigator.errors import WorkbenchError

_AGAIN = "Copy or download the file again."


def header(file: Path) -> dict[str, dict[str, Any]]:
    """Return dtype and shape of every tensor in a safetensors file; raise WorkbenchError where it is cut short."""
    pickles.refuse(file)
    try:
        size = file.stat().st_size
        with file.open("rb") as opened:
            length = int.from_bytes(opened.read(8), "little")
            table = json.loads(opened.read(length)) if 0 < length < size else None
    except (OSError, ValueError) as error:
        raise WorkbenchError(f"{file} cannot be read: {error}.", _AGAIN) from error
    if not isinstance(table, dict):
        raise WorkbenchError(f"{file} is no safetensors file, or is cut short.", _AGAIN)
    table.pop("__metadata__", None)
    whole = 8 + length + max((entry["data_offsets"][1] for entry in table.values()), default=0)
    if size < whole:
        raise WorkbenchError(f"{file} is cut short: it has {size:,} of {whole:,} bytes.", _AGAIN)
    return table


def tensors(file: Path) -> dict[str, Any]:
    """Load a safetensors file; raise WorkbenchError where it is missing, cut short or malformed."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    header(file)
    try:
        loaded: dict[str, Any] = load_file(file)
    except (OSError, SafetensorError) as error:
        raise WorkbenchError(f"{file} cannot be read: {error}.", _AGAIN) from error
    return loaded


def read_json(file: Path) -> dict[str, Any]:
    """Read a JSON object; raise WorkbenchError where it is missing or malformed."""
    try:
        table = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise WorkbenchError(f"{file} cannot be read: {error}.", _AGAIN) from error
    if not isinstance(table, dict):
        raise WorkbenchError(f"{file} holds no JSON object.", _AGAIN)
    return table


def weight_files(folder: Path) -> list[Path]:
    """Return a transformers directory's safetensors files, in order; raise WorkbenchError where they are pickles."""
    pickles.refuse_model(folder)
    return sorted(folder.glob("*.safetensors"))


def parameters(table: dict[str, dict[str, Any]]) -> int:
    """Return how many numbers a header names."""
    return sum(math.prod(entry["shape"]) for entry in table.values())


CGROUP = Path("/sys/fs/cgroup")
"""Where a container or a Slurm job finds its own bounds (cgroup v2)."""


def free_memory() -> int:
    """Return the bytes of memory that can still be used on this machine, or in this process's container or job."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        # Elsewhere than on Linux: what is installed, because what is free has no portable name.
        free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(free, _left_in_group(free))


def _left_in_group(otherwise: int) -> int:
    """Return what a memory bound leaves to this process's group: beyond it the kernel kills without a word."""
    try:
        own = Path("/proc/self/cgroup").read_text(encoding="ascii").strip().rpartition("::/")[2]
        folder = next(each for each in (CGROUP / own, CGROUP) if (each / "memory.max").is_file())
        most = (folder / "memory.max").read_text(encoding="ascii").strip()
        return max(0, int(most) - int((folder / "memory.current").read_text(encoding="ascii")))
    except (OSError, ValueError, StopIteration):
        return otherwise
