"""Vectors from files: one row of a .safetensors or .npy file, checked before a number of it is used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from backends.engine import files
from investigator.errors import BadInput, InvestigatorError
from investigator.sources import Stored

KINDS = (".safetensors", ".npy")
_AGAIN = "Name a file that is there, on the machine where the model runs."


def read(source: Stored, folder: Path, width: int) -> Tensor:
    """Return the row as float32 `[d]`; raise BadInput where there is none, or it does not fit or is not finite.

    A relative path is relative to `folder`. Pickles are never opened.
    """
    file = folder / Path(source.path).expanduser()
    row = _npy(file, source) if _kind(file) == ".npy" else _safetensors(file, source)
    if row.numel() != width:
        raise BadInput(
            f"The rows of {file.name} have {row.numel()} numbers, but the model has width {width}.",
            "Name a file of activations or directions of this model.",
        )
    found = row.to(torch.float32)
    if not bool(torch.isfinite(found).all()):
        raise BadInput(f"Row {source.row} of {file.name} holds NaN or infinity.", "Name another row.")
    return found


def _kind(file: Path) -> str:
    kind = file.suffix.lower()
    if kind not in KINDS:
        raise BadInput(
            f"{file.name!r} is no file that vectors are read from.",
            "Write the vectors as .safetensors or .npy; pickles (.pt, .pkl) are never opened, for they can run code.",
        )
    try:
        if not file.is_file():
            raise BadInput(f"There is no file {file}.", _AGAIN)
    except (OSError, ValueError) as error:
        raise BadInput(f"The file {str(file)[:200]!r} cannot be looked for: {error}.", _AGAIN) from error
    return kind


def _npy(file: Path, source: Stored) -> Tensor:
    if source.key:
        raise BadInput(f"A .npy file has no tensor called {source.key!r}: it holds one alone.", "Leave the name out.")
    try:
        table = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise BadInput(
            f"{file.name} is no .npy file of plain numbers: {error}.", "Write it with numpy.save."
        ) from error
    _check_kind(file, str(table.dtype), np.issubdtype(table.dtype, np.floating))
    return torch.from_numpy(np.array(_row(file, source, table.shape, table), dtype=np.float32))


def _safetensors(file: Path, source: Stored) -> Tensor:
    from safetensors import SafetensorError, safe_open

    try:
        names = list(files.header(file))
        key = _key(file, source, names)
        with safe_open(file, framework="pt") as opened:
            table = opened.get_slice(key)
            _check_kind(file, table.get_dtype(), table.get_dtype().startswith(("F", "BF")))
            shape = tuple(table.get_shape())
            found: Tensor = _row(file, source, shape, table)
            return found
    except (SafetensorError, OSError) as error:
        raise BadInput(f"{file.name} cannot be read: {error}.", "Write the file again.") from error
    except BadInput:
        raise
    except InvestigatorError as error:
        raise BadInput(error.message, error.mend) from error


def _key(file: Path, source: Stored, names: list[str]) -> str:
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    if source.key and source.key not in names:
        raise BadInput(f"{file.name} has no tensor called {source.key!r}.", f"It has: {shown or 'none'}.")
    if not source.key and len(names) != 1:
        raise BadInput(f"{file.name} holds {len(names)} tensors.", f"Name one of them: {shown or 'none'}.")
    return source.key or names[0]


def _check_kind(file: Path, dtype: str, known: bool) -> None:
    if not known:
        raise BadInput(f"{file.name} holds numbers of type {dtype}.", "Write floating-point numbers.")


def _row(file: Path, source: Stored, shape: tuple[int, ...], table: Any) -> Any:
    """Return a row of a table that is read only where it is indexed."""
    if len(shape) not in {1, 2}:
        raise BadInput(f"{file.name} holds a table of {len(shape)} dimensions.", "Write one row a vector.")
    rows = shape[0] if len(shape) == 2 else 1
    if not -rows <= source.row < rows:
        raise BadInput(f"{file.name} has no row {source.row}.", f"Its rows are 0 to {rows - 1}.")
    return table[:] if len(shape) == 1 else table[source.row % rows]
