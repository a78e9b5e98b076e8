"""Sheets that lie over a screen until esc: text, notes, exports, sessions, a question."""

from screens.modals.ask import Ask
from screens.modals.confirm import Confirm
from screens.modals.export import ExportChoice, ExportChooser
from screens.modals.note import Note, NoteEditor
from screens.modals.replay import ReplaySheet
from screens.modals.session import SessionChooser
from screens.modals.text_viewer import TextViewer

__all__ = [
    "Ask",
    "Confirm",
    "ExportChoice",
    "ExportChooser",
    "Note",
    "NoteEditor",
    "ReplaySheet",
    "SessionChooser",
    "TextViewer",
]
