"""Checks of a subject: files, shape, tokenizer, embedding scale, memory and layer statistics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from backends.engine import files
from backends.engine.doctor.lines import Checks, error, ok, warning
from backends.engine.facts import SubjectFacts, of_subject
from investigator.records import CheckRow
from investigator.settings import Backend
from investigator.workbench import SubjectEntry

_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "float64": 8, "auto": 4}
# Weights, once more a fifth for activations, key/value states and the libraries themselves.
_HEADROOM = 1.2


def check_subject(name: str, entry: SubjectEntry, base: Path, settings: Backend, *, bos: bool) -> Checks:
    """Check one subject; `bos` says whether an SAE of it was trained with BOS in front."""
    facts = of_subject(entry, base)
    millions = f"{facts.parameters / 1e6:,.1f} million weights"
    yield ok(
        f"subject {name}",
        f"{facts.family}, {facts.layers} layers of width {facts.width}, vocabulary {facts.vocabulary:,}, "
        f"context {facts.context}, {millions}.",
    )
    yield from _memory(name, entry, facts, settings)
    yield from _tokenizer(name, facts, bos=bos)
    yield _embedding_scale(name, facts)
    yield from _statistics(name, entry, base, facts)


def _memory(name: str, entry: SubjectEntry, facts: SubjectFacts, settings: Backend) -> Checks:
    title, free = f"subject {name}: memory", files.free_memory()
    if not facts.parameters:
        yield warning(title, "Its weights are no safetensors files, so their size is not known.", "Convert them.")
        return
    dtype = entry.dtype or settings.dtype
    needed = _HEADROOM * facts.parameters * _BYTES.get(dtype, 4)
    as_dtype = "float32" if dtype == "auto" else dtype
    said = f"{_size(needed)} are needed as {as_dtype}, {_size(free)} are free."
    if needed < 0.8 * free:
        yield ok(title, said)
    elif dtype == "auto" and needed / 2 < 0.8 * free:
        yield warning(title, said + " It will be loaded as bfloat16.", "Free memory, or accept less exact scores.")
    else:
        yield error(title, said, "Use a smaller model, dtype bfloat16, or a machine with more memory.")


def _size(count: float) -> str:
    return f"{count / 1e6:,.0f} MB" if count < 1e9 else f"{count / 1e9:,.1f} GB"


def _tokenizer(name: str, facts: SubjectFacts, *, bos: bool) -> Checks:
    title, file = f"subject {name}: tokenizer", facts.folder / "tokenizer.json"
    if not file.is_file():
        yield warning(
            title, "There is no tokenizer.json; transformers will convert the slow one.", "Nothing need be done."
        )
        return
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    if facts.vocabulary and tokenizer.get_vocab_size() > facts.vocabulary:
        yield error(
            title,
            f"It has {tokenizer.get_vocab_size():,} tokens, more than the model's {facts.vocabulary:,}.",
            "Copy the model and its tokenizer from one release.",
        )
    yield _bos(f"subject {name}: BOS", tokenizer, facts, wanted=bos)
    yield _chat(name, facts)


def _bos(title: str, tokenizer: Any, facts: SubjectFacts, *, wanted: bool) -> CheckRow:
    config = facts.folder / "tokenizer_config.json"
    found = (files.read_json(config) if config.is_file() else {}).get("bos_token")
    text = found.get("content") if isinstance(found, dict) else found
    first = tokenizer.encode("a").tokens[:1]
    if text and first == [text]:
        return ok(title, f"The tokenizer puts {text} in front of every prompt.")
    if wanted and text:
        return ok(title, f"The tokenizer adds no BOS; an SAE was trained with one, so {text} is put in front.")
    if wanted:
        return warning(
            title,
            "An SAE was trained with BOS in front, but the tokenizer has none.",
            "Add bos_token to its tokenizer.",
        )
    return ok(title, "No BOS is put in front of prompts.")


def _chat(name: str, facts: SubjectFacts) -> CheckRow:
    has = "It has one; --chat wraps a prompt as a user turn."
    said = has if facts.chat else "It has none; prompts are read as plain text."
    return ok(f"subject {name}: chat template", said)


def _embedding_scale(name: str, facts: SubjectFacts) -> CheckRow:
    title = f"subject {name}: embedding scale"
    if not facts.family.startswith("gemma"):
        return ok(title, "Embeddings are not scaled.")
    return ok(
        title, f"Embeddings are scaled by {facts.width**0.5:.2f} (the root of the width), once, whoever gives them."
    )


def _statistics(name: str, entry: SubjectEntry, base: Path, facts: SubjectFacts) -> Checks:
    title = f"subject {name}: statistics"
    if not entry.statistics:
        yield warning(
            title,
            "There are none, so gaps, decoder directions and random controls cannot be computed.",
            "Measure them with `investigator train statistics`.",
        )
        return
    table = files.header(base / entry.statistics)
    shapes = {key: tuple(value["shape"]) for key, value in table.items()}
    if shapes.get("mean") != (facts.layers, facts.width) or "background" not in shapes:
        yield error(
            title,
            f"Their means have shape {shapes.get('mean')}, not {facts.layers} layers of width {facts.width}.",
            "Measure them on this subject with `investigator train statistics`.",
        )
        return
    yield ok(title, f"Mean, covariance and {shapes['background'][1]} background positions a layer.")
