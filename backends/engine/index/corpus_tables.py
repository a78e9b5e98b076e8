"""Parquet files and datasets that `datasets` saved to disk, read a few rows at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from backends.engine.index.corpus_reading import Document, Reading, parts, reason

# Rows at once; a row holds at most a document, which may be long.
_ROWS = 64


def is_dataset(path: Path) -> bool:
    """Whether a folder holds what `datasets` saved to disk."""
    return any((path / name).is_file() for name in ("state.json", "dataset_dict.json"))


def parquet(path: Path, reading: Reading) -> Iterator[Document]:
    """Yield the texts of a Parquet file's column."""
    import pyarrow
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            if _has(file.schema_arrow.names, path, reading):
                batches = file.iter_batches(batch_size=_ROWS, columns=[reading.column])
                yield from _rows(path.name, (batch.column(0).to_pylist() for batch in batches), reading)
    except (OSError, pyarrow.ArrowException) as error:
        reading.note(f"{path.name} is no Parquet file that can be read ({reason(error)}) and is left out.")


def dataset(path: Path, reading: Reading) -> Iterator[Document]:
    """Yield the texts of a saved dataset's column, split by split."""
    import datasets

    try:
        loaded: Any = datasets.load_from_disk(str(path))
    except Exception as error:
        # A broken folder raises whatever the libraries below it raise.
        reading.note(f"{path.name} is no saved dataset that can be read ({reason(error)}) and is left out.")
        return
    for split, rows in sorted(loaded.items()) if isinstance(loaded, dict) else [("", loaded)]:
        if _has(rows.column_names, path, reading):
            tables = (rows[start : start + _ROWS][reading.column] for start in range(0, len(rows), _ROWS))
            yield from _rows(f"{path.name}/{split}" if split else path.name, tables, reading)


def _has(names: list[str], path: Path, reading: Reading) -> bool:
    if reading.column in names:
        return True
    reading.note(f"{path.name} has no column {reading.column!r} and is left out; it has: {', '.join(names)}.")
    return False


def _rows(name: str, tables: Iterable[list[Any]], reading: Reading) -> Iterator[Document]:
    number = 0
    for table in tables:
        for text in table:
            number += 1
            if isinstance(text, str):
                yield from parts(f"{name}:{number}", text)
            elif text is not None:
                reading.note(f"The column {reading.column!r} of {name} holds more than text, which is left out.")
