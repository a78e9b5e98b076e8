"""Pickles are programs: whoever loads one runs it. Weights are read from safetensors and arrays only."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from investigator.errors import WorkbenchError

KINDS = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".dill")
"""How names of pickles end."""
_lock = threading.RLock()
_TRUSTED = "in an environment that you would let run anything"


def is_pickle(file: Path) -> bool:
    """Whether a file is named like a pickle, and is not one of ours that only looks so."""
    return file.suffix.lower() in KINDS


def refuse(file: Path) -> None:
    """Raise WorkbenchError, with how to convert it, where a file is named like a pickle."""
    if is_pickle(file):
        raise WorkbenchError(
            f"{file} is a pickle, which runs code when it is loaded, so it is not.",
            f"Convert it {_TRUSTED}: `import torch; from safetensors.torch import save_file; "
            f'save_file(torch.load("{file.name}", weights_only=True), "{file.stem}.safetensors")`.',
        )


def refuse_model(folder: Path) -> None:
    """Raise WorkbenchError where a model's folder holds its weights as pickles and not as safetensors."""
    found = sorted(file.name for file in folder.glob("*") if is_pickle(file))
    if found and not any(folder.glob("*.safetensors")):
        raise WorkbenchError(
            f"The weights in {folder} are pickles ({found[0]}), which run code when they are loaded, so they are not.",
            f"Convert them {_TRUSTED}: `from transformers import AutoModelForCausalLM; "
            'AutoModelForCausalLM.from_pretrained("FROM").save_pretrained("TO")` writes safetensors.',
        )


def refuse_folder(folder: Path, wanted: str) -> None:
    """Raise WorkbenchError where a folder lacks the file that is wanted and holds a pickle instead."""
    if folder.is_file():
        refuse(folder)
    elif folder.is_dir() and not (folder / wanted).exists():
        for file in sorted(folder.iterdir()):
            refuse(file)


@contextmanager
def refused(what: str, mend: str) -> Iterator[None]:
    """Let nothing load a pickle through torch meanwhile, whatever library tries: raise WorkbenchError there."""
    import torch

    def stop(*_args: object, **_rest: object) -> NoReturn:
        raise WorkbenchError(f"{what} is a pickle, which runs code when it is loaded, so it is not.", mend)

    with _lock:
        load, torch.load = torch.load, stop
        try:
            yield
        finally:
            torch.load = load
