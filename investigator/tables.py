"""Answers as tables: the same columns in exports and on a terminal; cells are raw text, escaped by who shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from investigator import agreement_tables, compare_tables, dose_tables, fidelity, score_tables, sweep_tables
from investigator.records import (
    Agreed,
    AgreementRow,
    CheckRow,
    Compared,
    ComparedRow,
    Contrasted,
    DoseRow,
    ExplanationRow,
    Feature,
    FeatureRow,
    Fetched,
    Figure,
    Found,
    HitRow,
    HypothesisRow,
    Intervened,
    LabelRow,
    Labels,
    LensRow,
    Opened,
    Result,
    Row,
    Score,
    SweepRow,
    Swept,
)
from investigator.table import Table, marked, number, share, without_empty

__all__ = ["Table", "marked", "number", "rows_table", "share", "tables_of"]


def _score(score: Score) -> tuple[str, str, str, str, str]:
    """Return the cells of `_SCORE`."""
    if score.error is not None:
        return ("error", "", "", "", "")
    shown = score_tables.marked_estimate(score, number(score.score))
    return (score_tables.gap(score), score_tables.interval(score.interval), shown, number(score.p), number(score.fdr))


def _feature(row: FeatureRow) -> tuple[str, ...]:
    label = "; ".join(row.labels) or "(no label)"
    return (str(row.latent), number(row.activation), number(row.z, 2), share(row.rate), label)


def _label(row: LabelRow) -> tuple[str, ...]:
    text = row.text if row.score.error is None else f"{row.text} ({row.score.error})"
    cells = (*_score(row.score), score_tables.verdict(row.score), number(row.activation or None))
    return (str(row.rank or ""), *cells, text)


def _explanation(row: ExplanationRow) -> tuple[str, ...]:
    text = f"{row.text} (a training label)" if row.verbatim else row.text
    told = (*_score(row.score), score_tables.verdict(row.score), str(row.count))
    return (str(row.rank or ""), *told, *fidelity.cells(row.fidelity), text)


def _hypothesis(row: HypothesisRow) -> tuple[str, ...]:
    said = score_tables.verdict(row.score) or row.score.error or ""
    spread = "" if row.wording_spread is None else f"±{number(row.wording_spread)}"
    counts = (str(row.score.background or ""), str(row.score.tried))
    return (str(row.prompt), *_score(row.score), spread, *counts, said, row.text)


def _hit(row: HitRow) -> tuple[str, ...]:
    shown = marked(row.tokens, row.peak) if 0 <= row.peak < len(row.tokens) else "".join(row.tokens)
    return (str(row.rank or ""), *_score(row.score), shown, row.document)


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


_SCORE = (">gap", "interval", ">log p/tok", ">p", ">fdr")
_KINDS: dict[type[Any], tuple[str, tuple[str, ...], Callable[[Any], tuple[str, ...]]]] = {
    FeatureRow: ("SAE features", (">latent", ">activation", ">z", ">rate", "label"), _feature),
    LabelRow: ("Labels", (">rank", *_SCORE, "verdict", ">activation", "label"), _label),
    ExplanationRow: ("Explanations", (">rank", *_SCORE, "verdict", ">drawn", *fidelity.COLUMNS, "text"), _explanation),
    HypothesisRow: (
        "Hypotheses",
        (">prompt", *_SCORE, ">wording", ">background", ">tried", "verdict", "hypothesis"),
        _hypothesis,
    ),
    HitRow: ("Hits", (">rank", *_SCORE, "context", "document"), _hit),
    AgreementRow: ("Pairs", agreement_tables.COLUMNS, agreement_tables.cells),
    DoseRow: ("Doses", dose_tables.COLUMNS, dose_tables.cells),
    LensRow: ("Logit lens", (">layer",), _lens),
    CheckRow: ("Checks", ("status", "check", "message"), _check),
    Figure: ("Figures", ("name", ">value", "unit", "target", "interval", "compared with"), _figure),
}


def rows_table(rows: Sequence[Row]) -> list[Table]:
    """Return the table of rows of one kind; none where there are no rows."""
    if not rows:
        return []
    if isinstance(rows[0], ComparedRow):
        return [compare_tables.of_rows(tuple(row for row in rows if isinstance(row, ComparedRow)))]
    title, columns, cells = _KINDS[type(rows[0])]
    table = tuple(cells(row) for row in rows)
    width = max(map(len, table))
    columns = (*columns, *(f"{i}" for i in range(1, width - len(columns) + 1)))
    return [without_empty(Table(title, columns, tuple(row + ("",) * (width - len(row)) for row in table)))]


def tables_of(result: Result | None, rows: Sequence[Row] = (), tokens: Sequence[str] = ()) -> list[Table]:
    """Return an answer's tables; `tokens` name the positions of a hypothesis scored over a whole prompt."""
    match result:
        case Opened():
            return _opened(result)
        case Feature():
            return _page(result)
        case Fetched():
            return [_fetched(result)]
    found: tuple[Row, ...] = _rows(result) or tuple(rows)
    if swept := [row for row in found if isinstance(row, SweepRow)]:
        return [*sweep_tables.of_rows(swept, tokens), *_summary(result)]
    spread = [table for row in found if isinstance(row, HypothesisRow) for table in _spread(row, tokens)]
    doses = [row for row in found if isinstance(row, DoseRow)]
    behind = [*fidelity.behind(found), *_summary(result), *dose_tables.behind(doses), *score_tables.behind(found)]
    return [*rows_table(found), *behind, *spread]


def _fetched(fetched: Fetched) -> Table:
    layers = ", ".join(map(str, fetched.layers))
    shape = f"{fetched.positions} x {fetched.width}"
    return Table("Activations", ("layers", ">shape", ">bytes"), ((layers, shape, f"{fetched.bytes:,}"),))


def _rows(result: Result | None) -> tuple[Row, ...]:
    if isinstance(result, Contrasted):
        return (result.left, result.right)
    found: tuple[Row, ...] = getattr(result, "rows", ())
    return found


def _summary(result: Result | None) -> Iterator[Table]:
    match result:
        case Labels():
            yield from score_tables.of_ranking(result)
        case Contrasted():
            yield from score_tables.of_contrast(result)
        case Found():
            yield from score_tables.of_search(result)
        case Compared():
            yield from compare_tables.of_result(result)
        case Agreed():
            yield agreement_tables.of_result(result)
        case Intervened():
            yield from dose_tables.of_intervention(result)
        case Swept():
            yield from sweep_tables.of_result(result)


def _opened(opened: Opened) -> list[Table]:
    tokens = tuple(
        (str(i), str(token.id), token.text, "special" if token.special else "") for i, token in enumerate(opened.tokens)
    )
    following = tuple((likely.text, f"{likely.value:.3f}") for likely in opened.next)
    return [
        without_empty(Table("Tokens", (">position", ">id", "text", "kind"), tokens)),
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
            without_empty(Table("Labels", ("label", "author", "rule", ">score"), labels)),
            Table(f"Latent {page.latent} of {page.sae}", ("figure", ">value"), figures),
            Table("Top contexts", (">activation", "context", "document"), contexts),
            Table("Logits", ("raises", ">by", "lowers", ">by"), logits),
            Table("Nearest latents", (">latent", ">cosine", "label"), nearest),
        )
        if table.rows
    ]


def _spread(row: HypothesisRow, tokens: Sequence[str]) -> list[Table]:
    # The scores at every layer hold those of the asked layer.
    lines = list(row.layers) or ([(row.layer, row.positions)] if row.positions else [])
    return [_over_tokens(f"Layer {layer}: {row.text}", scores, tokens) for layer, scores in lines]


def _over_tokens(title: str, scores: Sequence[Score], tokens: Sequence[str]) -> Table:
    cells = tuple(
        (str(at), tokens[at] if at < len(tokens) else "", *_score(one), one.error or "")
        for at, one in enumerate(scores)
    )
    return without_empty(Table(title, (">position", "token", *_SCORE, "why not"), cells))
