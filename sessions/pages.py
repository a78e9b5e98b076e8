"""Rows read page by page from a damaged database file, without the trees that lead to them.

SQLite itself gives up a whole branch of a table where one page above it is damaged; its shell's `.recover` does what
this does, but the shell is not installed everywhere and Python's module does not have it. The layout is that of
https://sqlite.org/fileformat2.html: every leaf page of a table (first byte 13) holds whole rows, or their beginning and
the number of the overflow page that goes on with them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LEAF = 13
"""First byte of a page that holds rows of a table."""
_USUAL_PAGE = 4096
_FRAME, _WAL = 24, 32
"""Bytes of a frame's header, and of the write-ahead log's own."""
_INTEGERS = (0, 1, 2, 3, 4, 6, 8)
"""Bytes of an integer, by its serial type."""

Row = tuple[Any, ...]


class Pages:
    """The pages of a database file, the newest of each taken from its write-ahead log where that has one."""

    def __init__(self, file: Path) -> None:
        """Read the file and its log; nothing of either is changed."""
        self._file = file.read_bytes()
        self.size = _page_size(self._file)
        self._log = dict(_logged(file.with_name(file.name + "-wal"), self.size))

    @property
    def count(self) -> int:
        """Number of pages, those of the log included."""
        return max(len(self._file) // self.size, *self._log, 0) if self._log else len(self._file) // self.size

    def page(self, number: int) -> bytes:
        """Return a page, counted from 1; empty where there is none."""
        return self._log.get(number) or self._file[(number - 1) * self.size : number * self.size]

    def rows(self) -> Iterator[Row]:
        """Yield every row that can be read, of whatever table; what cannot is left out.

        A page that stands in the log and in the file is read in both: rows are only ever added.
        """
        for number in range(1, self.count + 1):
            yield from self._rows(self.page(number), 100 if number == 1 else 0)
            if number in self._log:
                yield from self._rows(self._file[(number - 1) * self.size : number * self.size], 0)

    def _rows(self, page: bytes, start: int) -> Iterator[Row]:
        if len(page) < self.size or page[start] != LEAF:
            return
        (cells,) = struct.unpack_from(">H", page, start + 3)
        for index in range(min(cells, (self.size - start - 8) // 2)):
            (at,) = struct.unpack_from(">H", page, start + 8 + 2 * index)
            try:
                yield _record(self._payload(page, at))
            except (IndexError, ValueError, struct.error, UnicodeDecodeError):
                continue

    def _payload(self, page: bytes, at: int) -> bytes:
        length, at = _varint(page, at)
        _, at = _varint(page, at)  # the rowid, which nothing refers to
        local = _local(length, self.size)
        if length > len(self._file) + len(self._log) * self.size or at + local > len(page):
            raise ValueError("longer than the file")
        if local == length:
            return page[at : at + length]
        (following,) = struct.unpack_from(">I", page, at + local)
        return page[at : at + local] + self._overflow(following, length - local)

    def _overflow(self, number: int, left: int) -> bytes:
        parts: list[bytes] = []
        while left > 0:
            page = self.page(number) if number > 0 else b""
            if len(page) < self.size:
                raise ValueError("the chain of overflow pages is broken")
            (number,) = struct.unpack_from(">I", page, 0)
            parts.append(page[4 : 4 + left])
            left -= len(parts[-1])
        return b"".join(parts)


def _page_size(file: bytes) -> int:
    if len(file) < 18 or not file.startswith(b"SQLite format 3\0"):
        return _USUAL_PAGE
    (size,) = struct.unpack_from(">H", file, 16)
    size = 65536 if size == 1 else size
    return size if size >= 512 and size & (size - 1) == 0 else _USUAL_PAGE


def _logged(log: Path, size: int) -> Iterator[tuple[int, bytes]]:
    """Yield (page number, page) of the log's frames that belong to its present run, oldest first."""
    content = log.read_bytes() if log.is_file() else b""
    salts = content[16:24]
    for at in range(_WAL, len(content) - _FRAME - size + 1, _FRAME + size):
        if content[at + 8 : at + 16] == salts:
            (number,) = struct.unpack_from(">I", content, at)
            yield number, content[at + _FRAME : at + _FRAME + size]


def _local(length: int, size: int) -> int:
    """Return how many bytes of a payload stand on its leaf page itself."""
    most, least = size - 35, (size - 12) * 32 // 255 - 23
    if length <= most:
        return length
    kept = least + (length - least) % (size - 4)
    return kept if kept <= most else least


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number of one to nine bytes that begins there, and where the next thing begins."""
    value = 0
    for count in range(8):
        byte = data[at + count]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + count + 1
    return value << 8 | data[at + 8], at + 9


def _record(payload: bytes) -> Row:
    header, at = _varint(payload, 0)
    kinds: list[int] = []
    while at < header:
        kind, at = _varint(payload, at)
        kinds.append(kind)
    values: list[Any] = []
    for kind in kinds:
        value, at = _value(payload, at, kind)
        values.append(value)
    if at != len(payload):
        raise ValueError("the record does not fill its cell")
    return tuple(values)


def _value(data: bytes, at: int, kind: int) -> tuple[Any, int]:
    if kind < len(_INTEGERS) and kind:
        end = at + _INTEGERS[kind]
        return int.from_bytes(data[at:end], "big", signed=True), end
    if kind == 7:
        return struct.unpack_from(">d", data, at)[0], at + 8
    if kind in {8, 9}:
        return kind - 8, at
    if kind < 12:
        if kind:
            raise ValueError("a reserved kind of value")
        return None, at
    end = at + (kind - 12) // 2
    return (data[at:end].decode("utf-8") if kind % 2 else data[at:end]), end
