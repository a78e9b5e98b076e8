"""One table: its title, its columns, its cells; and how numbers stand in it."""

from __future__ import annotations

from collections.abc import Sequence

from investigator.records import Record


class Table(Record, frozen=True):
    """A titled table; columns whose name begins with > hold numbers and stand to the right."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


NOTHING = {">prompt": {"", "0"}, ">tried": {"", "0"}}
"""What says nothing in a column; elsewhere an empty cell."""


def without_empty(table: Table) -> Table:
    """Return the table without columns that say nothing."""
    kept = [i for i, name in enumerate(table.columns) if {row[i] for row in table.rows} - NOTHING.get(name, {""})]
    rows = tuple(tuple(row[i] for i in kept) for row in table.rows)
    return Table(table.title, tuple(table.columns[i] for i in kept), rows)


def number(value: float | None, digits: int = 3, sign: bool = False) -> str:
    """Return a number as text, or nothing where there is none."""
    if value is None:
        return ""
    return f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"


def share(value: float) -> str:
    """Return a share as a percentage with two significant digits."""
    return f"{float(f'{value * 100:.2g}'):g}%"


def marked(tokens: Sequence[str], first: int, end: int | None = None) -> str:
    """Return tokens as running text with the picked ones in brackets."""
    stop = first + 1 if end is None else end
    return "".join(tokens[:first]) + "[" + "".join(tokens[first:stop]) + "]" + "".join(tokens[stop:])
