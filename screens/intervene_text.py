"""An intervention in words: what is changed where, one dose in full, everything as tables."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from rich.cells import cell_len, set_cell_size

from investigator.dose_tables import beside, nats
from investigator.records import DoseRow, Intervened, Mover
from investigator.tables import tables_of
from investigator.text import inert, markdown, one_line
from screens import saved_text
from screens.bench_place import Place
from screens.changes import Change
from screens.marks import Marks
from screens.work import Work

Pair = tuple[str, str]


def found(work: Work | None) -> Intervened | None:
    """Return the whole answer, once it is there."""
    result = work.answer.result if work else None
    return result if isinstance(result, Intervened) else None


def doses(work: Work | None) -> list[DoseRow]:
    """Return the doses: of the whole answer, else those that have come so far."""
    result = found(work)
    if result is not None:
        return list(result.rows)
    return [row for row in work.answer.rows.values() if isinstance(row, DoseRow)] if work is not None else []


def where(place: Place, later: bool, doses: Sequence[float], hypotheses: Sequence[str], marks: Marks) -> str:
    """Return what would be asked, in one line."""
    extent = "this token and all later ones" if later else "this token alone" if place.anchor is None else "this span"
    parts = [
        f"at {place.words}",
        f"{extent} (l)",
        f"doses {' '.join(f'{dose:g}' for dose in doses) or 'by default'} (d)",
        f"follows {len(hypotheses)}: {one_line(' | '.join(hypotheses), 48)} (h)" if hypotheses else "no hypothesis (h)",
    ]
    return f" {marks.dot} ".join(parts)


def summary(result: Intervened | None, marks: Marks) -> str:
    """Return what a finished answer says of itself."""
    if result is None:
        return ""
    many = "1 position" if result.positions == 1 else f"{result.positions} positions"
    parts = [f"layer {result.layer}, {many}", f"norm there {result.norm:.0f}"]
    parts += (
        [f"scores by {result.reader} at token {result.read_at}, layer {result.read_layer}"] if result.reader else []
    )
    return f" {marks.dot} ".join([*parts, *([inert(result.note)] if result.note else [])])


def dose(row: DoseRow, result: Intervened | None, width: int) -> list[Pair]:
    """Return a dose in full, as pieces with the names of their styles."""
    if row.error is not None:
        return [(inert(row.error), "error")]
    pieces: list[Pair] = [(f"KL {nats(row.kl)} nats", "strong"), (f"   random {beside(row.random)}", "dim")]
    pieces += [(f"   |change| {row.norm:.1f}\n", "dim")]
    for shift in row.shifts:
        said = shift.error or f"{nats(shift.change, True)} to {nats(shift.score)}"
        beside_it = f"   random {beside(shift.random, True)}" if shift.random else ""
        pieces += [
            (f"{one_line(shift.text, max(20, width // 2))}  ", ""),
            (inert(said), "strong"),
            (f"{beside_it}\n", "dim"),
        ]
    pieces += _movers(row, width)
    if result is not None:
        pieces += _written("without  ", result.continuation, width, "dim")
    pieces += _written("with it  ", row.continuation, width, "")
    for text in row.random_continuations[:1]:
        pieces += _written("random   ", text, width, "dim")
    return pieces


def _movers(row: DoseRow, width: int) -> list[Pair]:
    half = max(24, min(44, width // 2))
    pieces: list[Pair] = [(set_cell_size("rises", half) + "falls\n", "dim")] if row.up or row.down else []
    for up, down in zip_longest(row.up, row.down):
        pieces += [(_mover(up, half), "good"), (_mover(down, half).rstrip() + "\n", "bad")]
    return pieces


def _mover(one: Mover | None, width: int) -> str:
    if one is None:
        return " " * width
    numbers = f"{one.before:.3f} to {one.after:.3f}"
    text = set_cell_size(one_line(one.text, 20).replace(" ", "␣") or "∅", max(4, width - len(numbers) - 3))
    return f"{text} {numbers}  "


def _written(name: str, text: str, width: int, style: str) -> list[Pair]:
    shown = inert(text)
    if cell_len(shown) > width - len(name):
        shown = set_cell_size(shown, max(8, width - len(name) - 1)) + "…"
    return [(name, "dim"), (f"{shown}\n", style)]


def tables(work: Work | None) -> str:
    """Return everything as plain tables."""
    result = found(work)
    lines: list[str] = []
    for table in tables_of(result, doses(work)):
        lines += [inert(table.title), *saved_text.plain(table), ""]
    return "\n".join(lines)


def page(change: Change | None, place: Place | None, work: Work | None) -> str:
    """Return the answer as a markdown page, every text escaped."""
    title = f"{change.words if change else ''} at {place.words if place else ''}"
    lines = [f"# {markdown(title)}", ""]
    for table in tables_of(found(work), doses(work)):
        names = [name.removeprefix(">") for name in table.columns]
        lines += [
            f"**{markdown(table.title)}**",
            "",
            f"| {' | '.join(map(markdown, names))} |",
            "|---" * len(names) + "|",
        ]
        lines += [f"| {' | '.join(map(markdown, row))} |" for row in table.rows]
        lines.append("")
    return "\n".join(lines)
