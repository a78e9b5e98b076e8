"""A stored answer as plain text: its place, its prompt, its rows as tables, what went wrong, its provenance."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size

from investigator.records import Feature
from investigator.sources import Residual
from investigator.tables import Table, marked, tables_of
from investigator.text import inert, one_line
from investigator.wire import Compare, Contrast, Find, Intervene, Sweep, Test
from screens import feature_text
from screens.changes import Change
from screens.why import provenance_lines

if TYPE_CHECKING:
    from sessions import Finding, SavedAnswer

MOST_ROWS = 60
WIDEST = 48
"""Cells of one table column that is not the last."""


def place(saved: SavedAnswer) -> str:
    """Return where an answer was read, as short as on the bench: `"bon" L3`; empty where it has no place."""
    source = saved.source
    if not isinstance(source, Residual):
        return one_line(saved.expression, 40)
    first, end = _span(source, len(saved.tokens) or len(source.token_ids))
    if isinstance(saved.question, Sweep):
        layers = saved.question.layers
        return f"tokens {first}:{end} L{layers[0]}" + (f"-{layers[-1]}" if len(layers) > 1 else "") if layers else ""
    text = "".join(token.text for token in saved.tokens[first:end]).strip()
    return f'"{one_line(text, 18)}" L{source.layer}' if text else f"token {first} L{source.layer}"


def _span(source: Residual, length: int) -> tuple[int, int]:
    first = source.position % length if length else source.position
    return first, first + 1 if source.end is None else source.end


def line(saved: SavedAnswer) -> str:
    """Return what stands in a list for an answer: where, and of which prompt or about what."""
    subject = one_line(saved.prompt, 80) or _about(saved)
    failed = "failed: " if saved.error else "stopped: " if saved.cancelled else ""
    return "  ".join(part for part in (f"{failed}{place(saved)}", _asked(saved), subject) if part)


def _asked(saved: SavedAnswer) -> str:
    """Return the sentences that were asked about, which tell one answer about a prompt from another."""
    match saved.question:
        case Test():
            return one_line(", ".join(saved.question.hypotheses), 60)
        case Contrast():
            return f"{one_line(saved.question.left, 30)} against {one_line(saved.question.right, 30)}"
        case Find():
            return one_line(saved.question.text, 60)
        case Compare():
            return f"through {one_line(saved.question.map, 40)}"
        case Sweep():
            swept = saved.question
            return one_line(swept.text, 60) or (f"{swept.sae}#{swept.latent}" if swept.latent is not None else "")
        case Intervene():
            verb = saved.question
            return one_line(Change(verb.ablate, verb.sae, verb.add).words, 60)
    return ""


def _about(saved: SavedAnswer) -> str:
    latent = getattr(saved.question, "latent", None)
    return f"latent {latent}" if latent is not None else one_line(str(getattr(saved.question, "command", "")), 80)


def full(saved: SavedAnswer, finding: Finding | None = None, width: int = 100) -> str:
    """Return everything that was stored; sentences are wrapped to `width`, tables are not."""
    return "\n".join(
        [
            *(_finding_lines(finding, saved, width) if finding else ()),
            *_head(saved, width),
            *_answer(saved),
            *_ending(saved, width),
            *_provenance(saved, width),
        ]
    )


def _answer(saved: SavedAnswer) -> list[str]:
    if isinstance(saved.result, Feature):
        return [*feature_text.text(saved.result).splitlines(), ""]
    return list(_tables(tables_of(saved.result, saved.rows, [token.text for token in saved.tokens])))


def _finding_lines(finding: Finding, saved: SavedAnswer, width: int) -> Iterator[str]:
    yield from wrapped(finding.title, width)
    if finding.tags:
        yield " ".join(f"#{inert(tag)}" for tag in finding.tags)
    for paragraph in finding.note.splitlines():
        yield from wrapped(paragraph, width)
    row = saved.row(finding.row_key) if finding.row_key else None
    if row is not None:
        yield ""
        yield from _tables(tables_of(None, (row,), [token.text for token in saved.tokens]))
    yield ""


def _head(saved: SavedAnswer, width: int) -> Iterator[str]:
    what = f"{saved.kind} {place(saved)}".strip()
    yield from wrapped(f"{what} · saved {saved.saved_at[:16].replace('T', ' ')} UTC", width)
    source = saved.source
    if saved.tokens:
        first, end = _span(source, len(saved.tokens)) if isinstance(source, Residual) else (0, 0)
        yield from wrapped(marked([token.text for token in saved.tokens], first, end) if end else saved.prompt, width)
    yield ""


def _ending(saved: SavedAnswer, width: int) -> Iterator[str]:
    if saved.error is not None:
        yield from wrapped(f"Failed. {saved.error.message} {saved.error.mend}", width)
    if saved.cancelled is not None:
        yield from wrapped(f"Stopped before its end. {saved.cancelled.reason}", width)


def _provenance(saved: SavedAnswer, width: int) -> Iterator[str]:
    from sessions.reproduce import command

    yield from ("asked again by", *(f"  {part}" for part in wrapped(command(saved), width - 2)))
    if saved.provenance is not None:
        yield from ("provenance", *(f"  {part}" for part in provenance_lines(saved.provenance)))


def _tables(tables: Sequence[Table]) -> Iterator[str]:
    for table in tables:
        yield inert(table.title)
        yield from plain(table)
        yield ""


def plain(table: Table, most: int = MOST_ROWS) -> Iterator[str]:
    """Yield a table's lines: aligned columns, numbers to the right, every cell inert."""
    rows = [tuple(map(inert, row)) for row in table.rows[:most]]
    names = [name.removeprefix(">") for name in table.columns]
    widths = [min(max(map(cell_len, column)), WIDEST) for column in zip(names, *rows, strict=True)]
    for row in (names, *rows):
        yield "  " + "  ".join(map(_cell, row, widths, table.columns)).rstrip()
    if len(table.rows) > most:
        yield f"  and {len(table.rows) - most} more rows"


def _cell(text: str, width: int, column: str) -> str:
    if cell_len(text) > width:
        text = set_cell_size(text, width - 1) + "…"
    space = " " * (width - cell_len(text))
    return space + text if column.startswith(">") else text + space


def wrapped(text: str, width: int) -> list[str]:
    """Return inert text in lines of at most `width` characters."""
    return textwrap.wrap(inert(text), max(width, 20)) or [""]
