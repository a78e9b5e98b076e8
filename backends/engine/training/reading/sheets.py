"""Reading sheets: for each latent what it fires on, strongly and weakly, and what looks alike and leaves it silent."""

from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backends.engine.training.folders import Folders, read_lines, write_atomically
from backends.engine.training.progress import Progress, Stage
from backends.engine.training.reading.choice import choose_shown, near_misses
from backends.engine.training.reading.excerpts import excerpts
from backends.engine.training.reading.material import Material, Places, draw_counts, load_material
from backends.engine.training.recipe import Recipe

SHEET = 150
"""Latents on a sheet."""
_LEAST_SHOWN = 40
_TOPS, _TOPS_OF_A_WORD, _MISSES = 7, 6, 3
# Where one word has most of the activation, fewer and shorter lines say what the latent is about.
_CONCENTRATED = 0.6
_SHORT, _LONG, _SILENT = 24, 42, 32
"""Characters before the token: of such a latent, of others, and at most where a latent is silent."""
_WORDS, _LEAST_SHARE = 5, 0.01
HEAD = """\
Labels to be read. For each latent below write one line: N|label, or N|label|note, or {"latent": N, "label": "..."}
The label says in 3 to 12 words what the latent fires on, so that a reader could tell firing from silent places by it.
  #N    firing rate | words at its peaks with their share of the activation | label by rule and its check, if any
  +     its strongest firings; the token that fires stands between « and ». The model had read no further than that.
  ~NN   weaker firings, at NN % of its largest activation
  -     the same token, or what came closest, where the latent is SILENT
"""


def run_label_sheets(recipe: Recipe, folders: Folders, target: Path, *, first: int, count: int) -> Stage:
    """Write sheets of 150 latents into `target`, those that speak for most places first.

    Latents that fire on more than `most_rate` of tokens, or too seldom to be read, are left out; of the others the
    `count` from the `first` on (0 is the most telling).
    """
    yield Progress(0, 1, "reading firings and words")
    material = load_material(recipe, folders, recipe.sae.layer)
    order = telling_latents(material, draw_counts(material))[first : first + count]
    yield Progress(0, len(order), "looking for near misses")
    near = near_misses(material)
    rules = known_labels(folders.labels(recipe.sae.layer))
    for start in range(0, len(order), SHEET):
        blocks = [block(material, latent, near[latent], rules) for latent in order[start : start + SHEET].tolist()]
        number = (first + start) // SHEET
        _write(target / f"sheet-{number:02d}.txt", HEAD + "\n" + "\n".join(blocks))
        yield Progress(min(start + SHEET, len(order)), len(order), f"wrote sheet {number:02d}")


def _write(path: Path, text: str) -> None:
    write_atomically(path, lambda temporary: _write_text(temporary, text))


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def telling_latents(material: Material, draws: NDArray[np.int64]) -> NDArray[np.int64]:
    """Latents that fire rarely enough to speak for a place and often enough to be read, the most drawn first."""
    rate = material.scale.rate
    kept = (rate > 0) & (rate <= material.recipe.mapper.most_rate) & (material.latents.counts >= 2 * _LEAST_SHOWN)
    order: NDArray[np.int64] = np.argsort(-draws, kind="stable")
    return order[kept[order]]


def known_labels(file: Path) -> dict[int, str]:
    """What a sheet says of each latent's label by rule; empty where there is no label file yet."""
    rows = read_lines(file) if file.exists() else []
    return {int(row["index"]): f"{row['description']} ({row['score']:.2f})" for row in rows}


def peak_words(material: Material, latent: int) -> list[tuple[str, float]]:
    """The words on which a latent fires, with their share of its activation, the largest first."""
    own = material.latents.of(latent)
    numbers = material.fields.word[material.latents.rows[own], material.latents.positions[own]]
    values = material.latents.activations[own]
    totals: dict[str, float] = defaultdict(float)
    for number, value in zip(*_summed(numbers, values), strict=True):
        totals[material.fields.words.texts[number].lower() if number >= 0 else ""] += value
    whole = max(float(values.sum()), 1e-9)
    return [(word, value / whole) for word, value in sorted(totals.items(), key=lambda pair: -pair[1])[:_WORDS]]


def _summed(numbers: NDArray[np.int32], values: NDArray[np.float32]) -> tuple[list[int], list[float]]:
    distinct, places = np.unique(numbers, return_inverse=True)
    sums: list[float] = np.bincount(places, weights=values).tolist()
    return distinct.tolist(), sums


def block(material: Material, latent: int, near: Places, rules: dict[int, str]) -> str:
    """One latent's part of a sheet, about 700 characters."""
    words = peak_words(material, latent)
    narrow = words[0][1] >= _CONCENTRATED
    characters = _SHORT if narrow else _LONG
    shown = choose_shown(material, latent, near, _TOPS_OF_A_WORD if narrow else _TOPS, _MISSES)
    seen = [(word.replace("\n", "⏎").strip() or "␣", share) for word, share in words if share >= _LEAST_SHARE]
    listed = ", ".join(f"{word} {share:.2f}" for word, share in seen)
    rate, rule = f"{material.scale.rate[latent]:.2%}", rules.get(latent, "no rule")
    lines = [f"#{latent}  {rate} | {listed or 'many words'} | {rule}"]
    lines += [f"+ {line}" for line in excerpts(material, shown.top, characters)]
    weaker = excerpts(material, shown.weaker, characters)
    lines += [f"~{round(100 * share)} {line}" for share, line in zip(shown.strengths.tolist(), weaker, strict=True)]
    for places in (shown.alike, shown.near):
        lines += [f"- {line}" for line in excerpts(material, places, min(characters, _SILENT))]
    return "\n".join(lines) + "\n"
