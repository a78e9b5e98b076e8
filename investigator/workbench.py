"""The workbench file: a TOML that names subjects, SAEs with labels, and readers, by hub id, path or bundled name."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Literal

import msgspec

from investigator import paths
from investigator.errors import WorkbenchError

BUNDLED = ("pocket",)
"""Workbenches that ship with the package, under backends/."""


class SubjectEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[subjects.NAME]`: a causal language model that transformers loads."""

    model: str
    """Hub id, or a path relative to the workbench file."""
    revision: str = ""
    layer: int = -1
    """Default layer; -1: the layer of its first SAE, else two thirds of the depth."""
    statistics: str = ""
    """safetensors of per-layer mean, covariance and background activations, relative to the file; may be empty."""
    dtype: str = ""
    """Overrides `backend.dtype`."""
    trust_remote_code: bool = False


class SaeEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[saes.NAME]`: a sparse autoencoder on one subject's residual stream."""

    subject: str
    layer: int
    path: str = ""
    """A SAELens directory, relative to the file."""
    release: str = ""
    id: str = ""
    """A SAELens release and id, instead of a path."""
    labels: str = ""
    """JSONL (or .jsonl.gz) with the fields of a Neuronpedia explanation."""
    statistics: str = ""
    """Folder with latents.safetensors and contexts, relative to the file; may be empty."""


ReaderKind = Literal["soft_prompt", "nla", "oracle", "latentqa", "selfie", "patchscopes"]
UNTRAINED = ("selfie", "patchscopes")
"""Kinds that need no files: every subject has them at every layer, also without an entry."""


class ReaderEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[readers.NAME]`: something that turns a source into a distribution over text."""

    subject: str
    layer: int
    """Block whose output it reads; -1: any, and the question says which."""
    path: str = ""
    """Folder relative to the file, or a hub id; empty for kinds that need no files."""
    kind: ReaderKind = "soft_prompt"
    base: str = ""
    """Folder or hub id of the model that an adapter belongs to; empty: the subject itself."""
    reconstructor: str = ""
    """Folder or hub id of the model that turns a text back into an activation (AR); may be empty."""
    revision: str = ""
    dtype: str = ""
    """Of the weights that it loads; empty: `backend.dtype`."""
    injection: dict[str, str | int | float | bool] = {}
    """Fields of its InjectionSpec that differ from its files: prompt, question, block, operation, scale, slots, ..."""
    sae: str = ""
    """The SAE whose labels it was trained on and ranks."""
    default: bool = False
    prompt_only: str = ""
    """Folder of the control reader that sees the prompt's text instead of the activation, relative to the file."""


class CorpusEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[corpora.NAME]`: a corpus index that `investigator index corpus` made."""

    path: str
    """Folder of the index, relative to the file."""


class MapEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[maps.NAME]`: a linear map between two subjects that `investigator train map` made."""

    path: str
    """Folder of the map, relative to the file; subjects and layers stand on its card."""


class Workbench(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole workbench."""

    name: str
    subjects: dict[str, SubjectEntry]
    saes: dict[str, SaeEntry] = {}
    readers: dict[str, ReaderEntry] = {}
    corpora: dict[str, CorpusEntry] = {}
    maps: dict[str, MapEntry] = {}
    example: str = "The capital of France is Paris"
    heldout: str = ""
    """Folder with tune and test documents, for figures."""
    embedder: str = ""


def locate(name_or_path: str) -> Path:
    """Return the file of a bundled name, a name in the configuration folder, a TOML file or a folder that holds one."""
    for candidate in _candidates(name_or_path):
        if candidate.is_file():
            return candidate
    raise WorkbenchError(
        f"There is no workbench called {name_or_path!r}.",
        f"Name a TOML file, or one of: {', '.join(BUNDLED)}.",
    )


def _candidates(name: str) -> list[Path]:
    given = Path(name).expanduser()
    found = [given / "workbench.toml", given] if given.suffix or given.exists() else []
    if name in BUNDLED:
        found.insert(0, Path(str(resources.files("backends"))) / name / "workbench.toml")
    return [*found, paths.config_folder() / "workbenches" / f"{name}.toml"]


def load(file: Path) -> Workbench:
    """Read and check a workbench file; raise WorkbenchError with a sentence that names the key."""
    try:
        workbench = msgspec.toml.decode(file.read_bytes(), type=Workbench)
    except (msgspec.ValidationError, msgspec.DecodeError, OSError) as error:
        raise WorkbenchError(
            f"The workbench {file} cannot be read: {error}.", "Mend that key and open it again."
        ) from error
    _check_references(workbench)
    return workbench


def _check_references(workbench: Workbench) -> None:
    if not workbench.subjects:
        raise WorkbenchError("The workbench names no subject model.", "Add a [subjects.NAME] table with a model.")
    for kind, entries in (("saes", workbench.saes), ("readers", workbench.readers)):
        for name, entry in entries.items():
            _check_named(f"[{kind}.{name}] subject", entry.subject, workbench.subjects)
    for name, reader in workbench.readers.items():
        if reader.sae:
            _check_named(f"[readers.{name}] sae", reader.sae, workbench.saes)
        if not reader.path and reader.kind not in UNTRAINED:
            raise WorkbenchError(
                f"[readers.{name}] names no path, and a reader of kind {reader.kind!r} has files.",
                "Give `path`: its folder, or a hub id.",
            )
        if "@" in name:
            raise WorkbenchError(f"[readers.{name}] holds @, which stands before a layer.", "Give it another name.")


def _check_named(where: str, name: str, table: dict[str, SubjectEntry] | dict[str, SaeEntry]) -> None:
    if name not in table:
        raise WorkbenchError(
            f"{where} names {name!r}, which the workbench does not have.", f"It has: {', '.join(table)}."
        )
