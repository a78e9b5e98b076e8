"""A map's figures as text: what it is worth, the penalties swept, and all pairs of layers as a heat map."""

from __future__ import annotations

from collections.abc import Sequence

from backends.engine.crossmodel.card import MapCard, Swept
from backends.engine.crossmodel.pairs import Pair

_SHADES = " ░▒▓█"
_BAR = 40


def of_map(card: MapCard) -> str:
    """Return `map.md`: the figures beside their controls, and the sweep as a table with bars."""
    source, target, worth = card.source, card.target, card.worth
    lines = [
        f"# {source.subject} L{source.layer} to {target.subject} L{target.layer}",
        "",
        f"{_kind(card)} of width {source.width} to {target.width}, fitted on {card.sentences:,} sentences and measured "
        f"on {card.heldout:,} others (mean over each one's tokens; digest `{card.digest}`, seed {card.seed}).",
        "",
        *([underdetermined(card), ""] if card.underdetermined else []),
        "| held out | the map | mean predictor | fitted on shuffled pairs |",
        "|---|---:|---:|---:|",
        f"| cosine | {worth.cosine:.3f} | {worth.mean_cosine:.3f} | |",
        f"| cosine from the mean | {worth.centred_cosine:.3f} | 0 | {worth.permuted_cosine:.3f} |",
        f"| variance explained | {worth.variance:.3f} | 0 | {worth.permuted:.3f} |",
        "",
        *(_sweep(card.sweep, card.penalty) if card.sweep else []),
    ]
    return "\n".join(lines) + "\n"


def _kind(card: MapCard) -> str:
    return f"Ridge, lambda {card.penalty:g}," if card.penalty is not None else "Orthogonal Procrustes with one scale,"


def underdetermined(card: MapCard) -> str:
    """Return the sentence that says what too few sentences mean."""
    return (
        f"Underdetermined: {card.sentences:,} sentences for {card.source.width} dimensions. Many maps fit the training "
        "sentences exactly; only the penalty chooses among them, so trust the held-out figures alone."
    )


def _sweep(rows: Sequence[Swept], chosen: float | None) -> list[str]:
    lines = ["Penalties swept, on the held-out sentences (bars: variance explained, from 0 to 1):", "", "```"]
    for row in rows:
        bar = "█" * max(0, round(_BAR * row.variance))
        mark = "  <- used" if row.penalty == chosen else ""
        lines.append(
            f"{row.penalty:>9g}  cosine {row.cosine:.3f}  from the mean {row.centred_cosine:.3f}  "
            f"variance {row.variance:+.3f}  {bar}{mark}"
        )
    return [*lines, "```", ""]


def of_pairs(pairs: Sequence[Pair], source: str, target: str, words: str) -> str:
    """Return `pairs.md`: every pair of layers as a table, and as a heat map of shades."""
    rows, columns = sorted({pair.source for pair in pairs}), sorted({pair.target for pair in pairs})
    found = {(pair.source, pair.target): pair.worth for pair in pairs}
    lines = [f"# {source} to {target}, all pairs of layers", "", words, "", "Variance explained on held-out sentences:"]
    lines += ["", f"| {source} \\ {target} | " + " | ".join(f"L{column}" for column in columns) + " |"]
    lines.append("|---|" + "---:|" * len(columns))
    for row in rows:
        cells = (f"{found[row, column].variance:.3f}" for column in columns)
        lines.append(f"| L{row} | " + " | ".join(cells) + " |")
    lines += ["", "As a heat map (each cell from 0, blank, to 1, full):", "", "```"]
    lines += heat([[found[row, column].variance for column in columns] for row in rows], rows, columns)
    return "\n".join([*lines, "```", ""])


def heat(values: Sequence[Sequence[float]], rows: Sequence[int], columns: Sequence[int]) -> list[str]:
    """Return values from 0 to 1 as shaded cells, three characters wide, with layers along both sides."""
    lines = ["     " + "".join(f"L{column:<3}" for column in columns)]
    lines += [
        f"L{row:<3} " + "".join(3 * _shade(value) + " " for value in line)
        for row, line in zip(rows, values, strict=True)
    ]
    return lines


def _shade(value: float) -> str:
    return _SHADES[min(len(_SHADES) - 1, max(0, round(value * (len(_SHADES) - 1))))]
