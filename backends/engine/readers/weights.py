"""Where a reader's files lie, how much memory their weights need, and whether it is there, before anything loads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from backends.engine import files, loading
from backends.engine.loading import pick_dtype
from investigator.errors import WorkbenchError

ADAPTER = "adapter_model.safetensors"
ADAPTER_CARD = "adapter_config.json"
_HEADROOM = 1.2
"""Weights, and a fifth more for activations and key/value states."""


@dataclass(frozen=True)
class Needed:
    """What loading a folder's weights takes."""

    folder: Path
    parameters: int
    dtype: torch.dtype
    free: int
    stored: int
    """Bytes on disk."""

    @property
    def bytes(self) -> int:
        """Bytes needed, with headroom."""
        return int(_HEADROOM * self.parameters * self.dtype.itemsize)

    @property
    def said(self) -> str:
        """The estimate in one sentence."""
        name = str(self.dtype).removeprefix("torch.")
        cast = f" ({size(self.stored)} on disk, cast while loading)" if self.stored > 1.5 * self.bytes else ""
        return f"{size(self.bytes)} are needed as {name}{cast}, {size(self.free)} are free."

    def check(self, what: str) -> None:
        """Raise WorkbenchError where the weights do not fit."""
        if self.bytes > self.free:
            raise WorkbenchError(
                f"{what} does not fit the memory: {self.said}",
                "Use a smaller one, dtype bfloat16, or a machine with more memory.",
            )


def size(count: float) -> str:
    """Return a number of bytes for a person."""
    return f"{count / 1e6:,.1f} MB" if count < 1e9 else f"{count / 1e9:,.1f} GB"


def folder_of(path: str, revision: str, base: Path, *, download: bool = True) -> Path:
    """Return the folder that a path or hub id names; raise WorkbenchError where there is none."""
    folder = base / Path(path).expanduser()
    if folder.is_dir():
        return folder
    looks_local = path.startswith((".", "/", "~")) or path.count("/") != 1 or folder.parent.is_dir()
    if looks_local:
        raise WorkbenchError(f"There is no folder {folder}.", "Mend the path in the workbench, or give a hub id.")
    return loading.hub_folder(path, revision) if download else loading.cached_folder(path, revision)


def is_adapter(folder: Path) -> bool:
    """Return whether a folder holds a PEFT adapter rather than whole weights."""
    return (folder / ADAPTER_CARD).is_file()


def needed(folder: Path, dtype: str, device: torch.device) -> Needed:
    """Estimate what a folder's weights need, from their headers; `dtype` may be `auto`."""
    found = [files.header(file) for file in files.weight_files(folder)]
    parameters = sum(map(files.parameters, found))
    stored = sum(file.stat().st_size for file in files.weight_files(folder))
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else files.free_memory()
    return Needed(folder, parameters, pick_dtype(dtype, device, parameters), free, stored)
