"""The options that a backend shares with its children: a workbench, an engine, and the settings it runs with."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from typing import Any, cast

import msgspec

from backends.base import Engine
from backends.command import ENGINE
from investigator import settings as files
from investigator import workbench
from investigator.errors import BadInput
from investigator.settings import Settings

NAMES = [field.name for field in msgspec.structs.fields(files.Backend)]


def parser(program: str) -> argparse.ArgumentParser:
    """Return a parser of what backend and child share."""
    made = argparse.ArgumentParser(prog=program)
    made.add_argument("--workbench", required=True, help="a bundled name, a TOML file or its folder")
    made.add_argument(
        "--engine", default=ENGINE, help="MODULE:FACTORY, called with the workbench file and the settings"
    )
    for name in NAMES:
        made.add_argument(f"--{name}", help=f"overrides the setting backend.{name}")
    return made


def settings_of(options: argparse.Namespace) -> Settings:
    """Return the settings file's values with what the command line overrides; raise BadInput on a bad value."""
    base = files.load()
    given = {name: getattr(options, name) for name in NAMES if getattr(options, name) is not None}
    try:
        backend = msgspec.convert(msgspec.structs.asdict(base.backend) | given, files.Backend, strict=False)
    except msgspec.ValidationError as error:
        raise BadInput(f"A setting of the backend cannot be used: {error}.", "See `--help`.") from error
    return msgspec.structs.replace(base, backend=backend)


def engine_maker(options: argparse.Namespace, settings: Settings) -> Callable[[], Engine]:
    """Return a function that imports and makes the engine, so that torch loads where and when it is called."""

    def make() -> Engine:
        module, _, factory = options.engine.partition(":")
        build: Any = getattr(importlib.import_module(module), factory)
        return cast(Engine, build(workbench.locate(options.workbench), settings))

    return make
