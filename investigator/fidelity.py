"""Fidelity in words and cells: what stands in front of a text that a verbalizer wrote."""

from __future__ import annotations

from investigator.records import ExplanationRow, Fidelity, Row
from investigator.table import Table, number, without_empty

COLUMNS = (">fve", ">cos", ">fve shuffled", ">fve random")
"""Cells of an explanation's fidelity; empty where the reader has no reconstructor."""
SHUFFLED, RANDOM = "shuffled words", "random text"


def cells(found: Fidelity | None) -> tuple[str, str, str, str]:
    """Return the cells of `COLUMNS`."""
    if found is None:
        return ("", "", "", "")
    if found.error is not None:
        return ("error", "", "", "")
    by_name = {control.name: control for control in found.controls}
    others = (number(by_name[name].fve if name in by_name else None) for name in (SHUFFLED, RANDOM))
    return (number(found.fve), number(found.cosine), *others)  # type: ignore[return-value]


def short(found: Fidelity | None) -> str:
    """Return what stands in front of a text where there is little room: fve, and that of its words shuffled."""
    if found is None or found.error is not None:
        return "" if found is None else "fve ?"
    mixed = next((control.fve for control in found.controls if control.name == SHUFFLED), None)
    beside = f" (shuffled {number(mixed, 2)})" if mixed is not None else ""
    return f"fve {number(found.fve, 2)}{beside}" if found.fve is not None else f"cos {number(found.cosine, 2)}"


def words(found: Fidelity) -> str:
    """Return a fidelity in one line, its controls beside it."""
    if found.error is not None:
        return f"fidelity failed: {found.error}"
    several = ", ".join(f"{control.name} {number(control.fve)}" for control in found.controls)
    return f"fve {number(found.fve)}, cosine {number(found.cosine)} ({several})"


def behind(rows: tuple[Row, ...]) -> list[Table]:
    """Return what the first texts' fidelity is compared with, and the baseline it is measured by."""
    told = [row for row in rows if isinstance(row, ExplanationRow) and row.fidelity and row.fidelity.error is None]
    if not told:
        return []
    lines = [
        (name, number(value), number(cosine), str(count) if count > 1 else "", said)
        for name, value, cosine, count, said in _lines(told[0])
    ]
    columns = ("of", ">fve", ">cos", ">texts", "baseline")
    return [without_empty(Table("Fidelity of the first text", columns, tuple(lines)))]


def _lines(row: ExplanationRow) -> list[tuple[str, float | None, float | None, int, str]]:
    found = row.fidelity
    assert found is not None
    baseline = f"variance {number(found.variance)}: {found.baseline}" if found.variance else found.baseline
    own = [("the text", found.fve, found.cosine, 1, baseline)]
    return [*own, *((control.name, control.fve, control.cosine, control.count, "") for control in found.controls)]
