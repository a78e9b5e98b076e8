"""Text and JSON Lines, also compressed, read a block at a time: a file of one long line needs no more memory."""

from __future__ import annotations

import codecs
import gzip
import lzma
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from backends.engine.index.corpus_reading import LONGEST, Document, Reading, edge, numbered, parts, reason

MOST_LINE = 1 << 26
"""Bytes of one line of JSON Lines; a longer one is left out."""
_BLOCK = 1 << 20
_BLANK = re.compile(r"\n[ \t\r\f\v]*\n\s*")
_BROKEN = (OSError, EOFError, lzma.LZMAError, zlib.error)


def _open(path: Path) -> BinaryIO:
    if path.suffix.lower() == ".gz":
        return cast(BinaryIO, gzip.open(path, "rb"))
    if path.suffix.lower() == ".xz":
        return cast(BinaryIO, lzma.open(path, "rb"))
    return path.open("rb")


class _Cutter:
    """Takes a text block by block and gives its documents as they end."""

    def __init__(self, path: Path, whole: bool) -> None:
        self._path, self._whole = path, whole
        self._text = ""
        self._number = self._part = 0

    def take(self, block: str) -> Iterator[Document]:
        """Add a block, and yield the documents that end in what is known."""
        self._text += block
        at = 0
        while True:
            blank = None if self._whole else _BLANK.search(self._text, at, at + LONGEST)
            # White space at the very end may go on in the next block.
            if blank is not None and blank.end() < len(self._text):
                yield self._document(self._text[at : blank.start()])
                at, self._number, self._part = blank.end(), self._number + 1, 0
            elif len(self._text) - at > LONGEST:
                end = edge(self._text, at)
                yield self._document(self._text[at:end])
                at, self._part = end, self._part + 1
            else:
                break
        self._text = self._text[at:]

    def end(self) -> Document:
        """Return what is left."""
        return self._document(self._text)

    def _document(self, text: str) -> Document:
        name = self._path.name if self._whole else f"{self._path.name}#{self._number + 1}"
        return Document(numbered(name, self._part), text)


def text(path: Path, reading: Reading) -> Iterator[Document]:
    """Yield the documents of a text file."""
    cutter = _Cutter(path, reading.whole)
    for block in _decoded(path, reading):
        yield from cutter.take(block)
    yield cutter.end()


def _decoded(path: Path, reading: Reading) -> Iterator[str]:
    """Yield a text file a block at a time; ends with a note where its bytes are no text."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    begun = 0
    try:
        with _open(path) as file:
            while block := file.read(_BLOCK):
                if b"\0" in block:
                    reading.note(_refused(path, begun, "holds binary data"))
                    return
                yield decoder.decode(block).replace("\r\n", "\n")
                begun += len(block)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        reading.note(_refused(path, begun, f"is not UTF-8 text ({error.reason})"))
    except _BROKEN as error:
        reading.note(_refused(path, begun, f"cannot be read ({reason(error)})"))


def _refused(path: Path, begun: int, why: str) -> str:
    if not begun:
        return f"{path.name} {why} and is left out."
    return f"{path.name} {why} after byte {begun:,}; what follows is left out."


def json_lines(path: Path, reading: Reading) -> Iterator[Document]:
    """Yield the texts of a JSON Lines file; lines without one are counted."""
    bad: list[int] = []
    try:
        with _open(path) as file:
            for number, line in enumerate(_lines(file), 1):
                found = _field(line, reading.column)
                if found is not None:
                    yield from parts(f"{path.name}:{number}", found)
                elif line.strip():
                    bad.append(number)
    except _BROKEN as error:
        reading.note(f"{path.name} cannot be read to its end ({reason(error)}); what follows is left out.")
    if bad:
        lines = "1 line" if len(bad) == 1 else f"{len(bad):,} lines"
        reading.note(f"{lines} of {path.name} hold no text called {reading.column!r}; the first is line {bad[0]:,}.")


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield lines; of one that is too long only the beginning, which no decoder takes."""
    while line := file.readline(MOST_LINE):
        yield line
        while not line.endswith(b"\n") and len(line) >= _BLOCK:
            line = file.readline(_BLOCK)


def _field(line: bytes, name: str) -> str | None:
    try:
        row = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    found = row.get(name) if isinstance(row, dict) else None
    return found if isinstance(found, str) else None
