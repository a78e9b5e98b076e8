"""`train map`, as a child of a backend does it."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
from torch import Tensor

from backends.engine import provenance
from backends.engine.crossmodel import page, washout
from backends.engine.crossmodel.card import End, LinearMap
from backends.engine.crossmodel.pairs import Choice, Pair, all_pairs, make
from backends.engine.crossmodel.pooling import pool
from backends.engine.crossmodel.sentences import Sentence, digest, from_documents, from_files
from backends.engine.engine import WorkbenchEngine
from backends.engine.subject import Subject
from investigator import paths, settings
from investigator.errors import BadInput
from investigator.overrides import overridden
from investigator.records import Figure
from investigator.wire import Progress, Work

_ALL_LAYERS = 1 << 28
"""Bytes of pooled activations up to which all layers are kept, so that a map between others costs no second reading."""


def build(verb: Work) -> Iterator[Progress | Figure | str]:
    """Fit the map, or go on with it; yields progress, figures, and a sentence that says how to use it."""
    given = verb.arguments
    chosen = overridden(settings.load(), str(given["device"]), str(given["dtype"]))
    engine = WorkbenchEngine(str(given["workbench"]), chosen)
    yield Progress(0, 0, "loading both models")
    engine.load()
    ends = [_place(engine, str(given[key])) for key in ("source", "target")]
    if ends[0] == ends[1]:
        raise BadInput("Both ends of the map are the same place.", "Name another model or layer in --to.")
    how = Choice(
        "procrustes" if given["kind"] == "procrustes" else "ridge",
        float(given["penalty"]),
        float(given["heldout"]),
        int(given["seed"]),
    )
    sentences = _sentences(engine, verb.files, int(given["sentences"]), how.seed)
    out = Path(str(given["out"]))
    yield from _fit(engine, ends, sentences, how, out, str(given.get("washout", "")), bool(given["all_pairs"]))


def _place(engine: WorkbenchEngine, given: str) -> tuple[Subject, int]:
    """Return the subject and layer of `A:L`, the default layer where none is named; raise BadInput."""
    name, _, layer = given.partition(":")
    subject = engine.parts.subject(engine.parts.subject_name(name))
    try:
        at = int(layer.removeprefix("L")) if layer else engine.parts.default_layer(subject.name)
    except ValueError as error:
        raise BadInput(f"{given!r} names no layer.", "Write a subject and a layer, as in pocket:3.") from error
    if not 0 <= at < subject.layers:
        raise BadInput(f"{subject.name} has no layer {at}.", f"Its layers are 0 to {subject.layers - 1}.")
    return subject, at


def _sentences(engine: WorkbenchEngine, files: Sequence[str], count: int, seed: int) -> list[Sentence]:
    if files:
        return from_files(files)
    if not engine.workbench.heldout:
        raise BadInput("The workbench has no held-out documents to cut sentences from.", "Name files of sentences.")
    return from_documents(engine.parts.path(engine.workbench.heldout) / "tune.jsonl", count, seed)


def _fit(
    engine: WorkbenchEngine,
    ends: Sequence[tuple[Subject, int]],
    sentences: Sequence[Sentence],
    how: Choice,
    out: Path,
    file: str,
    every: bool,
) -> Iterator[Progress | Figure | str]:
    pooled: list[Tensor] = []
    for subject, layer in ends:
        layers = _layers(subject, layer, len(sentences), every)
        for step in pool(subject, sentences, layers, paths.cache_folder() / "pooled"):
            if isinstance(step, Tensor):
                pooled.append(step if every else step[:, layers.index(layer)])
            elif step % 20 == 0 or step == len(sentences):
                yield Progress(step, len(sentences), f"sentences read by {subject.name}")
    if every:
        yield from _pairs(pooled, ends, how, out, len(sentences))
        pooled = [found[:, layer] for found, (_, layer) in zip(pooled, ends, strict=True)]
    card_ends = [_end(subject, layer) for subject, layer in ends]
    made = make(pooled[0], pooled[1], (card_ends[0], card_ends[1]), how, digest(sentences))
    made = yield from _with_background(made, *ends[1], file)
    made.save(out)
    (out / "map.md").write_text(page.of_map(made.card), encoding="utf-8")
    yield from _figures(made)
    yield _said(made, out)


def _layers(subject: Subject, layer: int, sentences: int, every: bool) -> list[int]:
    """Return the layers that are read: all of them where they are asked for or cost little to keep."""
    every = every or 4 * subject.layers * subject.width * sentences <= _ALL_LAYERS
    return list(range(subject.layers)) if every else [layer]


def _end(subject: Subject, layer: int) -> End:
    return End(
        subject=subject.name,
        layer=layer,
        width=subject.width,
        fingerprint=subject.fingerprint,
        revision=subject.revision,
    )


def _with_background(made: LinearMap, subject: Subject, layer: int, file: str) -> Generator[Progress, None, LinearMap]:
    sentences = washout.read_sentences(Path(file) if file else None)
    for step in washout.backgrounds(subject, sentences):
        if isinstance(step, int):
            yield Progress(step, len(sentences), f"background of {subject.name}")
            continue
        background = step[layer]
        card = msgspec.structs.replace(
            made.card, background=washout.facts(background, sentences), libraries=provenance.libraries()
        )
        made = replace(made, background=background, card=card)
    return made


def _pairs(
    pooled: Sequence[Tensor], ends: Sequence[tuple[Subject, int]], how: Choice, out: Path, sentences: int
) -> Iterator[Progress]:
    found: list[Pair] = []
    total = pooled[0].shape[1] * pooled[1].shape[1]
    for pair in all_pairs(pooled[0], pooled[1], how):
        found.append(pair)
        yield Progress(len(found), total, "pairs of layers")
    words = f"{how.kind}, lambda {how.penalty:g}, {sentences:,} sentences, {how.heldout:.0%} held out, seed {how.seed}."
    out.mkdir(parents=True, exist_ok=True)
    (out / "pairs.json").write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    names = ends[0][0].name, ends[1][0].name
    (out / "pairs.md").write_text(page.of_pairs(found, *names, words), encoding="utf-8")


def _figures(made: LinearMap) -> Iterator[Figure]:
    card, worth = made.card, made.card.worth
    held = f"{card.heldout:,} held-out sentences"
    yield Figure("map_sentences", float(card.sentences), "sentences", "1000 or more")
    yield Figure("map_cosine", worth.cosine, "cosine", "", None, f"mean predictor {worth.mean_cosine:.3f}; {held}")
    yield Figure(
        "map_centred_cosine", worth.centred_cosine, "cosine", "", None, f"shuffled {worth.permuted_cosine:.3f}"
    )
    yield Figure("map_variance", worth.variance, "of variance", "", None, f"shuffled pairs {worth.permuted:.3f}")
    best = max(card.sweep, key=lambda row: row.variance, default=None)
    if best is not None:
        words = f"variance {best.variance:.3f} against {worth.variance:.3f}; chosen on the sentences it is measured on"
        yield Figure("map_best_penalty", best.penalty, "lambda", "", None, words)


def _said(made: LinearMap, out: Path) -> str:
    card = made.card
    note = f"{page.underdetermined(card)} " if card.underdetermined else ""
    name = f"{card.source.subject}-to-{card.target.subject}"
    table = f'[maps.{name}] with path = "{out}"'
    return f"{note}The map lies in {out}, its figures in map.md there. To use it, add to the workbench: {table}."
