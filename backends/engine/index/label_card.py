"""What a label index is of, and where it lies: a folder that is whole once its card stands in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from backends.engine.readers.reader import Reader
from investigator import paths
from investigator.errors import WorkbenchError

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

VERSION = 2
CARD = "card.json"
DRAFT = "draft.json"
TABLES = "tables.safetensors"
FOLDER = "label_index"
AGAIN = "Make it with `investigator index labels`; what is there already is not made again."


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Fingerprints of everything that an index depends on, and the choices that it was made with."""

    version: int = VERSION
    subject: str
    reader: str
    labels: str
    """Of the list of texts, in order."""
    statistics: str
    texts: int
    """Number of texts that can be scored."""
    width: int
    anchors: int
    sources: int
    """Exact rankings that the estimate is fitted on."""
    heldout: int
    """Exact rankings that recall is measured on."""


class Recall(msgspec.Struct, frozen=True, kw_only=True):
    """Share of the true top rows, on held-out sources, for one order."""

    top: int
    """How many rows count as the top."""
    estimate: float
    """Of them, those among as many rows of the first estimate."""
    rescored: float
    """Of them, those among the texts scored exactly."""
    candidates: int
    """How many texts are scored exactly."""


class IndexCard(msgspec.Struct, frozen=True, kw_only=True):
    """What `card.json` says."""

    identity: Identity
    gap: Recall
    score: Recall
    exact_means: bool
    """Whether the texts' means over the background are exact, or estimated from the sources and the estimate."""
    seconds: dict[str, float] = {}
    """Seconds that each stage took, over all runs."""
    dtype: str = ""
    """In which gradients were computed."""
    libraries: dict[str, str] = {}
    machine: str = ""


def cached(key: str) -> Path:
    """Return the cache folder of an index."""
    return paths.cache_folder() / FOLDER / key


def key_of(engine: WorkbenchEngine, reader: Reader, labels: str) -> str:
    """Return what tells indexes apart: reader, list of texts (its fingerprint), statistics."""
    return key(reader.fingerprint, labels, engine.parts.layer_statistics(reader.subject.name).fingerprint)


def key(reader: str, labels: str, statistics: str) -> str:
    """Return the same of three fingerprints."""
    return f"{reader}-{labels}-{statistics}"


def places(reader: Path, key: str) -> tuple[Path, Path]:
    """Return where an index may lie: beside the reader, in whose folder it ships, and in the cache."""
    return reader / FOLDER, cached(key)


def read_card(folder: Path) -> IndexCard | None:
    """Return a folder's card, None where there is none; raise WorkbenchError where it is malformed."""
    try:
        return msgspec.json.decode((folder / CARD).read_bytes(), type=IndexCard)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise WorkbenchError(f"The label index's card {folder / CARD} cannot be read: {error}.", AGAIN) from error


def read_draft(folder: Path) -> Identity | None:
    """Return what an index in the making is of; None where nothing readable says so."""
    try:
        return msgspec.json.decode((folder / DRAFT).read_bytes(), type=Identity)
    except (OSError, msgspec.DecodeError):
        return None


def mismatch(card: IndexCard, *, subject: str, reader: str, labels: str, statistics: str) -> str:
    """Return in words which part an index was made for is another one; empty where all are the same."""
    made = card.identity
    if made.version != VERSION:
        return f"format {made.version}, and this version reads format {VERSION}"
    pairs = {
        "another model": (made.subject, subject),
        "another reader": (made.reader, reader),
        "another list of labels": (made.labels, labels),
        "other layer statistics": (made.statistics, statistics),
    }
    return next((words for words, (left, right) in pairs.items() if left != right), "")
