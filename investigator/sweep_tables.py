"""A sweep as tables: tokens down and layers across where a number fills a cell, one table a layer where words do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from investigator.records import SweepCell, SweepRow, Swept
from investigator.table import Table, number, without_empty

ACROSS = 10
"""Layers beside each other in one table."""
MOST_PLACES = 8
"""Failed cells that are named for one reason."""


def of_rows(rows: Sequence[SweepRow], tokens: Sequence[str] = (), across: int = ACROSS) -> Iterator[Table]:
    """Yield the tables of some layers; `tokens` are the prompt's."""
    numbers = [row for row in rows if row.error is None and row.method in {"score", "activation"}]
    if len(numbers) > 1:
        for start in range(0, len(numbers), across):
            yield _grid(numbers[start : start + across], tokens)
    else:
        yield from (_layer(row, tokens) for row in numbers)
    yield from (_layer(row, tokens) for row in rows if row.error is None and row not in numbers)
    yield from (table for table in (_failed(rows),) if table.rows)
    yield _readers(rows)


def what(row: SweepRow) -> str:
    """Return what the numbers of a row are."""
    if row.method == "activation":
        return "activation"
    return "gap" if any(cell.score.gap is not None for cell in row.cells) else "log p/tok"


def shown(cell: SweepCell | None, digits: int = 2) -> str:
    """Return a cell's number as text; a failed one is said to be."""
    if cell is None:
        return ""
    return "failed" if cell.score.error is not None else number(cell.value, digits, sign=cell.activation is None)


def _grid(rows: Sequence[SweepRow], tokens: Sequence[str]) -> Table:
    lines = tuple((str(at), _token(tokens, at), *(shown(row.cell(at)) for row in rows)) for at in _positions(rows))
    columns = (">position", "token", *(f">L{row.layer}" for row in rows))
    return without_empty(Table(f"Layers and tokens: {what(rows[0])}", columns, lines))


def _positions(rows: Sequence[SweepRow]) -> range:
    return range(rows[0].first, rows[0].first + len(rows[0].cells))


def _token(tokens: Sequence[str], at: int) -> str:
    return tokens[at] if at < len(tokens) else ""


def _layer(row: SweepRow, tokens: Sequence[str]) -> Table:
    """Return one layer with everything that is known of each cell."""
    lines = []
    for at, cell in enumerate(row.cells, row.first):
        one = cell.score
        numbers = (number(cell.activation), number(one.gap), number(one.p), number(one.score))
        said = "failed" if one.error is not None else cell.text
        lines.append((str(at), _token(tokens, at), *numbers, said))
    columns = (">position", "token", ">activation", ">gap", ">p", ">log p/tok", "what it says")
    return without_empty(Table(f"Layer {row.layer}", columns, tuple(lines)))


def _failed(rows: Sequence[SweepRow]) -> Table:
    """Return every reason for a failed cell once, with where it holds."""
    reasons: dict[str, list[str]] = {}
    for row in rows:
        for at, cell in enumerate(row.cells, row.first):
            if cell.score.error is not None:
                reasons.setdefault(cell.score.error, []).append(f"{at} L{row.layer}")
    lines = tuple((_some(places), why) for why, places in reasons.items())
    return Table("Failed", ("where", "why"), lines)


def _some(places: Sequence[str]) -> str:
    return ", ".join([*places[:MOST_PLACES], *(["..."] if len(places) > MOST_PLACES else [])])


def _readers(rows: Sequence[SweepRow]) -> Table:
    """Return which reader read which layer, how, and against how many background positions."""
    lines = tuple(
        (
            f"L{row.layer}",
            row.reader,
            METHODS[row.method],
            str(max((cell.score.background for cell in row.cells), default=0) or ""),
            "chosen by the index" if row.stage == "estimate" else "",
            number(row.recall),
            row.error or row.note,
        )
        for row in rows
    )
    columns = ("layer", "reader", "cells hold", ">background", "labels", ">recall", "note")
    return without_empty(Table("Layers", columns, lines))


METHODS = {
    "score": "the text's gap",
    "labels": "the best label",
    "greedy": "the likeliest words",
    "activation": "the latent's activation",
}


def of_result(found: Swept) -> Iterator[Table]:
    """Yield what was swept."""
    latent = "" if found.latent is None else f"{found.sae}#{found.latent}"
    known = (
        ("subject", found.subject),
        ("text", found.text),
        ("latent", latent),
        ("tokens", f"{found.first} to {found.end - 1}"),
    )
    yield Table("Sweep", ("figure", "value"), tuple(row for row in known if row[1]))
