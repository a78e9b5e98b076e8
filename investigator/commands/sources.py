"""Sources on a command line: `--source EXPRESSION`, read, its prompts opened, its files found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from investigator.commands.common import Options
from investigator.sources import Source, Stored, with_leaves

if TYPE_CHECKING:
    from investigator.commands.desk import Desk
    from investigator.prompt import Prompt


def given(at: Desk, options: Options, source: Source) -> tuple[Source, Prompt | None]:
    """Return a source of the command line ready to be asked, and its prompt where it is one place of one."""
    from investigator.at import placed

    return placed(at.bench, source if options.on else with_leaves(source, _from_here))


def _from_here(source: Source) -> Source:
    # The backend's own folder is another one; on another host a file here means nothing.
    if isinstance(source, Stored) and not Path(source.path).expanduser().is_absolute() and _is_file(source.path):
        return msgspec.structs.replace(source, path=str(Path(source.path).absolute()))
    return source


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False
