"""What a question is about, from words on a command line: prompts, tokens, spans, layers, files of sentences."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from investigator import expressions
from investigator.errors import BadInput
from investigator.provenance import WorkbenchSummary
from investigator.records import Opened
from investigator.sources import Decoder, Residual, Source

MOST_BYTES = 64 * 2**20
"""A text file longer than this is not a prompt or a list of sentences."""
Token = int | slice | tuple[int, int]
"""A position (negative from the end), or a span of positions, end excluded."""


def text_of(given: str, stdin: BinaryIO | None = None) -> str:
    """Return a prompt's text; `-` reads standard input, without its last line break.

    Raises BadInput where the bytes are not UTF-8.
    """
    if given == "-":
        return _decoded((stdin or sys.stdin.buffer).read(MOST_BYTES), "standard input").removesuffix("\n")
    try:
        given.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadInput("The prompt is not UTF-8 text.", "Type it again in a UTF-8 terminal.") from error
    return given


def _decoded(data: bytes, what: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(
            f"What {what} holds is not UTF-8 text: byte {error.start} is {data[error.start]:#04x}.",
            "Convert it to UTF-8, for example with iconv.",
        ) from error


def file_text(name: str, what: str) -> str:
    """Return a text file's content, `-` being standard input; raise BadInput where it cannot be read."""
    if name == "-":
        return text_of("-")
    try:
        with Path(name).expanduser().open("rb") as file:
            return _decoded(file.read(MOST_BYTES), f"the file {name}")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise BadInput(f"The file of {what}, {name}, cannot be read: {reason}.", "Check its name.") from error


def sentences(name: str, what: str) -> tuple[str, ...]:
    """Return a file's sentences: one a line, or JSON Lines with `description` or `text`; raise BadInput naming a line.

    Empty lines are left out; the same sentence twice is one.
    """
    lines = file_text(name, what).removeprefix("\ufeff").split("\n")
    found = [_sentence(line.strip(), f"line {at} of {name}") for at, line in enumerate(lines, 1)]
    distinct = tuple(dict.fromkeys(sentence for sentence in found if sentence))
    if not distinct:
        raise BadInput(f"The file of {what}, {name}, holds no sentence.", "Write one a line.")
    return distinct


def _sentence(line: str, where: str) -> str:
    if not line.startswith("{"):
        return line
    try:
        row = msgspec.json.decode(line, type=dict[str, object])
    except msgspec.MsgspecError as error:
        raise BadInput(f"There is broken JSON in {where}: {error}.", "Mend that line.") from error
    text = row.get("description", row.get("text"))
    if not isinstance(text, str):
        raise BadInput(f"There is no text called `description` in {where}.", "Add it, or write plain sentences.")
    return " ".join(text.split())


def parse_token(given: str) -> Token:
    """Return the position or span of `--token`: `-1`, `4`, `3:7`; raise BadInput where it is neither."""
    try:
        if ":" not in given:
            return int(given)
        first, end = given.split(":")
        return slice(int(first) if first else 0, int(end) if end else None)
    except ValueError as error:
        raise BadInput(f"{given!r} is no token.", "Write a position such as -1 or 4, or a span such as 3:7.") from error


def parse_ids(given: str) -> tuple[int, ...]:
    """Return the token ids of `--ids 1,2,3`; raise BadInput where they are not whole numbers."""
    try:
        return tuple(int(id) for id in given.replace(",", " ").split())
    except ValueError as error:
        raise BadInput(f"{given!r} is no list of token ids.", "Write them as 1,2,3.") from error


def parse_source(given: str) -> Source:
    """Return the source that an expression, or a JSON text, describes; raise BadInput where it describes none."""
    if not given.lstrip().startswith("{"):
        return expressions.parse(text_of(given) if given != "-" else given)
    try:
        source: Source = msgspec.json.decode(given, type=Source)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BadInput(f"{given!r} describes no source: {error}.", 'As in {"kind": "decoder", ...}.') from error
    return source


def parse_latent(given: str) -> Decoder:
    """Return the latent of `1234` or `l3#1234`; raise BadInput for anything else."""
    if given.isdigit() and len(given) <= 12:
        return Decoder("", int(given))
    found = parse_source(given)
    if not isinstance(found, Decoder):
        raise BadInput(f"{given!r} is no latent.", "Write its number, or l3#1234.")
    return found


def residual(opened: Opened, token: Token, layer: int) -> Residual:
    """Return the residual at a place of an opened prompt, checked; raise BadInput where there is no such place."""
    ids = tuple(one.id for one in opened.tokens)
    if not 0 <= layer < opened.layers:
        raise BadInput(f"There is no layer {layer}.", f"{opened.subject} has layers 0 to {opened.layers - 1}.")
    first, end = _bounds(token, len(ids))
    return Residual(opened.subject, ids, layer, first, end)


def _bounds(token: Token, length: int) -> tuple[int, int | None]:
    if isinstance(token, int):
        if not -length <= token < length:
            raise BadInput(
                f"There is no token {token}.", f"The prompt has {length}: 0 to {length - 1}, or -{length} to -1."
            )
        return token % length, None
    span = slice(*token) if isinstance(token, tuple) else token
    if span.step not in {None, 1}:
        raise BadInput("A span of tokens has no step.", "Write it as 3:7.")
    first, end = (_edge(span.start, 0, length), _edge(span.stop, length, length))
    if not 0 <= first < end <= length:
        shown = f"{'' if span.start is None else span.start}:{'' if span.stop is None else span.stop}"
        raise BadInput(f"The span {shown} holds no token.", f"The prompt has {length}: 0:{length} is all of it.")
    return first, end


def _edge(given: int | None, default: int, length: int) -> int:
    if given is None:
        return default
    return given + length if given < 0 else given


def default_layer(workbench: WorkbenchSummary | None, subject: str) -> int:
    """Return a subject's default layer; raise BadInput where the workbench has no such subject."""
    subjects = workbench.subjects if workbench is not None else ()
    for one in subjects:
        if subject in {"", one.name}:
            return one.layer
    raise BadInput(f"The workbench has no subject called {subject!r}.", f"It has: {_names(subjects)}.")


def _names(entries: Sequence[object]) -> str:
    return ", ".join(str(getattr(entry, "name", "")) for entry in entries) or "none"
