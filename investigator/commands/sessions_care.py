"""`sessions check`, `sessions repair` and `sessions backup`: looking after the session file."""

from __future__ import annotations

from pathlib import Path

from investigator import paths
from investigator.commands.printing import print_json, print_tables
from investigator.errors import StoreError
from investigator.tables import Table
from investigator.text import inert

CARE = ("check", "repair", "backup")
"""First words that mean the file itself; a session of such a name is opened by its id."""
BUSY = 5.0
"""Seconds to wait for another program's write."""


def care(what: str, file: str | None, json: bool) -> int:
    """Check, repair or copy the session file, and return the exit code: 6 where something is wrong with it."""
    named = Path(file).expanduser().absolute() if file else None
    if what == "backup":
        return _backup(named, json)
    path = named or paths.data_folder() / "sessions.db"
    return _check(path, json) if what == "check" else _repair(path, json)


def _check(path: Path, json: bool) -> int:
    from sessions.check import check

    found = list(check(path))
    failed = any(row.status == "error" for row in found)
    if json:
        print_json({"file": str(path), "checks": found})
    else:
        rows = tuple((row.status, row.name, f"{row.message} {row.mend}".strip()) for row in found)
        print_tables([Table(f"Checks of {path}", ("", "check", "what was found"), rows)])
    return StoreError.exit_code if failed else 0


def _repair(path: Path, json: bool) -> int:
    from sessions.repair import repair

    done = repair(path, busy=BUSY)
    if json:
        print_json(done)
        return 0
    back = ", ".join(f"{count:,} {name}" for name, count in done.rows.items() if count) or "nothing that was not there"
    if done.read:
        print(inert(f"Brought back into {done.path}: {back}."))
        print(inert(f"Read from, and kept as they are: {', '.join(done.read)}."))
    else:
        print(inert(f"{done.path} is whole, and no damaged file lies beside it: nothing to repair."))
    if done.adopted:
        print(f"{done.adopted} sessions had lost their name; theirs now begin with `recovered`.")
    return 0


def _backup(target: Path | None, json: bool) -> int:
    from sessions.backup import backup

    made = backup(paths.data_folder() / "sessions.db", target, busy=BUSY)
    size = made.stat().st_size
    if json:
        print_json({"file": str(made), "bytes": size})
    else:
        print(
            inert(
                f"Copied to {made} ({size / 1e6:,.1f} MB); it can be opened, checked and searched like the file itself."
            )
        )
    return 0
