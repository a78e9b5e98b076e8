"""An intervention as tables: its doses, the tokens that move, hypotheses downstream, each beside random directions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from investigator.records import DoseRow, Intervened, Mover, Shift
from investigator.table import Table, number, without_empty

COLUMNS = (">dose", ">norm", ">KL", "random KL", ">kept", "random kept", "continuation")


def cells(row: DoseRow) -> tuple[str, ...]:
    """Return the cells of `COLUMNS`."""
    if row.error is not None:
        return (f"{row.dose:g}", "", "failed", "", "", "", row.error)
    numbers = (f"{row.dose:g}", number(row.norm, 1), nats(row.kl), beside(row.random))
    if not row.continuation and not any(row.random_continuations):
        return (*numbers, "", "", "")
    return (*numbers, str(row.kept), spread(row.random_kept, 1) if row.random_kept else "", row.continuation)


def nats(value: float | None, sign: bool = False) -> str:
    """Return a divergence or a change in nats with three digits that say something; nothing where there is none."""
    if value is None:
        return ""
    shown = f"{value:+.3g}" if sign else f"{value:.3g}"
    return shown if abs(value) < 0.001 and value else number(value, 3, sign=sign)


def beside(values: Sequence[float], sign: bool = False) -> str:
    """Return what random directions get: their mean and range."""
    if not values:
        return ""
    mean = sum(values) / len(values)
    return f"{nats(mean, sign)} ({nats(min(values), sign)} to {nats(max(values), sign)})"


def spread(values: Sequence[float], digits: int) -> str:
    """Return the mean and range of plain numbers."""
    mean = sum(values) / len(values)
    return f"{mean:.{digits}f} ({min(values):g} to {max(values):g})"


def behind(rows: Sequence[DoseRow]) -> Iterator[Table]:
    """Yield what stands behind the doses: movers, and hypotheses downstream."""
    yield from (table for table in (_movers(rows), _shifts(rows), _twins(rows)) if table.rows)


def _movers(rows: Sequence[DoseRow]) -> Table:
    lines = [
        (f"{row.dose:g}", *_mover(up), *_mover(down)) for row in rows for up, down in zip_longest(row.up, row.down)
    ]
    columns = (">dose", "rises", ">from", ">to", "falls", ">from ", ">to ")
    return without_empty(Table("Next token", columns, tuple(lines)))


def _mover(one: Mover | None) -> tuple[str, str, str]:
    return ("", "", "") if one is None else (one.text, number(one.before), number(one.after))


def _shifts(rows: Sequence[DoseRow]) -> Table:
    lines = tuple(
        (
            f"{row.dose:g}",
            number(one.score),
            nats(one.change, True),
            beside(one.random, True),
            one.error or "",
            one.text,
        )
        for row in rows
        for one in row.shifts
    )
    columns = (">dose", ">log p/tok", ">change", "random change", "why not", "hypothesis")
    return without_empty(Table("Downstream", columns, lines))


def _shift(one: Shift) -> tuple[str, ...]:
    return (number(one.score), nats(one.change, True), beside(one.random, True), one.error or "", one.text)


def _twins(rows: Sequence[DoseRow]) -> Table:
    lines = [(f"{row.dose:g}", text) for row in rows if row.dose for text in row.random_continuations[:1] if text]
    return without_empty(Table("Continuation with the first random direction", (">dose", "continuation"), tuple(lines)))


def of_intervention(found: Intervened) -> Iterator[Table]:
    """Yield what is known of the unedited run."""
    after = ", ".join(f"{likely.text.strip() or '␣'} {likely.value:.3f}" for likely in found.next[:5])
    known = (
        ("layer", str(found.layer)),
        ("positions changed", str(found.positions)),
        ("norm of the activation there", number(found.norm, 1)),
        ("likely next", after),
        ("continuation", found.continuation),
        ("reader", found.reader),
        ("read at", f"token {found.read_at}, layer {found.read_layer}" if found.reader else ""),
        ("note", found.note),
    )
    yield Table("Without the change", ("figure", "value"), tuple(row for row in known if row[1]))
