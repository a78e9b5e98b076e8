"""Where each stage of training reads and writes inside one output folder (the layout of a bundled workbench)."""

import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Folders:
    """Paths of one subject's parts in the making; everything but `work` is what ships."""

    root: Path
    suffix: str = ""
    """How names of one layer's readers, figures and checkpoints end: nothing at the main layer, else `-L<layer>`."""
    shared: Path | None = None
    """The folder of the first subject, whose documents a further subject is trained and measured on."""

    def at(self, layer: int, main: int) -> "Folders":
        """The same folders for the parts of one layer."""
        return replace(self, suffix="" if layer == main else f"-L{layer}")

    @property
    def subject(self) -> Path:
        """The transformers directory of the language model."""
        return self.root / "subject"

    def sae(self, layer: int) -> Path:
        """The SAELens directory of the layer's sparse autoencoder."""
        return self.root / "saes" / f"L{layer}"

    def labels(self, layer: int) -> Path:
        """The layer's labels, one Neuronpedia-style explanation a line."""
        return self.root / "labels" / f"L{layer}.jsonl"

    @property
    def statistics(self) -> Path:
        """Per-layer statistics (`layers.safetensors`) and one folder of latent statistics a layer."""
        return self.root / "statistics"

    @property
    def readers(self) -> Path:
        """Trained mappers, one folder each."""
        return self.root / "readers"

    def reader(self, name: str) -> Path:
        """Folder of one trained mapper of this layer."""
        return self.readers / f"{name}{self.suffix}"

    def sae_name(self, layer: int) -> str:
        """What the workbench file calls the layer's autoencoder."""
        return f"{self.root.name}-l{layer}" if self.shared else f"l{layer}"

    def heldout(self, split: str) -> Path:
        """Held-out documents ("tune" or "test") that ship, with their attribution."""
        return (self.shared or self.root) / "heldout" / f"{split}.jsonl"

    @property
    def recipe(self) -> Path:
        """The recipe that made this folder."""
        return self.root / "recipe.toml"

    def figures(self, stage: str) -> Path:
        """What a stage measured, as JSON."""
        return self.root / "figures" / f"{stage}{self.suffix}.json"

    @property
    def work(self) -> Path:
        """Caches and checkpoints, which never ship."""
        return self.root / "work"

    def checkpoint(self, name: str) -> Path:
        """Where a stage of this layer keeps what it goes on from."""
        return self.work / f"{name}{self.suffix}.pt"

    @property
    def splits(self) -> Path:
        """The cached text of the training split, one folder."""
        return (self.shared or self.root) / "work" / "splits"


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Call `write` on a temporary file beside `path`, then rename it, so that a kill leaves the old file whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        # mkstemp makes a private file; what ships must be readable by others.
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file atomically, readable and with sorted keys; NaN is refused (ValueError)."""
    text = json.dumps(value, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"
    write_atomically(path, lambda temporary: _write_text(temporary, text))


def write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write a JSONL file atomically."""
    text = "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)
    write_atomically(path, lambda temporary: _write_text(temporary, text))


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Rows of a JSONL file."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
