"""Put the labels that a reader wrote in place of the rules', each with how it was made and what its check found."""

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from backends.engine import labels as label_files
from backends.engine.embedding import Embedder, bundled, reference
from backends.engine.training.blind import NAME as BLIND
from backends.engine.training.dictionary import load_dictionary
from backends.engine.training.folders import Folders, read_lines, write_json, write_lines
from backends.engine.training.labels.heldout import hold_out
from backends.engine.training.labels.stage import label_figures, label_source
from backends.engine.training.progress import Progress, Stage
from backends.engine.training.prompt_only import NAME as PROMPT_ONLY
from backends.engine.training.reading.check import Check, check_labels
from backends.engine.training.reading.material import load_material
from backends.engine.training.reading.quoted import clues
from backends.engine.training.reading.replies import Reply, read_replies
from backends.engine.training.recipe import Recipe
from investigator.errors import BadInput

TYPE_NAME = "investigator_read_v1"
LEAST = 0.6
"""A label whose check is below this says too little; 0.5 is chance."""
Row = dict[str, Any]


def run_read_labels(recipe: Recipe, folders: Folders, files: tuple[Path, ...], *, reader: str, corpus: Path) -> Stage:
    """Check the labels in `files`, merge those that hold with the rules' and write labels/L<layer>.jsonl.

    Readers that were trained on other labels are removed, so that `train mapper` makes them again. What was refused
    or dropped stands in work/read-labels.json.
    """
    layer = recipe.sae.layer
    if not files:
        raise BadInput("No labels were given to read.", "Name the files of JSON lines that came back from the sheets.")
    yield Progress(0, 1, "reading labels, firings and words")
    rules = rule_rows(folders, layer)
    replies, refused = read_replies(files, recipe.sae.latents, load_dictionary(corpus).offensive)
    material = load_material(recipe, folders, layer)
    embedder = checking_embedder(folders)
    checks: dict[int, Check | None] = {}
    for latent, check in check_labels(material, {one.latent: one.label for one in replies.values()}, embedder):
        checks[latent] = check
        yield Progress(len(checks), len(replies), f"checking labels with {embedder.name}")
    kept = worn_out(replies, checks, recipe.labels.most_latents)
    rows = merged(rules, [_row(recipe, replies[one], checks[one], embedder.name, reader) for one in kept], recipe)
    rate = material.latents.counts / max(1, int(material.firings.passages.mask().sum()))
    figures = _figures(rows, rate, replies, kept, len(refused))
    before = label_files.read(folders.labels(layer)).fingerprint
    write_lines(folders.labels(layer), rows)
    report = {"refused": [vars(one) for one in refused], "dropped": _dropped(replies, checks, kept)}
    write_json(folders.work / f"read-labels{folders.suffix}.json", report)
    write_json(folders.figures("labels"), {"seed": recipe.labels.seed, "embedder": embedder.name, "figures": figures})
    if label_files.read(folders.labels(layer)).fingerprint != before:
        forget_readers(folders, layer)
    yield Progress(1, 1, "labels merged; `train mapper` makes the readers again", figures)


def checking_embedder(folders: Folders) -> Embedder:
    """The workbench's own embedder, where it is trained, else MiniLM; raises WorkbenchError where there is neither.

    A check of 3,600 labels embeds some 200,000 texts: seconds for the one, an hour for the other on two cores.
    """
    own = (folders.shared or folders.root) / "embedder"
    return bundled(own) if own.exists() else reference(None)


def rule_rows(folders: Folders, layer: int) -> list[Row]:
    """The labels by rule, kept in work/ from the first time on, so that reading twice gives the same."""
    kept = folders.work / f"rule-labels-L{layer}.jsonl"
    if not kept.exists():
        source = folders.labels(layer)
        if not source.exists():
            raise BadInput(f"There are no labels of layer {layer} yet.", "Run `investigator train labels` first.")
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_lines(kept, [row for row in read_lines(source) if row.get("method", "rule") == "rule"])
    return read_lines(kept)


def worn_out(replies: dict[int, Reply], checks: dict[int, Check | None], most: int) -> list[int]:
    """The latents whose label holds; a text is given to at most `most` of them, those that it fits best."""
    used: Counter[str] = Counter()
    kept = []
    for latent in sorted(replies, key=lambda one: (-_score(checks[one]), one)):
        text = replies[latent].label
        if _score(checks[latent]) >= LEAST and used[text] < most:
            used[text] += 1
            kept.append(latent)
    return kept


def _score(check: Check | None) -> float:
    return check.score if check else 0.0


def _row(recipe: Recipe, reply: Reply, check: Check | None, embedder: str, reader: str) -> Row:
    assert check is not None
    source = label_source(recipe)
    quoted = clues(reply.label)
    numbers = {"auroc": check.auroc, "alike": check.alike, "rule": check.rule}
    return {
        "id": f"{source}-{reply.latent}",
        "modelId": recipe.name,
        "layer": source,
        "index": str(reply.latent),
        "authorId": "investigator",
        "description": reply.label,
        "typeName": TYPE_NAME,
        "explanationModelName": reader or None,
        "method": "read",
        "rule": "read from contexts" + (f": {reply.note}" if reply.note else ""),
        "evidence": {
            "rule": "read",
            "head": quoted[0].text if quoted else reply.label.lower(),
            "embedder": embedder,
            "firing": check.firing,
            **{name: None if value is None else round(value, 4) for name, value in numbers.items()},
        },
        "score": round(check.score, 4),
        "split": "train",
    }


def merged(rules: list[Row], read: list[Row], recipe: Recipe) -> list[Row]:
    """Rows in order of latent, a read label before one by rule, with the held-out strings drawn over all of them."""
    chosen = {int(row["index"]): {**row, "method": "rule"} for row in rules}
    chosen |= {int(row["index"]): row for row in read}
    rows = [chosen[latent] for latent in sorted(chosen)]
    heads = {row["description"]: str(row["evidence"]["head"]) for row in rows}
    held = hold_out(heads, recipe.labels.heldout_share, recipe.labels.seed)
    return [{**row, "split": "heldout" if row["description"] in held else "train"} for row in rows]


def _figures(rows: list[Row], rate: Any, replies: dict[int, Reply], kept: list[int], refused: int) -> dict[str, float]:
    return label_figures(rows, rate) | {
        "read": float(len(kept)),
        "replies": float(len(replies)),
        "dropped": float(len(replies) - len(kept)),
        "refused_lines": float(refused),
    }


def _dropped(replies: dict[int, Reply], checks: dict[int, Check | None], kept: list[int]) -> list[Row]:
    taken = set(kept)
    return [
        {"latent": latent, "label": reply.label, "score": round(_score(checks[latent]), 4)}
        for latent, reply in sorted(replies.items())
        if latent not in taken
    ]


def forget_readers(folders: Folders, layer: int) -> None:
    """Remove a layer's readers with their pairs, checkpoints and figures: they know labels that are gone."""
    (folders.work / f"pairs-L{layer}.npz").unlink(missing_ok=True)
    for name in ("l2el", "l2el-paper", BLIND, PROMPT_ONLY):
        folders.checkpoint(f"mapper-{name}").unlink(missing_ok=True)
        folders.figures(f"mapper-{name}").unlink(missing_ok=True)
        shutil.rmtree(folders.reader(name), ignore_errors=True)
