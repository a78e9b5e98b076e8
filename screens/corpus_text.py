"""A corpus search in words: what was searched and how well, where the background begins, one hit in full."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Sequence

import msgspec

from investigator.records import Found, HitRow
from investigator.text import inert, markdown
from investigator.wire import Find
from screens.marks import Marks
from screens.score_words import number, p_value
from screens.why import why
from screens.work import Work

BELOW = 0.99
"""Share of the background below the rule."""


def found(work: Work | None) -> Found | None:
    """Return a search's whole answer, once it is there."""
    result = work.answer.result if work else None
    return result if isinstance(result, Found) else None


def hits(work: Work | None) -> list[HitRow]:
    """Return the hits, best first: of the whole answer, else those that have streamed in."""
    result = found(work)
    if result is not None:
        return list(result.rows)
    return _streamed(work) if work is not None else []


def _streamed(work: Work) -> list[HitRow]:
    """Return what came so far, ranked anew: a later batch overtakes an earlier one's hits without taking them back."""
    rows = [row for row in work.answer.rows.values() if isinstance(row, HitRow)]
    rows.sort(key=lambda row: -(row.score.score if row.score.score is not None else float("-inf")))
    verb = work.verb
    if isinstance(verb, Find):
        # The first of a context is its best: a dict keeps the first place and, filled backwards, the first row.
        best = {row.key if verb.all_positions else row.context: row.key for row in reversed(rows)}
        kept = frozenset(best.values())
        rows = [row for row in rows if row.key in kept][: verb.limit]
    return [msgspec.structs.replace(row, rank=at) for at, row in enumerate(rows, 1)]


def threshold(background: Sequence[float], share: float = BELOW) -> float | None:
    """Return the score below which so much of the background lies; None without a background."""
    ordered = sorted(background)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else None


def above(rows: Sequence[HitRow], least: float) -> int:
    """Return how many of the first hits score higher; the rule stands below them."""
    for at, row in enumerate(rows):
        if row.score.score is None or row.score.score < least:
            return at
    return len(rows)


def rule_words(rows: Sequence[HitRow], result: Found) -> str:
    """Return what the rule says."""
    least = threshold(result.background)
    if least is None:
        return ""
    many = above(rows, least)
    said = f"{BELOW:.0%} of {len(result.background)} background positions lie below {least:.2f}"
    if many == len(rows):
        return f"{said}: all {many} hits shown are above it"
    return f"{said}: {many} of {len(rows)} hits are above it"


def above_words(rows: Sequence[HitRow], result: Found | None) -> str:
    """Return how many hits stand above the rule, in a few words."""
    least = threshold(result.background) if result is not None else None
    return f"{above(rows, least)} of {len(rows)} hits above {BELOW:.0%} of the background" if least is not None else ""


def summary(work: Work | None, marks: Marks) -> str:
    """Return what was searched, how much of it exactly, and how many of the best it finds."""
    result = found(work)
    if result is None:
        return ""
    how = "every position scored" if result.exact else f"{result.rescored:,} scored exactly"
    parts = [
        inert(result.corpus),
        *([f"recall {p_value(result.recall)}"] if result.recall is not None else []),
        f"{result.positions:,} positions in {result.contexts:,} contexts",
        how,
    ]
    return f" {marks.dot} ".join(part for part in parts if part)


def prompt_of(hit: HitRow, special: Collection[str] = ()) -> str:
    """Return the words that were read for a hit: its excerpt up to its token, without the model's own first token."""
    words = hit.tokens[: hit.peak + 1]
    first = 1 if len(words) > 1 and words[0] in special else 0
    return "".join(words[first:]).lstrip(" ")


def hit_text(hit: HitRow, text: str, work: Work | None) -> str:
    """Return a hit in full: its words, its score, where it stands, how it was found."""
    result = found(work)
    reader = result.reader if result else ""
    provenance = work.answer.provenance if work else None
    body = why(hit, place=f"how well {inert(text)!r} fits at its token", reader=reader, provenance=provenance)
    head, rest = body.split("\n", 1)
    return "\n".join([*textwrap.wrap(head, 84), rest])


def page(text: str, work: Work | None, marks: Marks) -> str:
    """Return a search as a markdown page, every text escaped."""
    rows, result = hits(work), found(work)
    rule = rule_words(rows, result) if result else ""
    lines = [f"# {markdown(text)}", "", markdown(summary(work, marks)), "", markdown(rule), ""]
    lines += ["| rank | log p/token | gap | p | words | document |", "|---:|---:|---:|---:|---|---|"]
    return "\n".join([*lines, *(_cells(row, at) for at, row in enumerate(rows, 1)), ""])


def _cells(row: HitRow, rank: int) -> str:
    score = row.score
    words = "".join(
        f"**{markdown(token.strip())}** " if at == row.peak else markdown(token) for at, token in enumerate(row.tokens)
    )
    numbers = (number(score.score, ".3f"), number(score.gap, "+.3f"), number(score.p, ".3g"))
    return f"| {row.rank or rank} | {' | '.join(numbers)} | {words} | {markdown(row.document)} |"
