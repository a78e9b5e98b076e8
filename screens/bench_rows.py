"""A row of the bench in words: as a line to copy, and as the title of a finding."""

from __future__ import annotations

from investigator.dose_tables import beside, nats
from investigator.fidelity import words
from investigator.records import DoseRow, ExplanationRow, FeatureRow, HitRow, HypothesisRow, LabelRow, Row, Score
from investigator.text import inert, one_line
from screens.bench_place import Place


def as_text(row: Row, place: Place | None) -> str:
    """Return a row as one line of text with its numbers and its place."""
    where = f"  ({place.words} of {inert(place.opened.prompt)!r})" if place else ""
    return f"{_body(row)}{where}"


def title_of(row: Row, place: Place | None) -> str:
    """Return what a finding made of this row is called."""
    return f"{place.words + '  ' if place else ''}{_name(row)}{_number(row)}"


def text_of(row: Row) -> str:
    """Return what a row says of an activation: its text, or a latent's first label; empty where there is none."""
    if isinstance(row, FeatureRow):
        return row.labels[0] if row.labels else ""
    return str(getattr(row, "text", ""))


def score_words(score: Score) -> str:
    """Return a score's numbers in words."""
    if score.error is not None:
        return f"failed: {inert(score.error)}"
    parts = [f"gap {score.gap:+.2f}"] if score.gap is not None else []
    parts += [f"p {score.p:.3g} over {score.background}"] if score.p is not None else []
    parts += [f"log p {score.score:.2f} a token"] if score.score is not None else []
    parts += [inert(score.verdict)] if score.verdict else []
    parts += [inert(score.note)] if score.note else []
    return ", ".join(parts) or "no score"


def _body(row: Row) -> str:
    match row:
        case FeatureRow():
            labels = " / ".join(map(inert, row.labels)) or "(no label)"
            return f"latent {row.latent}  act {row.activation:.2f}  z {row.z:.1f}  rate {row.rate:.2%}  {labels}"
        case LabelRow():
            return f"{inert(row.text)}  {score_words(row.score)}, activation {row.activation:.2f}"
        case ExplanationRow():
            told = f"{words(row.fidelity)}  " if row.fidelity else ""
            return f"{told}{inert(row.text)}  {score_words(row.score)}, drawn {row.count} times"
        case HypothesisRow():
            return f"{inert(row.text)}  {score_words(row.score)}"
        case HitRow():
            return f"{inert(hit_text(row))}  {score_words(row.score)}  {inert(row.document)}"
        case DoseRow():
            said = row.error or f"KL {nats(row.kl)}  random {beside(row.random)}  {row.continuation}"
            return f"dose {row.dose:g}  {inert(said)}"
        case _:
            return inert(row.key)


def hit_text(row: HitRow) -> str:
    """Return a hit's excerpt with the token it is about in brackets."""
    before, after = "".join(row.tokens[: row.peak]), "".join(row.tokens[row.peak + 1 :])
    token = row.tokens[row.peak] if row.peak < len(row.tokens) else ""
    bare = token.lstrip(" ")
    return f"{before}{token[: len(token) - len(bare)]}[{bare}]{after}"


def _name(row: Row) -> str:
    if isinstance(row, HitRow):
        return one_line(hit_text(row).strip(), 60)
    if isinstance(row, FeatureRow):
        return one_line(row.labels[0], 60) if row.labels else f"latent {row.latent}"
    return one_line(str(getattr(row, "text", row.key)), 60)


def _number(row: Row) -> str:
    if isinstance(row, FeatureRow):
        return f"  act {row.activation:.2f}"
    score = getattr(row, "score", None)
    return f"  {score.gap:+.2f}" if isinstance(score, Score) and score.gap is not None else ""
