"""How much a search finds, measured once for an index and a reader with labels that entered no training."""

from __future__ import annotations

from pathlib import Path

import msgspec

from backends.engine.index.corpus_index import CorpusIndex
from backends.engine.readers.reader import Reader
from backends.engine.training.folders import write_atomically


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured, and how."""

    recall: float
    """Share of the best `top` positions that a search finds, mean over the sentences."""
    interval: tuple[float, float]
    top: int
    sentences: tuple[str, ...]
    recalls: tuple[float, ...]
    rescored: int
    """Positions that each search scored exactly."""
    audited: int
    """Unscored positions, drawn and scored exactly for each sentence, that say what was missed."""
    seed: int


def file_of(index: CorpusIndex, reader: Reader) -> Path:
    """Return where a reader's calibration of an index is kept."""
    return index.folder / "calibration" / f"{reader.fingerprint}.json"


def recall(index: CorpusIndex, reader: Reader) -> float | None:
    """Return the calibrated recall, None where it was not measured."""
    try:
        return msgspec.json.decode(file_of(index, reader).read_bytes(), type=Calibration).recall
    except (OSError, msgspec.DecodeError):
        return None


def keep(index: CorpusIndex, reader: Reader, found: Calibration) -> None:
    """Write a calibration beside its index."""
    content = msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n"
    write_atomically(file_of(index, reader), lambda temporary: _write(temporary, content))


def _write(file: Path, content: bytes) -> None:
    file.write_bytes(content)
