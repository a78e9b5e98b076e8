"""One key of a host's table written into the settings file, everything else of it left as a person wrote it."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import msgspec

from investigator import settings
from investigator.errors import BadInput

_PLAIN = re.compile(r"[A-Za-z0-9_-]+")
_KEY = re.compile(r"\s*command\s*=")


def set_command(host: str, command: str, file: Path | None = None) -> Path:
    """Set `command` in `[hosts.HOST]` and return the file; raise BadInput, with the line, where it cannot be done."""
    where = file or settings.settings_file()
    before = where.read_text(encoding="utf-8") if where.is_file() else ""
    after = _with_command(before, host, f"command = {json.dumps(command)}")
    if not _says(after, host, command) or not _rest_is_equal(before, after, host):
        raise BadInput(
            f"The settings file {where} is written in a way that is not changed by a program.",
            f"Write command = {json.dumps(command)} into [hosts.{_name(host)}] by hand.",
        )
    try:
        where.parent.mkdir(parents=True, exist_ok=True)
        fresh = where.with_name(f".{where.name}.{os.getpid()}")
        fresh.write_text(after, encoding="utf-8")
        fresh.replace(where)
    except OSError as error:
        raise BadInput(f"{where} cannot be written: {error.strerror}.", "Mend that, and ask again.") from error
    return where


def _name(host: str) -> str:
    return host if _PLAIN.fullmatch(host) else json.dumps(host)


def _with_command(text: str, host: str, line: str) -> str:
    header = re.compile(rf"\s*\[\s*hosts\s*\.\s*({re.escape(host)}|{re.escape(json.dumps(host))})\s*\]\s*(#.*)?")
    lines = text.splitlines()
    start = next((i for i, one in enumerate(lines) if header.fullmatch(one)), None)
    if start is None:
        return "\n".join([*lines, *([""] if lines else []), f"[hosts.{_name(host)}]", line, ""])
    end = next((i for i in range(start + 1, len(lines)) if lines[i].lstrip().startswith("[")), len(lines))
    old = next((i for i in range(start + 1, end) if _KEY.match(lines[i])), None)
    if old is None:
        lines.insert(start + 1, line)
    else:
        lines[old] = line
    return "\n".join([*lines, ""])


def _tables(text: str) -> dict[str, object]:
    try:
        found: dict[str, object] = msgspec.toml.decode(text)
    except msgspec.DecodeError:
        return {}
    return found


def _says(text: str, host: str, command: str) -> bool:
    hosts = _tables(text).get("hosts", {})
    table = hosts.get(host, {}) if isinstance(hosts, dict) else {}
    return isinstance(table, dict) and table.get("command") == command


def _rest_is_equal(before: str, after: str, host: str) -> bool:
    def rest(text: str) -> dict[str, object]:
        tables = _tables(text)
        hosts = tables.get("hosts", {})
        others = {name: table for name, table in hosts.items() if name != host} if isinstance(hosts, dict) else {}
        own = hosts.get(host, {}) if isinstance(hosts, dict) else {}
        kept = {key: value for key, value in own.items() if key != "command"} if isinstance(own, dict) else {}
        return {**tables, "hosts": {**others, host: kept}}

    return rest(before) == rest(after)
