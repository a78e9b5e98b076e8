"""What every reader of a corpus file shares: documents, what was found wrong, and where a long text is cut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

LONGEST = 1 << 16
"""Characters of one document; a longer one comes as several."""


@dataclass(frozen=True)
class Document:
    """One document, or a part of a long one."""

    name: str
    """File and place in it."""
    text: str


@dataclass
class Reading:
    """How files are read, and what was found wrong with them."""

    column: str = "text"
    """Where JSON Lines, Parquet and saved datasets keep the text."""
    whole: bool = False
    """Whether a text file is one document; otherwise blank lines part its documents."""
    notes: list[str] = field(default_factory=list)
    """One sentence for each file that gave nothing, or not everything."""

    def note(self, sentence: str) -> None:
        """Keep a sentence, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)


def edge(text: str, start: int = 0) -> int:
    """Return where a text of more than `LONGEST` characters from `start` on is cut.

    That is at the last white space of the second half of these characters, or after them where there is none.
    """
    last = start + LONGEST
    return next((at for at in range(last, start + LONGEST // 2, -1) if text[at].isspace()), last)


def parts(name: str, text: str) -> Iterator[Document]:
    """Yield a text as documents of at most `LONGEST` characters."""
    start, part = 0, 0
    while len(text) - start > LONGEST:
        end = edge(text, start)
        yield Document(numbered(name, part), text[start:end])
        start, part = end, part + 1
    yield Document(numbered(name, part), text[start:])


def numbered(name: str, part: int) -> str:
    """Return the name of a part of a document."""
    return f"{name}+{part}" if part else name


def reason(error: BaseException) -> str:
    """Return what a library says went wrong, in one line."""
    said = getattr(error, "strerror", None) or str(error)
    return " ".join(said.split())[:200] or type(error).__name__
