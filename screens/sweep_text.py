"""A sweep as text: what is asked in one line, everything as tables, a markdown page."""

from __future__ import annotations

from collections.abc import Sequence

from investigator.tables import tables_of
from investigator.text import inert, markdown, one_line
from screens import saved_text
from screens.bench_place import Place
from screens.marks import Marks
from screens.sweep_cells import rows_of
from screens.work import Work

OWN = "the readers' own words"


def title(text: str) -> str:
    """Return what is swept: the sentence, the latent, or the readers' own words."""
    return one_line(text, 60) or OWN


def asked(place: Place, text: str, reader: str, method: str, marks: Marks, *, waits: bool) -> str:
    """Return what would be asked, in one line; `waits` says that it is not what is shown."""
    shown = f'"{one_line(text, 44)}"' if text and "#" not in text else title(text)
    parts = [f"{shown} (t)", f"by {one_line(reader, 20) if reader else 'the reader of each layer'} (m)"]
    parts += [f"{method} (o)"] if not text and method != "auto" else []
    parts += ["g sweeps this"] if waits else [f"{len(place.opened.tokens)} tokens"]
    return f" {marks.dot} ".join(parts)


def tables(work: Work | None, tokens: Sequence[str]) -> str:
    """Return everything as plain tables."""
    lines: list[str] = []
    for table in tables_of(work.answer.result if work else None, rows_of(work), tokens):
        lines += [inert(table.title), *saved_text.plain(table, most=len(table.rows)), ""]
    return "\n".join(lines)


def page(text: str, place: Place | None, work: Work | None) -> str:
    """Return the answer as a markdown page, every text escaped."""
    tokens = [token.text for token in place.opened.tokens] if place else []
    lines = [f"# {markdown(f'Sweep: {title(text)}')}", ""]
    lines += [markdown(place.opened.prompt), ""] if place else []
    for table in tables_of(work.answer.result if work else None, rows_of(work), tokens):
        names = [name.removeprefix(">") for name in table.columns]
        lines += [f"**{markdown(table.title)}**", "", f"| {' | '.join(map(markdown, names))} |"]
        lines += ["|---" * len(names) + "|"]
        lines += [f"| {' | '.join(map(markdown, row))} |" for row in table.rows]
        lines.append("")
    return "\n".join(lines)
