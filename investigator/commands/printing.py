"""Printing: one JSON object, or plain tables of inert text that fit the terminal."""

from __future__ import annotations

import csv
import io
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from investigator.events import Answer
from investigator.provenance import Provenance
from investigator.records import HypothesisRow
from investigator.tables import Table, tables_of
from investigator.text import inert

NARROWEST = 12
"""Columns that the last column keeps, however narrow the terminal is."""


def document(answer: Answer) -> dict[str, Any]:
    """Return an answer as the object that --json prints."""
    return {
        "question": answer.id,
        "verb": answer.verb,
        "result": answer.result,
        "provenance": answer.provenance,
    }


def print_json(value: Any) -> None:
    """Print one JSON object; characters that act on a terminal are written as escapes."""
    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    print("".join(map(_escape, text)))


def _escape(char: str) -> str:
    if char == "\n" or inert(char) == char:
        return char
    code = ord(char)
    if code < 0x10000:
        return f"\\u{code:04x}"
    high, low = divmod(code - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"


def print_answer(answer: Answer, *, json: bool, tokens: Sequence[str] = (), heading: str = "") -> None:
    """Print an answer as JSON or as tables."""
    if json:
        print_json(document(answer))
        return
    if heading:
        print(inert(heading))
    print_tables(tables_of(answer.result, tuple(answer.rows.values()), tokens))
    if answer.provenance is not None:
        print(inert(provenance_line(answer.provenance)))


def provenance_line(known: Provenance) -> str:
    """Return in one line what answered."""
    parts = ", ".join(f"{part.name} {part.fingerprint[:8]}" for part in known.parts.values())
    seed = "" if known.seed is None else f", seed {known.seed}"
    return f"{known.workbench} ({parts}), {known.device} {known.dtype}{seed}"


def print_tables(tables: Iterable[Table]) -> None:
    """Print tables one below the other; cut to the terminal's width where standard output is one."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for table in tables:
        print("\n".join([inert(table.title), *lines_of(table, width), ""]))


def lines_of(table: Table, width: int | None) -> list[str]:
    """Return a table's lines: columns aligned, the widest text column cut so that every line fits `width` cells."""
    names = [name.removeprefix(">") for name in table.columns]
    cells = [names, *([inert(cell) for cell in row] for row in table.rows)]
    widths = [max(map(_cells, column)) for column in zip(*cells, strict=True)]
    if width is not None and widths:
        _shrink(widths, width - 2 * len(widths))
    right = [name.startswith(">") for name in table.columns]
    return ["  " + "  ".join(map(_fit, row, widths, right)).rstrip() for row in cells]


def _shrink(widths: list[int], room: int) -> None:
    while sum(widths) > room and max(widths) > NARROWEST:
        widest = widths.index(max(widths))
        widths[widest] = max(widths[widest] - (sum(widths) - room), NARROWEST)


def _cells(text: str) -> int:
    return sum(_wide(char) for char in text)


def _wide(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _fit(text: str, width: int, right: bool) -> str:
    if _cells(text) > width:
        while _cells(text) > width - 1:
            text = text[:-1]
        text += "…"
    blank = " " * (width - _cells(text))
    return blank + text if right else text + blank


CSV_COLUMNS = (
    "prompt", "layer", "position", "hypothesis", "score", "gap", "low", "high", "p", "tokens", "background",
    "wording_spread", "tried", "verdict", "why", "error",
)  # fmt: skip


def csv_of(rows: Iterable[HypothesisRow], prompts: Sequence[str]) -> str:
    """Return hypothesis rows as CSV, one line a prompt and hypothesis."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(CSV_COLUMNS)
    for row in rows:
        prompt = prompts[row.prompt] if row.prompt < len(prompts) else ""
        one = row.score
        low, high = one.interval or (None, None)
        numbers = (one.score, one.gap, low, high, one.p, one.tokens, one.background, row.wording_spread, one.tried)
        writer.writerow((prompt, row.layer, row.position, row.text, *numbers, one.verdict, one.why, one.error))
    return out.getvalue()
