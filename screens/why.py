"""Why a number is what it is: a row's score, gap and p with their controls and provenance, as plain text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from investigator.provenance import Provenance
from investigator.records import ExplanationRow, FeatureRow, Fidelity, HitRow, HypothesisRow, LabelRow, Row, Score
from investigator.text import inert
from screens import control_plot
from screens.widgets import histogram, strip_plot

UNUSUAL = "p says how unusual this place is for the text, not that the text is true of it."
BINS = 40
WIDTH = 84
"""Cells of a line, which a sheet at 100 columns holds."""
TELLS = {
    "mean": "the layer's mean activation: what the text gets anywhere",
    "random norm": "random vectors as far from the layer's mean as this one",
    "random covariance": "random vectors of the layer's mean and covariance; a verdict needs a gap above 95 % of them",
    "other tokens": "the prompt's other tokens; they share the context and never count in the verdict",
    "prompt only": "a reader trained alike that sees only the prompt's words; a note, never a verdict",
    "self-scores": "the best texts drawn from random vectors, each under its own: for texts drawn from this activation",
}


def why(
    row: Row,
    *,
    place: str = "",
    reader: str = "",
    provenance: Provenance | None = None,
    agreement: Iterable[str] = (),
) -> str:
    """Return everything known about a row's number; `place` says in words which source it was read from.

    agreement: lines about texts of the same meaning that stand beside it.
    """
    parts = [*_head(row, place), "", *_body(row, reader), *agreement]
    if provenance is not None:
        parts += ["", "provenance", *_indented(provenance_lines(provenance))]
    return "\n".join(parts)


def _head(row: Row, place: str) -> Iterator[str]:
    match row:
        case LabelRow() | ExplanationRow() | HypothesisRow():
            yield inert(row.text)
        case FeatureRow():
            yield f"latent {row.latent}: {' / '.join(map(inert, row.labels)) or '(no label)'}"
        case HitRow():
            yield inert("".join(row.tokens))
        case _:
            yield row.key
    if place:
        yield inert(place)


def _body(row: Row, reader: str) -> Iterator[str]:
    match row:
        case LabelRow():
            yield from score_lines(row.score)
            yield from _label_lines(row)
        case ExplanationRow():
            yield from score_lines(row.score)
            yield from _explanation_lines(row)
        case HypothesisRow():
            yield from score_lines(row.score, row.background)
            yield from wording_lines(row)
            yield from background_lines(row)
        case HitRow():
            yield from score_lines(row.score)
            yield f"found in    {inert(row.document)}, context {row.context}, position {row.position}"
        case FeatureRow():
            yield from _feature_lines(row)
    if reader:
        yield f"reader      {inert(reader)}"


def score_lines(score: Score, background: tuple[float, ...] = ()) -> Iterator[str]:
    """Yield what a score is made of, one fact a line; a failed score says why and gives no number."""
    if score.error is not None:
        yield f"score       failed: {inert(score.error)}"
        return
    yield from _verdict_lines(score)
    yield from _score_line(score)
    yield from _gap_line(score)
    yield from _p_lines(score)
    yield from _ranking_lines(score)
    yield from _tried_line(score)
    yield from control_lines(score, background)


def _verdict_lines(score: Score) -> Iterator[str]:
    if score.verdict:
        yield f"verdict     {inert(score.verdict)}"
    if score.why:
        yield from _wrapped("why", score.why)
    if score.note:
        yield from _wrapped("note", score.note)


def _score_line(score: Score) -> Iterator[str]:
    if score.score is None:
        yield "score       not scored"
        return
    tokens = f"{score.tokens} tokens, the end included" if score.tokens else "its tokens, the end included"
    yield f"score       {score.score:+.3f} nats a token: log p(text + end-of-text | source) / {tokens}"
    if score.estimate:
        yield "            ~ estimated from the index; exact numbers replace it"


def _gap_line(score: Score) -> Iterator[str]:
    if score.gap is None:
        yield "gap         none: this layer has no background to compare with"
    elif score.score is None:
        yield f"gap         {score.gap:+.3f}"
    else:
        where = f"{score.background} background positions" if score.background else "the background positions"
        mean = score.score - score.gap
        yield f"gap         {score.gap:+.3f}: score minus the same text's mean, {mean:+.3f}, over {where} of this layer"
    if score.interval is not None:
        yield f"interval    {score.interval[0]:+.2f} to {score.interval[1]:+.2f}: 95 %, over wordings and background"
    if score.spread is not None:
        yield f"spread      {score.spread:.3f}: standard deviation of the text's scores over the background"


def _p_lines(score: Score) -> Iterator[str]:
    if score.p is None:
        return
    n = score.background
    above = f" = (1 + {round(score.p * (1 + n)) - 1}) / (1 + {n})" if n else ""
    yield f"p           {score.p:.3g}{above}: the share of background positions where the text scores as high"
    if n and score.p <= 1.5 / (1 + n):
        yield f"            It is the smallest that {n} positions allow."
    yield f"            {UNUSUAL}"


def _ranking_lines(score: Score) -> Iterator[str]:
    if score.fdr is not None:
        yield f"fdr         {score.fdr:.3g}: of the labels ranked at or above this one, the share that random vectors'"
        yield "            rankings would bring as high"


def _tried_line(score: Score) -> Iterator[str]:
    if score.tried > 1:
        yield f"tried       {score.tried} hypotheses were tried at this place; the verdict is corrected for that"


def control_lines(score: Score, background: tuple[float, ...] = ()) -> Iterator[str]:
    """Yield the controls with score and gap, then drawn around the score."""
    if not score.controls:
        yield "controls    the background above; no further control was asked for"
        return
    yield "controls    the same text on what should not support it:"
    base = score.score - score.gap if score.score is not None and score.gap is not None else None
    for control in score.controls:
        gap = control.gap if control.gap is not None else control.score - base if base is not None else None
        many = f"  n {control.count:,}" if control.count > 1 else ""
        shown = f"  gap {gap:+.3f}" if gap is not None else ""
        favour = score.gap - gap if gap is not None and score.gap is not None else None
        more = f"  ({favour:+.2f} in favour of this place)" if favour is not None else ""
        yield f"            {inert(control.name):<20} {control.score:+.3f}{shown}{more}{many}"
        tells = TELLS.get(control.name.replace("prompt-only", "prompt only"))
        if tells:
            yield f"              {tells}"
    yield ""
    yield from (f"  {line}" for line in control_plot.lines(score, background, WIDTH - 2))
    yield ""


def wording_lines(row: HypothesisRow) -> Iterator[str]:
    """Yield every phrasing with what it gets; the numbers above are medians over them."""
    if not row.wordings:
        return
    spread = f", half their range {row.wording_spread:.2f}" if row.wording_spread is not None else ""
    yield f"wordings    {len(row.wordings)} phrasings, of which the numbers above are the medians{spread}"
    for wording in row.wordings:
        number = wording.gap if wording.gap is not None else wording.score
        said = "failed" if wording.error is not None or number is None else f"{number:+.2f}"
        yield f"            {said:>6}  {inert(wording.text)}{f': {inert(wording.error)}' if wording.error else ''}"


def _label_lines(row: LabelRow) -> Iterator[str]:
    carried = ", ".join(map(str, row.latents)) or "none"
    yield f"activation  {row.activation:.2f}: the largest here among the latents that carry this label ({carried})"
    if row.rank:
        yield f"rank        {row.rank} in the order asked; equal scores, within 1e-4, share a rank"


def _explanation_lines(row: ExplanationRow) -> Iterator[str]:
    if row.fidelity is not None:
        yield from _fidelity_lines(row.fidelity)
    yield f"drawn       {row.count} time{'s' if row.count != 1 else ''} from this activation"
    yield "            A text drawn from an activation fits that activation: its gap alone does not make it true."
    if row.verbatim:
        yield "verbatim    It is a label that the reader was trained on, word for word."


def _fidelity_lines(found: Fidelity) -> Iterator[str]:
    """Yield how much of the activation the text brings back, and what other texts bring back."""
    if found.error is not None or found.cosine is None:
        yield f"fidelity    failed: {inert(found.error or 'no number')}"
        return
    fve = f"fve {found.fve:+.3f}, " if found.fve is not None else ""
    yield f"fidelity    {fve}cosine {found.cosine:+.3f}: what a reconstructor makes of the text, against the activation"
    for control in found.controls:
        fve = f"fve {control.fve:+.3f}, " if control.fve is not None else ""
        yield f"            {inert(control.name):<16} {fve}cosine {control.cosine:+.3f}"
    if found.variance is not None:
        yield f"            fve = 1 - 2 (1 - cosine) / {found.variance:.4f}, the variance of {inert(found.baseline)}"
    yield "            A verbalizer and a reconstructor trained together can talk in code; shuffled words tell of it."


def _feature_lines(row: FeatureRow) -> Iterator[str]:
    yield f"activation  {row.activation:.3f}"
    yield f"z           {row.z:+.2f}: (pre-activation - its median) / IQR over the held-out tokens (robust z)"
    yield f"rate        {row.rate:.3%} of tokens make it fire"


def background_lines(row: HypothesisRow, width: int = 60) -> Iterator[str]:
    """Yield the background of a hypothesis as a strip, a histogram and a sentence."""
    if not row.background or row.score.score is None:
        return
    here = row.score.score
    strip = strip_plot.strip(row.background, [strip_plot.Mark(here, "◆", "here")], width)
    low, high = min(*row.background, here), max(*row.background, here)
    yield f"background  {low:+.2f} {strip} {high:+.2f}   ◆ here"
    yield f"            {strip_plot.in_words(row.background, here)}"
    yield ""
    yield from (f"            {line}" for line in _histogram(row.background))


def _histogram(values: tuple[float, ...]) -> list[str]:
    low, span = min(values), max(values) - min(values) or 1.0
    counts = [0] * BINS
    for value in values:
        counts[min(int((value - low) / span * BINS), BINS - 1)] += 1
    axis = f"{low:+.2f}" + f"{low + span:+.2f}".rjust(BINS - len(f"{low:+.2f}"))
    return [*histogram.columns(counts, 4), axis, f"{len(values)} background positions, log scale"]


def _wrapped(name: str, text: str) -> list[str]:
    lines = textwrap.wrap(inert(text), WIDTH - 12) or [""]
    return [f"{name:<12}{lines[0]}", *(f"{'':<12}{line}" for line in lines[1:])]


def provenance_lines(provenance: Provenance) -> list[str]:
    """Return what is needed to run the answer again, one fact a line."""
    libraries = ", ".join(f"{name} {version}" for name, version in sorted(provenance.libraries.items()))
    seed = "none" if provenance.seed is None else provenance.seed
    lines = [
        f"workbench   {inert(provenance.workbench)}",
        *(
            f"{role:<11} {inert(part.name)} {_marks(part.revision, part.fingerprint)}"
            for role, part in provenance.parts.items()
        ),
        f"computed    {inert(provenance.device)} {provenance.dtype}, {provenance.threads} threads, seed {seed}",
        f"asked       {provenance.asked_at} on {inert(provenance.machine)}",
        f"version     {provenance.version} (build {provenance.build}, protocol {provenance.protocol})",
        f"libraries   {libraries or 'not recorded'}",
    ]
    return [*lines, f"plan        {inert(provenance.plan)}"] if provenance.plan else lines


def _marks(revision: str, fingerprint: str) -> str:
    return " ".join([*([f"@{revision}"] if revision else []), f"xxh3:{fingerprint}"])


def _indented(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines]
