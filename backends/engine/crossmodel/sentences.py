"""Sentences to fit a map on: from files, or cut from the documents of a workbench."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np

from backends.engine import fingerprints
from investigator.errors import BadInput

_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+")
_SHORTEST, _LONGEST = 20, 400
"""Characters of a sentence that is cut from a document: shorter ones are headings, longer ones lists."""


class Sentence(msgspec.Struct, frozen=True):
    """A text, of which the characters `start` to `end` are averaged over; all of them where `end` is None."""

    text: str
    start: int = 0
    end: int | None = None
    where: str = ""
    """File and line, for messages."""


class _Line(msgspec.Struct):
    text: str
    start: int = 0
    end: int | None = None


def from_files(files: Sequence[str]) -> list[Sentence]:
    """Read sentences, one a line, or JSON Lines of `text` with `start` and `end` characters; raise BadInput."""
    found = list(dict.fromkeys(sentence for file in files for sentence in _read(Path(file))))
    if not found:
        raise BadInput(f"There is no sentence in {', '.join(files)}.", "Write one a line.")
    return found


def _read(file: Path) -> Iterator[Sentence]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"The sentences {file} cannot be read: {error}.", "Name a UTF-8 text file.") from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _sentence(line.strip(), f"{file.name}:{number}", file.suffix == ".jsonl")


def _sentence(line: str, where: str, json: bool) -> Sentence:
    if not json:
        return Sentence(line, where=where)
    try:
        read = msgspec.json.decode(line, type=_Line)
    except msgspec.DecodeError as error:
        raise BadInput(f"{where} is no sentence: {error}.", 'Write {"text": "..."}, with `start` and `end`.') from error
    if not 0 <= read.start < (len(read.text) if read.end is None else read.end) <= len(read.text):
        raise BadInput(f"{where} has no characters {read.start} to {read.end}.", "Count from 0; the end is excluded.")
    return Sentence(read.text, read.start, read.end, where)


def from_documents(file: Path, count: int, seed: int) -> list[Sentence]:
    """Cut sentences from the documents of a JSON Lines file and draw `count` of them, in the documents' order."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"The documents {file} cannot be read: {error}.", "Name files of sentences.") from error
    documents = (msgspec.json.decode(line, type=_Line).text for line in lines if line.strip())
    found = list(dict.fromkeys(cut(documents)))
    if len(found) <= count:
        return [Sentence(text) for text in found]
    chosen = np.sort(np.random.default_rng(seed).permutation(len(found))[:count])
    return [Sentence(found[at]) for at in chosen]


def cut(documents: Iterable[str]) -> Iterator[str]:
    """Cut documents into sentences of 20 to 400 characters."""
    for document in documents:
        for line in document.splitlines():
            for sentence in _END.split(line):
                if _SHORTEST <= len(sentence.strip()) <= _LONGEST:
                    yield sentence.strip()


def digest(sentences: Sequence[Sentence]) -> str:
    """Return the fingerprint of sentences and their spans, in order."""
    return fingerprints.of_text("\n".join(f"{one.start}:{one.end}:{one.text}" for one in sentences))
