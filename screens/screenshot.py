"""The current screen as an SVG file: for papers, issues and the README's picture."""

from __future__ import annotations

import contextlib
import datetime
from pathlib import Path
from typing import Any

from textual.app import App

from investigator import paths
from investigator.errors import StoreError


def default_file(room: str, now: datetime.datetime | None = None) -> Path:
    """Return a file in the data folder's `exports` that does not exist yet."""
    moment = (now or datetime.datetime.now()).strftime("%Y%m%d-%H%M%S")
    folder = paths.data_folder() / "exports"
    names = (f"investigator-{room}-{moment}{suffix}.svg" for suffix in ("", *(f"-{n}" for n in range(2, 100))))
    return next(folder / name for name in names if not (folder / name).exists())


def save(app: App[Any], file: Path | None = None) -> Path:
    """Write what the app shows right now and return where; raise StoreError where the file cannot be written."""
    return write(file or default_file(_room(app)), picture(app))


def picture(app: App[Any]) -> str:
    """Return what the app shows right now as SVG text."""
    return app.export_screenshot(title=f"Investigator: {_room(app)}")


def _room(app: App[Any]) -> str:
    return str(getattr(app.screen, "ROOM", "screen"))


def write(file: Path, text: str) -> Path:
    """Write an export whole or not at all, make its folder, and return its path; raise StoreError on failure."""
    unfinished = file.with_name(file.name + ".part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(text, encoding="utf-8", errors="replace")
        unfinished.replace(file)
    except OSError as error:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise StoreError(f"{file} cannot be written: {error.strerror or error}.", "Choose another file.") from error
    return file
