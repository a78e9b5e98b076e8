"""Documents out of files of any size: text, JSON Lines, Parquet, saved datasets; memory stays bounded.

What cannot be read is left out and said in one sentence a file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from backends.engine import pickles
from backends.engine.index import corpus_plain, corpus_tables
from backends.engine.index.corpus_reading import Document, Reading
from investigator.errors import BadInput


def files(paths: list[Path]) -> list[Path]:
    """Return the files and saved datasets that paths name, in a fixed order; raise BadInput where one is missing."""
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise BadInput(f"There is no file or folder {path}.", "Check its name.")
        found += _inside(path)
    if not found:
        raise BadInput("There is no file in what was named.", "Name files of text, JSON Lines or Parquet.")
    return found


def _inside(path: Path) -> list[Path]:
    if not path.is_dir() or corpus_tables.is_dataset(path):
        return [path]
    nested = (each for each in sorted(path.iterdir()) if not each.name.startswith("."))
    return [found for each in nested for found in _inside(each)]


def documents(path: Path, reading: Reading) -> Iterator[Document]:
    """Yield a file's documents in order, the empty ones left out; never raises for what the file holds."""
    count, known = 0, len(reading.notes)
    for found in _read(path, reading):
        if found.text.strip():
            count += 1
            yield found
    if not count and len(reading.notes) == known:
        reading.note(f"{path.name} holds no text and is left out.")


def _read(path: Path, reading: Reading) -> Iterator[Document]:
    if path.is_dir():
        return corpus_tables.dataset(path, reading)
    if pickles.is_pickle(path):
        raise BadInput(
            f"{path} is named like a pickle, which runs code when it is loaded, so it is not.",
            "Write its texts as JSON Lines or Parquet.",
        )
    kind = path.name.lower().removesuffix(".gz").removesuffix(".xz")
    if kind.endswith(".parquet"):
        return corpus_tables.parquet(path, reading)
    if kind.endswith((".jsonl", ".ndjson")):
        return corpus_plain.json_lines(path, reading)
    return corpus_plain.text(path, reading)
