"""The page: markdown in which text from models and papers stands escaped."""

from __future__ import annotations

import re
from collections.abc import Sequence

from backends.engine.evaluating.paper.printed import SNIPPETS, Printed
from investigator.records import ExplanationRow, Features, Found, HitRow, LabelRow, Labels, Score
from investigator.text import markdown

# Tokens of a snippet: about as many as the paper shows.
_SNIPPET = 14
_SPECIAL = re.compile(r"<\|\w+\|>")
_MARK = {"supported": "supported", "not above baseline": "not above baseline", "fits almost anything": "vague"}


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a markdown table of cells that are already escaped."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def side_by_side(left: Sequence[str], right: Sequence[str]) -> list[list[str]]:
    """Return rows of two columns of unlike length."""
    count = max(len(left), len(right))
    return [[(column[row] if row < len(column) else "") for column in (left, right)] for row in range(count)]


def number(value: float | None) -> str:
    """Return a number of nats, a dash where there is none."""
    return "–" if value is None else f"{value:.2f}"


def numbers(score: Score) -> str:
    """Return score, gap and verdict in brackets, or why there is no score."""
    if score.error is not None:
        return markdown(f"({score.error})")
    parts = [number(score.score), f"gap {number(score.gap)}"]
    if score.verdict is not None:
        parts.append(_MARK[score.verdict])
    return f"({', '.join(parts)})"


def drawn(row: ExplanationRow) -> str:
    """Return a drawn text with its numbers, and whether it is a training label word for word."""
    verbatim = ", a training label" if row.verbatim else ""
    return f"{markdown(row.text)} {numbers(row.score)}{verbatim}"


def ranked(row: LabelRow) -> str:
    """Return a ranked label with its numbers and the activation of its latent."""
    return f"{markdown(row.text)} {numbers(row.score)}, activation {row.activation:.1f}"


def by_activation(features: Features) -> list[str]:
    """Return the labels of the strongest latents with their activations."""
    return [f"{markdown('; '.join(row.labels))} ({row.activation:.1f})" for row in features.rows]


def hit(row: HitRow) -> str:
    """Return the end of an excerpt, up to its position, as the paper's table 2 shows them; no special tokens."""
    plain = [token for token in row.tokens[: row.peak + 1] if not _SPECIAL.fullmatch(token)]
    return ".. " + markdown("".join(plain[-_SNIPPET:]).strip())


def as_printed(printed: Printed) -> str:
    """Return a table as the paper prints it."""
    head = ("top by SAE activation", "top by L2EL log-prob" if printed.ranked else "top generated (L2EL)")
    rows = side_by_side([markdown(text) for text in printed.by_sae], [markdown(text) for text in printed.by_l2el])
    return f"In the paper, at `{printed.prompt}`:\n\n" + table(head, rows)


def hits_page(found: Sequence[tuple[str, Found]]) -> str:
    """Return table 2: the paper's snippets, then ours for every sentence."""
    parts = [table(("in the paper: snippet", "average log-prob"), [[markdown(t), f"{v:.3f}"] for t, v in SNIPPETS])]
    for text, result in found:
        rows = [[hit(row), number(row.score.score), number(row.score.gap)] for row in result.rows]
        said = (
            f"On pocket, “{markdown(text)}”, over {result.positions:,} positions of {result.contexts:,} contexts; "
            f"{result.rescored:,} scored exactly{_recall(result)}{_line(result)}:"
        )
        parts.append(f"{said}\n\n{table(('snippet', 'average log-prob', 'gap'), rows)}")
    return "\n\n".join(parts)


def _recall(found: Found) -> str:
    return "" if found.recall is None else f", recall {found.recall:.2f} on calibration sentences"


def _line(found: Found) -> str:
    if not found.background:
        return ""
    return f"; the best of {len(found.background)} background positions has {number(found.background[-1])}"


def frontier(labels: Labels) -> str:
    """Return figure 2's Pareto frontier of activation against log-probability as a table."""
    rows = [[markdown(point.text), f"{point.activation:.2f}", number(point.score)] for point in labels.frontier]
    return table(("label", "activation", "log-prob"), rows)
