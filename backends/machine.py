"""What a machine has, found out in a moment and without torch: memory, GPUs, workbenches."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import subprocess
from pathlib import Path

import msgspec

from backends.build import build_id
from investigator import __version__, paths
from investigator import workbench as workbenches
from investigator.text import inert
from investigator.wire import PROTOCOL

PATIENCE = 5.0
"""Seconds for `nvidia-smi`, which takes up to three where its daemon does not run."""
_ASKED = ("name", "memory.total", "memory.free")
_MIB = 2**20


class Gpu(msgspec.Struct, frozen=True):
    """One GPU; memory in bytes."""

    name: str
    memory: int
    free: int


class Machine(msgspec.Struct, frozen=True):
    """What a machine says of itself; memory in bytes, 0 where the system does not say."""

    name: str
    system: str
    investigator: str
    """Version."""
    build: str
    protocol: int
    python: str
    cores: int
    memory: int
    free: int
    gpus: tuple[Gpu, ...]
    gpu_trouble: str
    """Why GPUs that seem to be there cannot be asked; empty where there are none or all is well."""
    workbenches: tuple[str, ...]
    """What can be opened by name."""


def look() -> Machine:
    """Look at this machine."""
    memory, free = _memory()
    gpus, trouble = _gpus()
    return Machine(
        name=platform.node(),
        system=f"{platform.system()} {platform.machine()}",
        investigator=__version__,
        build=build_id(),
        protocol=PROTOCOL,
        python=platform.python_version(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory=memory,
        free=free,
        gpus=gpus,
        gpu_trouble=trouble,
        workbenches=_workbenches(),
    )


def words(machine: Machine) -> str:
    """Return it as one line: GPUs first, because they are what one came for."""
    gpus = [f"{inert(gpu.name)} ({_gib(gpu.free)} of {_gib(gpu.memory)} free)" for gpu in machine.gpus]
    memory = [f"{_gib(machine.free)} of {_gib(machine.memory)} memory free"] if machine.memory else []
    cores = f"{machine.cores} cores"
    books = f"workbenches: {', '.join(map(inert, machine.workbenches))}"
    trouble = [inert(machine.gpu_trouble)] if machine.gpu_trouble else []
    return "; ".join([", ".join(gpus) or "no GPU", *trouble, cores, *memory, books])


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"


def _workbenches() -> tuple[str, ...]:
    own = sorted(file.stem for file in (paths.config_folder() / "workbenches").glob("*.toml"))
    return tuple(dict.fromkeys([*workbenches.BUNDLED, *own]))


def _memory() -> tuple[int, int]:
    with contextlib.suppress(OSError, ValueError, LookupError):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        table = {name: int(value.split()[0]) * 1024 for name, _, value in (line.partition(":") for line in lines)}
        return table["MemTotal"], table["MemAvailable"]
    with contextlib.suppress(OSError, ValueError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), 0
    return 0, 0


def _gpus() -> tuple[tuple[Gpu, ...], str]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return (), ""
    command = [program, f"--query-gpu={','.join(_ASKED)}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return (), f"nvidia-smi does not answer ({type(error).__name__})"
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines()
        return (), f"nvidia-smi: {lines[0][:100] if lines else f'status {done.returncode}'}"
    return tuple(gpu for line in done.stdout.splitlines() if (gpu := _gpu(line)) is not None), ""


def _gpu(line: str) -> Gpu | None:
    fields = [field.strip() for field in line.rsplit(",", len(_ASKED) - 1)]
    with contextlib.suppress(ValueError):
        name, total, free = fields
        return Gpu(name, int(total) * _MIB, int(free) * _MIB)
    return None
