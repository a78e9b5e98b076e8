"""A comparison of two models as tables: what each column says, and what the map is worth."""

from __future__ import annotations

from collections.abc import Iterator

from investigator.records import Compared, ComparedRow, MapFacts, Reading
from investigator.table import Table, number, without_empty

TITLES = {"own": "own (A's reader)", "native": "native (B's own)", "mapped": "mapped (C1)", "washed": "washed (C2)"}
"""Columns beside the paper's names; its B, the source model's own explanation, is `own` here."""
COLUMNS = ("method", "reader", "column", ">agreement", ">lift", ">p", "texts", "note")


def title(reading: Reading) -> str:
    """Return what a reading's column is called; a control says that it is one."""
    return TITLES.get(reading.column, f"control: {reading.column}")


def of_row(row: ComparedRow) -> Iterator[tuple[str, ...]]:
    """Yield one line a reading."""
    for reading in (*row.readings, *row.controls):
        yield (
            row.method,
            row.reader,
            title(reading),
            number(reading.agreement),
            number(reading.lift, sign=True),
            number(reading.p),
            "; ".join(reading.texts) or reading.error or "",
            reading.note,
        )


def of_rows(rows: tuple[ComparedRow, ...]) -> Table:
    """Return all rows as one table."""
    return without_empty(Table("Comparison", COLUMNS, tuple(line for row in rows for line in of_row(row))))


def of_result(found: Compared) -> Iterator[Table]:
    """Yield what the map is and is worth, and what agreement was reckoned with."""
    known = (
        ("map", f"{found.map.name} ({words(found.map)})"),
        *worth(found.map),
        ("washout weight", f"{found.wash:g}"),
        ("own reader", found.own),
        ("agreement by", found.embedder),
        ("other sources behind lift and p", str(found.others)),
        ("note", found.note),
    )
    yield Table("Map", ("figure", "value"), tuple(row for row in known if row[1]))


def words(facts: MapFacts) -> str:
    """Return a map in a few words: kind, penalty and both places."""
    kind = facts.kind if facts.penalty is None else f"{facts.kind} λ{facts.penalty:g}"
    return f"{kind}, {facts.source} L{facts.source_layer} to {facts.target} L{facts.target_layer}"


def worth(facts: MapFacts) -> tuple[tuple[str, str], ...]:
    """Return a map's held-out figures, each beside what knows nothing of the sentence."""
    few = f"{facts.sentences:,}" + (", fewer than dimensions: underdetermined" if facts.underdetermined else "")
    return (
        ("sentences", few if facts.sentences else ""),
        ("held-out cosine", beside(facts.cosine, "mean predictor", facts.mean_cosine)),
        ("held-out variance explained", beside(facts.variance, "shuffled pairs", facts.permuted)),
    )


def beside(value: float | None, name: str, control: float | None) -> str:
    """Return a number with its control in brackets."""
    return "" if value is None else f"{number(value)} ({name} {number(control)})"
