"""The editor of a finding's note and tags."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input, Label, TextArea

from screens.modals.base import Sheet


@dataclass(frozen=True)
class Note:
    """What a person says about a finding."""

    text: str
    tags: tuple[str, ...]


def tags_of(line: str) -> tuple[str, ...]:
    """Return the tags of a typed line: split at commas and blanks, # dropped, in order, each once."""
    words = (word.lstrip("#") for word in line.replace(",", " ").split())
    return tuple(dict.fromkeys(word for word in words if word))


class NoteEditor(Sheet[Note]):
    """Dismisses with the note, or None where nothing is to change."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "save", "Save", id="note.save", priority=True, tooltip="Save the note and its tags"),
    ]

    def __init__(self, title: str, note: str = "", tags: tuple[str, ...] = ()) -> None:
        super().__init__(title, "tab note/tags · ctrl+s save · esc leave as it was")
        self._note, self._tags = note, tags

    def compose(self) -> ComposeResult:
        """Lay out the note above its tags."""
        yield self.box(
            Label("note"),
            TextArea(self._note, id="note-text"),
            Label("tags, separated by blanks (enter saves)"),
            Input(" ".join(self._tags), id="note-tags", select_on_focus=False),
            id="note",
        )

    def on_mount(self) -> None:
        """Write at once."""
        area = self.query_one(TextArea)
        area.focus()
        area.move_cursor(area.document.end)

    def on_input_submitted(self) -> None:
        """Save from the line of tags."""
        self.action_save()

    def action_save(self) -> None:
        """Hand the note back."""
        self.dismiss(Note(self.query_one(TextArea).text.strip(), tags_of(self.query_one(Input).value)))
