"""Labels as they come back from a reader: a JSON object or `latent|label` a line, kept or refused with a reason."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backends.engine.training.labels.choice import is_offensive
from investigator.errors import BadInput

SHORTEST, LONGEST = 3, 120
"""Characters of a label."""
_LONGEST_NOTE = 400
_PLAIN = re.compile(r"\s*#?(\d+)\s*\|([^|]*)(?:\|(.*))?")
"""`latent|label` or `latent|label|note`, which is quicker to write than JSON."""


@dataclass(frozen=True)
class Reply:
    """One label that a reader wrote."""

    latent: int
    label: str
    note: str


@dataclass(frozen=True)
class Refused:
    """One line that was not taken, and why."""

    where: str
    reason: str


def read_replies(files: Iterable[Path], latents: int, offensive: set[str]) -> tuple[dict[int, Reply], list[Refused]]:
    """The last usable reply for each latent, and what was refused; raises BadInput for a file that cannot be read."""
    kept: dict[int, Reply] = {}
    refused: list[Refused] = []
    for where, line in _lines(files):
        reply = _reply(line)
        reason = _complaint(reply, latents, offensive) if isinstance(reply, Reply) else reply
        if reason:
            refused.append(Refused(where, reason))
        elif isinstance(reply, Reply):
            if reply.latent in kept:
                refused.append(Refused(where, f"latent {reply.latent} was labelled before; this line is taken"))
            kept[reply.latent] = reply
    return kept, refused


def _lines(files: Iterable[Path]) -> Iterator[tuple[str, str]]:
    for file in files:
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(f"The labels {file} cannot be read: {error}.", "Give files of JSON lines.") from error
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip() and not line.lstrip().startswith("```"):
                yield f"{file.name}:{number}", line


def _reply(line: str) -> Reply | str:
    plain = _PLAIN.fullmatch(line)
    if plain:
        return Reply(int(plain[1]), tidy(plain[2]), tidy(plain[3] or "")[:_LONGEST_NOTE])
    try:
        row: Any = json.loads(line)
    except ValueError as error:
        return f"no JSON: {error}"
    if not isinstance(row, dict) or not isinstance(row.get("label"), str):
        return 'no object with "latent" and "label"'
    try:
        latent = int(row["latent"])
    except (KeyError, TypeError, ValueError):
        return 'no number in "latent"'
    return Reply(latent, tidy(row["label"]), tidy(str(row.get("note") or ""))[:_LONGEST_NOTE])


def tidy(text: str) -> str:
    """One line without spaces at its ends, doubled spaces or a full stop at the end."""
    return " ".join(text.split()).rstrip(".")


def _complaint(reply: Reply, latents: int, offensive: set[str]) -> str:
    """Why a reply cannot be used; empty where it can."""
    if not 0 <= reply.latent < latents:
        return f"there is no latent {reply.latent}"
    if not SHORTEST <= len(reply.label) <= LONGEST:
        return f"a label has {SHORTEST} to {LONGEST} characters, this one {len(reply.label)}"
    if not any(character.isalpha() for character in reply.label):
        return "the label has no letters"
    return "the label holds an offensive word" if is_offensive(reply.label, offensive) else ""
