"""Readers with weights of their own: what loading them takes is said before it begins, and not while resolving."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from backends.engine import loading
from backends.engine.readers.prepared import plan_name
from backends.engine.readers.reader import open_reader
from backends.engine.readers.weights import folder_of, is_adapter, needed
from investigator.wire import Event, Progress

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine


def loads_weights(engine: WorkbenchEngine, name: str) -> bool:
    """Return whether opening a reader would load a whole model now."""
    entry = engine.parts.reader_entry(name)
    if entry.kind == "soft_prompt" or not entry.path or engine.parts.known("reader", name):
        return False
    return bool(entry.base) or not is_adapter(folder_of(entry.path, entry.revision, engine.folder))


def plan_of(engine: WorkbenchEngine, name: str) -> str:
    """Return the batch plan of a reader, for provenance."""
    if loads_weights(engine, name):
        return f"trie, decided when {name} is loaded"
    return plan_name(open_reader(engine, name).speaker)


def opening(engine: WorkbenchEngine, name: str) -> Iterator[Event | None]:
    """Load a reader; where that loads a whole model, say first how much memory it needs and how much is free."""
    if not loads_weights(engine, name):
        return
    entry = engine.parts.reader_entry(name)
    folder = folder_of(entry.path, entry.revision, engine.folder)
    whole = folder_of(entry.base, entry.revision, engine.folder) if is_adapter(folder) else folder
    settings = engine.settings.backend
    need = needed(whole, entry.dtype or settings.dtype, loading.pick_device(settings.device))
    yield Progress(0, 0, f"loading {name}: {need.said}")
    open_reader(engine, name)
    yield None
