"""Command lines: how a backend and its children are started with the very code that is running here."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

from investigator.settings import Settings

ENGINE = "backends.engine.engine:WorkbenchEngine"
"""MODULE:FACTORY of the engine, called with the workbench file and the settings."""


def arguments_for(workbench: str, engine: str, settings: Settings) -> list[str]:
    """Return the flags that make a backend or child use this workbench, engine and these backend settings."""
    flags = [f"--{name}={value}" for name, value in msgspec.structs.asdict(settings.backend).items()]
    return [f"--workbench={workbench}", f"--engine={engine}", *flags]


def python_module(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module; -P keeps a folder of the user's called `backends` out of its way."""
    return [sys.executable, "-P", "-m", module, *arguments]


def environment() -> dict[str, str]:
    """Return the environment in which `python -P -m backends.server` finds this code, installed or not."""
    root = Path(__file__).parents[1]
    found = dict(os.environ)
    if root.name not in {"site-packages", "dist-packages"}:
        found["PYTHONPATH"] = os.pathsep.join(filter(None, (str(root), found.get("PYTHONPATH"))))
    return found
