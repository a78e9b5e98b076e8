"""Hypotheses and contrasts as plain text: for the why box, for copying, for a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from investigator.records import Contrasted, HypothesisRow
from investigator.text import inert, markdown, one_line
from screens.desk import Trial
from screens.heat_map import of_scores
from screens.score_words import number
from screens.why import why

WIDTH = 40
"""Cells of the line on which a contrast's interval is drawn."""


def trial_text(trial: Trial) -> str:
    """Return everything known of a trial: its numbers, its controls, its scores over layers and tokens."""
    row = trial.row
    if row is None:
        return inert(trial.sentence.line)
    reader = str(getattr(trial.work.answer.result, "reader", ""))
    text = why(row, place=trial.place.words, reader=reader, provenance=trial.work.answer.provenance)
    return "\n".join([text, *_grid(trial, row)])


def _grid(trial: Trial, row: HypothesisRow) -> Iterator[str]:
    layers = dict(row.layers) or ({trial.place.layer: row.positions} if row.positions else {})
    if not layers:
        return
    numbers = {layer: of_scores(row.text, scores) for layer, scores in layers.items()}
    yield from ("", "over the tokens: " + ", ".join(f"L{layer}" for layer in sorted(layers)))
    for at, token in enumerate(trial.place.opened.tokens):
        cells = "  ".join(f"{numbers[layer].number(at):>6}" for layer in sorted(layers))
        yield f"  {cells}  {inert(token.text)}"


def tells(trial: Trial, tried: int) -> Iterator[str]:
    """Yield what the why box says: the verdict in a sentence, the note, how many were tried."""
    row = trial.row
    if row is None:
        return
    score = row.score
    if score.error is not None:
        yield f"This could not be scored: {score.error}"
    elif score.why or score.verdict:
        yield score.why or f"The verdict is: {score.verdict}."
    if score.note:
        yield score.note[:1].upper() + score.note[1:].rstrip(".") + "."
    if row.wordings:
        many = len(row.wordings)
        yield "One phrasing was scored." if many == 1 else f"{many} phrasings were scored; the numbers are medians."
    if tried > 1:
        again = " t tests it again, corrected for all." if score.tried < tried else ""
        yield f"{tried} hypotheses were tried at this place; this one is corrected for {max(score.tried, 1)}.{again}"


def contrast_title(found: Contrasted, where: str) -> str:
    """Return what a contrast is called as a finding."""
    return f"{where}  {one_line(found.left.text, 40)} against {one_line(found.right.text, 40)}  {_difference(found)}"


def _difference(found: Contrasted) -> str:
    interval = f" [{found.interval[0]:+.2f}, {found.interval[1]:+.2f}]" if found.interval else ""
    return f"{number(found.difference, '+.2f') or 'not compared'}{interval}"


def contrast_lines(found: Contrasted, where: str) -> list[str]:
    """Return a contrast as lines: both sides, the difference with its interval drawn about zero, and why."""
    lines = [
        f"{'left':<6}{number(found.left.score.gap, '+.2f'):>7}  {inert(found.left.text)}",
        f"{'right':<6}{number(found.right.score.gap, '+.2f'):>7}  {inert(found.right.text)}",
        f"left minus right at {inert(where)}: {_difference(found)}, in nats a token{_reading(found)}",
    ]
    drawn = interval_line(found.difference, found.interval)
    return [*lines, *([drawn] if drawn else []), *([inert(found.why)] if found.why else [])]


def _reading(found: Contrasted) -> str:
    if found.interval is None:
        return ""
    low, high = found.interval
    return "; the interval holds 0, so neither fits better" if low <= 0 <= high else ""


def interval_line(value: float | None, interval: tuple[float, float] | None, width: int = WIDTH) -> str:
    """Return `[--+--]` on a line with zero as |, and both ends of the line in numbers."""
    if value is None or interval is None:
        return ""
    low, high = min(0.0, value, interval[0]), max(0.0, value, interval[1])
    span = high - low or 1.0
    zero, left, mid, right = (round((x - low) / span * (width - 1)) for x in (0.0, interval[0], value, interval[1]))
    cells = ["-" if left < at < right else " " for at in range(width)]
    cells[zero] = "|"
    cells[left], cells[right], cells[mid] = "[", "]", "+"
    return f"{low:+.2f} {''.join(cells)} {high:+.2f}   | zero  + difference"


def contrast_text(found: Contrasted, where: str) -> str:
    """Return a contrast with both sides in full."""
    sides = [why(found.left, place=where, reader=found.reader), why(found.right, place=where, reader=found.reader)]
    return "\n\n".join(["\n".join(contrast_lines(found, where)), *sides])


def table(trials: Sequence[Trial]) -> str:
    """Return trials as a markdown table, every text escaped."""
    lines = [
        "| gap | interval | p | verdict | wordings ± | log p/token | tried | place | hypothesis |",
        "|---:|---:|---:|---|---:|---:|---:|---|---|",
    ]
    return "\n".join([*lines, *(_cells(trial) for trial in trials), ""])


def _cells(trial: Trial) -> str:
    row, place = trial.row, markdown(trial.place.words)
    if row is None or row.score.error is not None:
        said = (row.score.error if row else None) or trial.work.state
        return f"|  |  |  | {markdown(said)} |  |  |  | {place} | {markdown(trial.sentence.line)} |"
    score = row.score
    interval = f"{score.interval[0]:+.2f} to {score.interval[1]:+.2f}" if score.interval else ""
    cells = (
        number(score.gap, "+.3f"),
        interval,
        number(score.p, ".3g"),
        markdown(score.verdict or ""),
        number(row.wording_spread, ".2f"),
        number(score.score, ".3f"),
        str(score.tried),
        place,
        markdown(trial.sentence.line),
    )
    return f"| {' | '.join(cells)} |"


def page(prompt: str, trials: Sequence[Trial], contrast: Contrasted | None, where: str) -> str:
    """Return a markdown page of a prompt's hypotheses, and of the contrast that is shown."""
    parts = ["# Hypotheses", "", f"Prompt: {markdown(prompt)}", "", table(trials)]
    if contrast is not None:
        lines = (markdown(line) for line in contrast_lines(contrast, where) if not line.startswith(("+", "-")))
        parts += ["## Contrast", "", *(f"- {line}" for line in lines), ""]
    return "\n".join(parts)
