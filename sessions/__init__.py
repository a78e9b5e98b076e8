"""The lab notebook: SQLite store, search, export and replay."""

from sessions.export import export_json
from sessions.ids import DEFAULT_SESSION, new_id
from sessions.markdown import export_markdown
from sessions.recorder import Recorder
from sessions.records import Finding, SavedAnswer, Session, Strip
from sessions.replay import Comparison, compare
from sessions.store import Store, open_store

__all__ = [
    "DEFAULT_SESSION",
    "Comparison",
    "Finding",
    "Recorder",
    "SavedAnswer",
    "Session",
    "Store",
    "Strip",
    "compare",
    "export_json",
    "export_markdown",
    "new_id",
    "open_store",
]
