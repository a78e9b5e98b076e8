"""Answers as tables: the same columns in exports and on a terminal; cells are raw text, escaped by who shows them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from investigator.records import (
    CheckRow,
    ExplanationRow,
    Feature,
    FeatureRow,
    Figure,
    HypothesisRow,
    LabelRow,
    LensRow,
    Opened,
    Record,
    Result,
    Row,
    Score,
)


class Table(Record, frozen=True):
    """A titled table; columns whose name begins with > hold numbers and stand to the right."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def number(value: float | None, digits: int = 3, sign: bool = False) -> str:
    """Return a number as text, or nothing where there is none."""
    if value is None:
        return ""
    return f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"


def share(value: float) -> str:
    """Return a share as a percentage with two significant digits."""
    return f"{value * 100:.2g}%"


def _score(score: Score) -> tuple[str, str, str]:
    if score.error is not None:
        return ("error", "", "")
    return number(score.gap, sign=True), number(score.score), "" if score.p is None else f"{score.p:.3f}"


def _feature(row: FeatureRow) -> tuple[str, ...]:
    label = "; ".join(row.labels) or "(no label)"
    return (str(row.latent), number(row.activation), number(row.z, 2), share(row.rate), label)


def _label(row: LabelRow) -> tuple[str, ...]:
    text = row.text if row.score.error is None else f"{row.text} ({row.score.error})"
    return (str(row.rank or ""), *_score(row.score), number(row.activation or None), text)


def _explanation(row: ExplanationRow) -> tuple[str, ...]:
    text = f"{row.text} (a training label)" if row.verbatim else row.text
    return (str(row.rank or ""), *_score(row.score), str(row.count), text)


def _hypothesis(row: HypothesisRow) -> tuple[str, ...]:
    controls = ", ".join(f"{control.name} {number(control.score)}" for control in row.score.controls)
    verdict = row.score.verdict or row.score.error or ""
    return (str(row.prompt), *_score(row.score), str(row.score.background or ""), controls, verdict, row.text)


def _lens(row: LensRow) -> tuple[str, ...]:
    return (str(row.layer), *(f"{likely.text} {likely.value:.2f}" for likely in row.tokens))


def _check(row: CheckRow) -> tuple[str, ...]:
    return (row.status, row.name, f"{row.message} {row.mend}".strip())


def _plain(value: float) -> str:
    return f"{value:.0f}" if value == round(value) and abs(value) < 1e15 else f"{value:.4g}"


def _figure(row: Figure) -> tuple[str, ...]:
    interval = "" if row.interval is None else f"{row.interval[0]:.4g} to {row.interval[1]:.4g}"
    value = "not measured" if row.value is None else _plain(row.value)
    return (row.name, value, row.unit, row.target, interval, row.compared_with)


_SCORE = (">gap", ">log p/tok", ">p")
_KINDS: dict[type[Any], tuple[str, tuple[str, ...], Callable[[Any], tuple[str, ...]]]] = {
    FeatureRow: ("SAE features", (">latent", ">activation", ">z", ">rate", "label"), _feature),
    LabelRow: ("Labels", (">rank", *_SCORE, ">activation", "label"), _label),
    ExplanationRow: ("Explanations", (">rank", *_SCORE, ">drawn", "text"), _explanation),
    HypothesisRow: (
        "Hypotheses",
        (">prompt", *_SCORE, ">background", "controls", "verdict", "hypothesis"),
        _hypothesis,
    ),
    LensRow: ("Logit lens", (">layer",), _lens),
    CheckRow: ("Checks", ("status", "check", "message"), _check),
    Figure: ("Figures", ("name", ">value", "unit", "target", "interval", "compared with"), _figure),
}


def rows_table(rows: Sequence[Row]) -> list[Table]:
    """Return the table of rows of one kind; none where there are no rows."""
    if not rows:
        return []
    title, columns, cells = _KINDS[type(rows[0])]
    table = tuple(cells(row) for row in rows)
    width = max(map(len, table))
    columns = (*columns, *(f"{i}" for i in range(1, width - len(columns) + 1)))
    return [_without_empty(Table(title, columns, tuple(row + ("",) * (width - len(row)) for row in table)))]


def _without_empty(table: Table) -> Table:
    nothing = {">prompt": {"", "0"}}
    kept = [i for i, name in enumerate(table.columns) if {row[i] for row in table.rows} - nothing.get(name, {""})]
    rows = tuple(tuple(row[i] for i in kept) for row in table.rows)
    return Table(table.title, tuple(table.columns[i] for i in kept), rows)


def tables_of(result: Result | None, rows: Sequence[Row] = (), tokens: Sequence[str] = ()) -> list[Table]:
    """Return an answer's tables; `tokens` name the positions of a hypothesis scored over a whole prompt."""
    match result:
        case Opened():
            return _opened(result)
        case Feature():
            return _page(result)
    found: tuple[Row, ...] = getattr(result, "rows", ()) or tuple(rows)
    spread = [table for row in found if isinstance(row, HypothesisRow) for table in _spread(row, tokens)]
    return [*rows_table(found), *spread]


def _opened(opened: Opened) -> list[Table]:
    tokens = tuple(
        (str(i), str(token.id), token.text, "special" if token.special else "") for i, token in enumerate(opened.tokens)
    )
    following = tuple((likely.text, f"{likely.value:.3f}") for likely in opened.next)
    return [
        _without_empty(Table("Tokens", (">position", ">id", "text", "kind"), tokens)),
        Table("Likely next", ("token", ">probability"), following),
    ]


def _page(page: Feature) -> list[Table]:
    labels = tuple((note.text, note.author, note.rule, number(note.score)) for note in page.labels)
    figures = (
        ("firing rate", share(page.rate)),
        ("median pre-activation", number(page.median)),
        ("interquartile range", number(page.iqr)),
        ("maximum", number(page.maximum)),
    )
    contexts = tuple(
        (number(max(context.activations, default=0.0)), marked(context.tokens, context.peak), context.document)
        for context in page.contexts
    )
    logits = tuple(
        (up.text, number(up.value), down.text, number(down.value))
        for up, down in zip(page.top_logits, page.bottom_logits, strict=False)
    )
    nearest = tuple((str(near.latent), number(near.cosine), "; ".join(near.labels)) for near in page.nearest)
    return [
        table
        for table in (
            _without_empty(Table("Labels", ("label", "author", "rule", ">score"), labels)),
            Table(f"Latent {page.latent} of {page.sae}", ("figure", ">value"), figures),
            Table("Top contexts", (">activation", "context", "document"), contexts),
            Table("Logits", ("raises", ">by", "lowers", ">by"), logits),
            Table("Nearest latents", (">latent", ">cosine", "label"), nearest),
        )
        if table.rows
    ]


def marked(tokens: Sequence[str], first: int, end: int | None = None) -> str:
    """Return tokens as running text with the picked ones in brackets."""
    stop = first + 1 if end is None else end
    return "".join(tokens[:first]) + "[" + "".join(tokens[first:stop]) + "]" + "".join(tokens[stop:])


def _spread(row: HypothesisRow, tokens: Sequence[str]) -> list[Table]:
    # The scores at every layer hold those of the asked layer.
    lines = list(row.layers) or ([(row.layer, row.positions)] if row.positions else [])
    return [_over_tokens(f"Layer {layer}: {row.text}", scores, tokens) for layer, scores in lines]


def _over_tokens(title: str, scores: Sequence[Score], tokens: Sequence[str]) -> Table:
    cells = tuple(
        (str(at), tokens[at] if at < len(tokens) else "", *_score(one), one.error or "")
        for at, one in enumerate(scores)
    )
    return _without_empty(Table(title, (">position", "token", *_SCORE, "why not"), cells))
