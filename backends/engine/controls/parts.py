"""Parts of long work on disk: each is written in one step, so that a kill loses at most the one being made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from backends.engine.controls.statistics import Floats
from investigator.errors import WorkbenchError


class Parts:
    """A folder of tables by name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, name: str) -> Floats | None:
        """Return a table, float64; None where it is not there, or damaged."""
        try:
            found: Floats = load_file(self.folder / f"{name}.safetensors")["table"].double().numpy()
        except (OSError, KeyError, SafetensorError):
            return None
        return found

    def keep(self, name: str, table: Floats) -> Floats:
        """Write a table and return it as it will be read again; raise WorkbenchError where it cannot be written."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            part = self.folder / f"{name}.part"
            save_file({"table": torch.from_numpy(np.ascontiguousarray(table, dtype=np.float32))}, part)
            part.replace(self.folder / f"{name}.safetensors")
        except OSError as error:
            raise WorkbenchError(
                f"{self.folder} cannot be written: {error}.", "Make room there, or mend it."
            ) from error
        kept = self.get(name)
        assert kept is not None
        return kept

    def clear(self) -> None:
        """Remove the parts, once the whole is written."""
        for file in (*self.folder.glob("*.safetensors"), *self.folder.glob("*.part")):
            file.unlink(missing_ok=True)
        if self.folder.is_dir():
            self.folder.rmdir()
