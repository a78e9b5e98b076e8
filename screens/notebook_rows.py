"""What the notebook lists: findings or answers of the session that fit the search, read from the store in a thread."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from screens import saved_text
from screens.widgets.row_table import Cell, Column, Line

if TYPE_CHECKING:
    from sessions import Finding, SavedAnswer, Session, Store

View = Literal["findings", "answers"]
COLUMNS = (Column("when", 11, left=True), Column("what", 8, least=56, left=True))
MOST = 200
"""Answers listed at once, the newest; a search finds older ones."""


@dataclass(frozen=True)
class Search:
    """A typed search: words that must stand in a row, and tags that a finding must have."""

    words: str
    tags: tuple[str, ...]


def parse(typed: str) -> Search:
    """Return what is asked: `#tag` asks for a tag, everything else for words."""
    parts = typed.split()
    tags = tuple(part[1:] for part in parts if part.startswith("#") and len(part) > 1)
    return Search(" ".join(part for part in parts if not part.startswith("#")), tags)


@dataclass(frozen=True, eq=False)
class Entry:
    """One row of the notebook."""

    key: str
    answer_id: str
    when: str
    kind: str
    title: str
    finding: Finding | None = None
    saved: SavedAnswer | None = None
    """Read already in the view of answers; findings read theirs when they are looked at."""

    @property
    def line(self) -> Line:
        """Return the row of the table."""
        tags = "".join(f"  #{tag}" for tag in self.finding.tags) if self.finding else ""
        note = f"  ({self.finding.note.splitlines()[0]})" if self.finding and self.finding.note.strip() else ""
        return Line(self.key, (Cell(self.when, "muted"), Cell(self.kind, "muted")), self.title + tags + note)


def read(store: Store, session: Session | None, view: View, search: Search) -> list[Entry]:
    """Return the rows of a view, newest first."""
    if view == "answers":
        return [of_answer(saved) for saved in reversed(store.answers(session, search.words, limit=MOST))]
    found = store.findings(session, search.words)
    return [of_finding(finding) for finding in reversed(found) if has_tags(finding, search.tags)]


def of_answer(saved: SavedAnswer) -> Entry:
    """Return the row of an answer."""
    return Entry(saved.id, saved.id, when(saved.saved_at), saved.kind, saved_text.line(saved), saved=saved)


def of_finding(finding: Finding) -> Entry:
    """Return the row of a finding."""
    kind = finding.row_key.split(":", 1)[0].removesuffix("Row").lower() or "answer"
    return Entry(finding.id, finding.answer_id, when(finding.made_at), kind, finding.title, finding)


def when(moment: str) -> str:
    """Return month, day, hour and minute of an ISO time, in the computer's own time zone."""
    import datetime

    try:
        return datetime.datetime.fromisoformat(moment).astimezone().strftime("%m-%d %H:%M")
    except ValueError:
        return moment[:11]


def has_tags(finding: Finding, wanted: Iterable[str]) -> bool:
    """Whether a finding has every wanted tag, or one that begins with it: tags are found while they are typed."""
    tags = [tag.casefold() for tag in finding.tags]
    return all(any(tag.startswith(want.casefold()) for tag in tags) for want in wanted)


def all_tags(entries: Sequence[Entry]) -> list[str]:
    """Return the tags of the listed findings, each once, in order."""
    return sorted({tag for entry in entries if entry.finding for tag in entry.finding.tags}, key=str.casefold)
