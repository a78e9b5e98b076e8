"""From a source to the expression that describes it: parsed, it is the same source."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator

from investigator.expressions.lexer import PLAIN_NAME
from investigator.sources import (
    Ablated,
    Decoder,
    Difference,
    Mapped,
    Mean,
    Prompted,
    Random,
    Residual,
    Source,
    Stored,
    Sum,
    Weighted,
)

_PLAIN = re.compile(PLAIN_NAME)
_LAYER = re.compile(r"L\d+(?![A-Za-z0-9_])")


def show(source: Source) -> str:
    """Return the expression of a source."""
    match source:
        case Residual():
            ids = ", ".join(map(str, source.token_ids))
            return f"{_prefix(source.subject)}[{ids}]{_span(source.position, source.end)}{_layer(source.layer)}"
        case Prompted():
            place = _span(source.position, source.end or ("" if source.end == 0 else None))
            return f"{_prefix(source.subject)}{_quoted(source.prompt)}{place}{_layer(source.layer)}"
        case Decoder():
            return f"sae:{_latent(source.sae, source.latent)}"
        case Difference():
            return f"{_part(source.left)} - {_part(source.right)}"
        case Sum():
            return "".join(_terms(source.terms))
        case _:
            return _call(source)


def _call(source: Mean | Random | Stored | Ablated | Mapped) -> str:
    match source:
        case Mean():
            return f"mean({_where(source.subject, source.layer)})"
        case Random():
            where = _where(source.subject, source.layer)
            return f"random({where}{', ' if where else ''}seed={source.seed})"
        case Ablated():
            latents = "".join(f", {_latent(source.sae, latent)}" for latent in source.latents)
            return f"ablate({show(source.source)}{latents})"
        case Stored():
            return f"file({', '.join(_file(source))})"
        case Mapped():
            wash = f", wash={_number(source.wash)}" if source.wash or math.copysign(1, source.wash) < 0 else ""
            return f"map({named(source.map)}, {show(source.source)}{wash})"


def _file(source: Stored) -> Iterator[str]:
    yield _quoted(source.path)
    if source.key:
        yield _quoted(source.key)
    if source.row:
        yield str(source.row)
    if source.subject or source.layer >= 0:
        yield _where(source.subject, source.layer)


def _terms(terms: tuple[Weighted, ...]) -> Iterator[str]:
    # A weight of one is written where the expression would be another source without it.
    weights = [term.weight for term in terms]
    written = weights in ([1.0], [1.0, -1.0])
    for at, term in enumerate(terms):
        minus = math.copysign(1, term.weight) < 0
        yield (" - " if minus else " + ") if at else "-" if minus else ""
        if written or abs(term.weight) != 1:
            yield f"{_number(abs(term.weight))} * "
        yield _part(term.source)


def _part(source: Source) -> str:
    return f"({show(source)})" if isinstance(source, Difference | Sum) else show(source)


def _prefix(subject: str) -> str:
    return f"{named(subject)}:" if subject else ""


def _where(subject: str, layer: int) -> str:
    return f"{_prefix(subject)}L{layer}" if layer >= 0 else named(subject) if subject else ""


def _layer(layer: int) -> str:
    return f"/L{layer}" if layer >= 0 else ""


def _span(first: int, end: int | str | None) -> str:
    return f"@{first}" if end is None else f"@{first}..{end}"


def _latent(sae: str, latent: int) -> str:
    return f"{named(sae) if sae else ''}#{latent}"


def named(name: str) -> str:
    """Return a name as it stands in an expression."""
    if _PLAIN.fullmatch(name) and not _LAYER.match(name):
        return name
    return "`" + _quoted(name)[1:-1].replace('\\"', '"').replace("`", "\\`") + "`"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _number(value: float) -> str:
    plain = math.isfinite(value) and value == int(value) and abs(value) < 1e15 and math.copysign(1, value) > 0
    return str(int(value)) if plain else repr(value)
