"""A comparison of two models in words: both ends and the map between them, lift beside its controls, the whole page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from investigator import compare_tables
from investigator.provenance import MapSummary
from investigator.records import Compared, ComparedRow, Reading
from investigator.tables import tables_of
from investigator.text import inert, markdown, one_line
from screens.marks import Marks
from screens.score_words import number
from screens.widgets.reading_table import agreement

COLUMNS = ("own", "native", "mapped", "washed")
TITLES = {
    "own": "own: A's reader",
    "native": "native: B on its own",
    "mapped": "mapped (C1)",
    "washed": "washed (C2)",
}


def head(
    source: str, chosen: MapSummary, compared: Compared | None, wash: float, marks: Marks, *, narrow: bool = False
) -> str:
    """Return the line of both ends, or two where it is narrow: what is read, the map, and where it leads."""
    facts = compared.map if compared is not None and compared.map.name == chosen.name else None
    kind = compare_tables.words(facts).split(",")[0] if facts else chosen.kind
    parts = [kind]
    if chosen.cosine is not None:
        beside = f" (mean predictor {number(facts.mean_cosine, '.2f')})" if facts and facts.mean_cosine else ""
        parts.append(f"held-out cos {number(chosen.cosine, '.2f')}{beside}")
    parts.append(f"washout {wash:.1f}")
    dot = f" {marks.dot} "
    between = "\n" if narrow else ""
    return (
        f"A {chosen.source} {one_line(source, 40)}  {marks.rule}[ {dot.join(parts)} ]{between}{marks.rule}{marks.run}  "
        f"B {chosen.target} L{chosen.target_layer}"
    )


def warning(chosen: MapSummary | None) -> str:
    """Return what is wrong with a map, or that it is underdetermined."""
    if chosen is None or not chosen.note:
        return ""
    if chosen.note == "underdetermined":
        return "The map was fitted on fewer sentences than dimensions: trust its held-out cosine alone."
    return chosen.note


def lift_lines(row: ComparedRow | None, compared: Compared | None, width: int, cut: str = "") -> list[tuple[str, bool]]:
    """Return one line a reading of a row, controls last (True); before them a selected text that its column cuts."""
    if row is None:
        return []
    found = [(one_line(cut, width), False)] if cut else []
    found += [(_line(one, width), False) for one in row.readings if one.column != "own"]
    found += [(_line(one, width), True) for one in row.controls]
    if not row.controls and compared is not None:
        found.append(("c reads the controls: another source, a random direction, the mean, a permuted map", True))
    return found


def _line(reading: Reading, width: int) -> str:
    said = inert(reading.texts[0]) if reading.texts else reading.error or reading.note or "not read yet"
    words = f"{reading.column:<17}{agreement(reading):<32}"
    return words + one_line(said, max(10, width - len(words)))


def lift_title(row: ComparedRow | None, compared: Compared | None) -> str:
    """Return the title of the lines of lift: which row, against what, and what agreement was reckoned with."""
    if row is None or compared is None:
        return "agreement with A's own, and lift"
    many = f"lift over {compared.others} other sources" if compared.others else "no lift: no other sources"
    by = f"agreement by {compared.embedder}" if compared.embedder else "no agreement: no embedder"
    return f"{row.method} {row.reader}: {by}, {many}"


def text(compared: Compared, where: str) -> str:
    """Return the whole comparison as plain text."""
    return "\n".join([where, "", *_plain(compared)])


def _plain(compared: Compared) -> Iterator[str]:
    for table in tables_of(compared):
        yield table.title
        yield from ("  " + " | ".join(inert(cell) for cell in row) for row in table.rows)
        yield ""


def page(compared: Compared, where: str) -> str:
    """Return the whole comparison as markdown, model text escaped."""
    parts = [f"# {markdown(where)}", ""]
    for table in tables_of(compared):
        names = [name.removeprefix(">") for name in table.columns]
        parts += [f"## {markdown(table.title)}", "", _row(names), _row(["---"] * len(names), escape=False)]
        parts += [*(_row(row) for row in table.rows), ""]
    return "\n".join(parts)


def _row(cells: Sequence[str], *, escape: bool = True) -> str:
    return "| " + " | ".join(markdown(cell) if escape else cell for cell in cells) + " |"
