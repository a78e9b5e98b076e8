"""The labels stage: write labels/L3.jsonl with the fields of a Neuronpedia explanation."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np

from backends.engine.training.dictionary import Dictionary, load_dictionary
from backends.engine.training.firings import Firings, LatentFirings, by_latent, firings_folder
from backends.engine.training.folders import Folders, write_json, write_lines
from backends.engine.training.frozen_sae import FrozenSae
from backends.engine.training.labels.choice import Checked, checked_candidates, choose
from backends.engine.training.labels.evidence import base_evidence, latent_evidence
from backends.engine.training.labels.heldout import hold_out
from backends.engine.training.labels.lexicon import build_lexicon
from backends.engine.training.labels.tables import Tables, build_tables
from backends.engine.training.labels.words import read_fields
from backends.engine.training.passages import Passages
from backends.engine.training.progress import Progress, Stage
from backends.engine.training.recipe import LabelsRecipe, Recipe
from backends.engine.training.tokenizer import load_tokenizer

TYPE_NAME = "investigator_rule_v1"
RARE = 0.01


def run_labels(recipe: Recipe, folders: Folders, *, corpus: Path) -> Stage:
    """Write a label for every latent with a clear pattern, and figures/labels.json; nothing is done when they exist."""
    layer, settings = recipe.sae.layer, recipe.labels
    target = folders.labels(layer)
    if target.exists():
        yield Progress(1, 1, "labels were written before")
        return
    yield Progress(0, 1, "reading firings and words")
    firings = Firings.load(firings_folder(folders, layer))
    latents = by_latent(firings, FrozenSae.load(folders.sae(layer), device="cpu", dtype="float32").latents)
    dictionary = load_dictionary(corpus)
    tables = make_tables(firings.passages, folders, dictionary, settings)
    options = yield from _all_options(firings.passages, latents, tables, dictionary.offensive)
    chosen = choose(options, settings.most_latents)
    rows = label_rows(chosen, recipe)
    write_lines(target, rows)
    rate = latents.counts / max(1, int(firings.passages.mask().sum()))
    figures = label_figures(rows, rate)
    write_json(folders.figures("labels"), {"seed": settings.seed, "rules": _rules(rows), "figures": figures})
    yield Progress(1, 1, "labels written", figures)


def make_tables(passages: Passages, folders: Folders, dictionary: Dictionary, settings: LabelsRecipe) -> Tables:
    """Read the words of the passages and look them up."""
    fields = read_fields(passages, load_tokenizer(folders.subject))
    counts = np.bincount(fields.word[fields.word >= 0], minlength=len(fields.words.texts))
    lexicon = build_lexicon(fields.words.texts, counts, dictionary)
    anywhere = base_evidence(passages, fields, count=settings.anywhere, seed=settings.seed)
    return build_tables(fields, lexicon, anywhere, settings)


def _all_options(
    passages: Passages, latents: LatentFirings, tables: Tables, offensive: set[str]
) -> Generator[Progress, None, dict[int, list[Checked]]]:
    settings, total = tables.settings, len(latents.counts)
    options: dict[int, list[Checked]] = {}
    for latent in range(total):
        if latents.counts[latent] >= settings.least_firings:
            halves = (
                latent_evidence(
                    passages, tables.fields, latents, latent, half=half, most=settings.evidence, seed=settings.seed
                )
                for half in (0, 1)
            )
            writing, checking = halves
            if len(writing) and len(checking):
                options[latent] = list(checked_candidates(writing, checking, tables, offensive))
        if latent % 50 == 0:
            yield Progress(latent, total, "asking the rules")
    return options


def label_rows(chosen: dict[int, Checked], recipe: Recipe) -> list[dict[str, Any]]:
    """One Neuronpedia explanation a labelled latent, with the rule, its evidence, its check and its split."""
    source = label_source(recipe)
    heads = {entry.candidate.text: entry.candidate.head for _, entry in sorted(chosen.items())}
    held = hold_out(heads, recipe.labels.heldout_share, recipe.labels.seed)
    return [
        {
            "id": f"{source}-{latent}",
            "modelId": recipe.name,
            "layer": source,
            "index": str(latent),
            "authorId": "investigator",
            "description": entry.candidate.text,
            "typeName": TYPE_NAME,
            "explanationModelName": None,
            "method": "rule",
            "rule": _rule(entry),
            "evidence": _evidence(entry),
            "score": round(entry.score, 4),
            "split": "heldout" if entry.candidate.text in held else "train",
        }
        for latent, entry in sorted(chosen.items())
    ]


def label_source(recipe: Recipe) -> str:
    """What Neuronpedia would call the layer's autoencoder."""
    return f"{recipe.sae.layer}-{recipe.name}-res-{recipe.sae.latents // 1024}k"


def _rule(entry: Checked) -> str:
    """The rule and its evidence in one line for a person."""
    found = entry.candidate
    words = ", ".join(f"{word} {share:.2f}" for word, share in found.words.items())
    return f"{found.rule}: holds for {found.share:.0%} of activation, {found.base:.2%} of all tokens ({words})"


def _evidence(entry: Checked) -> dict[str, Any]:
    found = entry.candidate
    return {
        "rule": found.rule,
        "head": found.head,
        "share": round(found.share, 4),
        "base": round(found.base, 6),
        "words": found.words,
    }


def label_figures(rows: list[dict[str, Any]], rate: np.ndarray) -> dict[str, float]:
    """Coverage of live latents that fire on at most 1 % of tokens, and how varied and how good the labels are."""
    labelled = {int(row["index"]) for row in rows}
    rare = [latent for latent in range(len(rate)) if 0 < rate[latent] <= RARE]
    texts = {row["description"] for row in rows}
    return {
        "labelled": float(len(labelled)),
        "distinct": float(len(texts)),
        "rare_live": float(len(rare)),
        "label_coverage": sum(latent in labelled for latent in rare) / max(1, len(rare)),
        "mean_check": float(np.mean([row["score"] for row in rows])) if rows else 0.0,
        "heldout_share": len({row["description"] for row in rows if row["split"] == "heldout"}) / max(1, len(texts)),
    }


def _rules(rows: list[dict[str, Any]]) -> dict[str, int]:
    names = [row["evidence"]["rule"] for row in rows]
    return {name: names.count(name) for name in sorted(set(names))}
