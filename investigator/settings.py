"""Settings: one TOML file, every key with a default and a sentence; `INVESTIGATOR_SECTION_KEY` overrides a key."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import msgspec

from investigator import paths
from investigator.errors import BadInput


class Backend(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How backends live and run."""

    linger: float = 300.0
    """Seconds a local backend stays after its last lease."""
    lease: float = 15.0
    """Seconds a client may be silent before its work is dropped."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1, mps."""
    dtype: str = "auto"
    """auto, float32, bfloat16, float16; scores that are shown are float32 unless this says otherwise."""
    threads: int = 0
    """Threads for matrix products; 0: all cores."""
    captures: int = 64
    """How many prompts' captured activations are kept."""


class App(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the app looks and feels."""

    workbench: str = "pocket"
    """Opened when nothing is named: a bundled name or a path."""
    theme: str = "investigator-dark"
    """investigator-dark, investigator-light, investigator-contrast, or any Textual theme."""
    marks: Literal["unicode", "ascii"] = "unicode"
    """Which marks stand for bars, ticks and cursors."""
    rest_ms: int = 150
    """Milliseconds the cursor rests before slow panes ask."""
    order: Literal["gap", "score", "activation"] = "gap"
    """First order of the label pane."""
    animations: bool = False
    """Whether widgets may animate."""


class Explaining(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The published constants of L2EL's appendix B."""

    samples: int = 50
    temperature: float = 1.0
    top_p: float = 0.9
    max_tokens: int = 32
    beta: float = 0.2
    seed: int = 0


class Host(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[hosts.NAME]`: a machine that `--on NAME` reaches with the system's OpenSSH."""

    ssh: str = ""
    """What `ssh` is given: a config alias, user@host; empty: the table's own name."""
    command: str = "investigator"
    """How the command is called there, as its shell reads it: `~/bench/bin/investigator`, or
    `uvx --from WHEEL investigator`."""
    venv: str = ""
    """A virtual environment there, whose `bin/investigator` is called instead of `command`."""
    workbench: str = ""
    """Opened there where nothing is named: a bundled name or a path on that machine; empty: its own setting."""
    forward: Literal["auto", "socket", "dial"] = "auto"
    """`socket` forwards the backend's unix socket, `dial` pipes every connection through `investigator dial`;
    `auto` dials where forwarding is not allowed."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All settings."""

    backend: Backend = Backend()
    app: App = App()
    explain: Explaining = Explaining()
    hosts: dict[str, Host] = {}


def settings_file() -> Path:
    """Return where the settings file is looked for."""
    return paths.config_folder() / "settings.toml"


def load(file: Path | None = None) -> Settings:
    """Read the settings file, apply environment overrides, and return the settings; raise BadInput on a bad key."""
    where = file or settings_file()
    try:
        table = msgspec.toml.decode(where.read_bytes()) if where.is_file() else {}
        return msgspec.convert(_overridden(table), Settings, strict=False)
    except (msgspec.ValidationError, msgspec.DecodeError, OSError) as error:
        raise BadInput(f"The settings file {where} cannot be used: {error}.", "Mend or remove that key.") from error


def _overridden(table: dict[str, Any]) -> dict[str, Any]:
    for section in (field for field in msgspec.structs.fields(Settings) if field.name != "hosts"):
        for field in msgspec.structs.fields(section.type):
            value = os.environ.get(f"INVESTIGATOR_{section.name}_{field.name}".upper())
            if value is not None:
                table.setdefault(section.name, {})[field.name] = value
    return table
