"""Checks of a subject: files, shape, tokenizer, embedding scale, memory and layer statistics."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backends.engine import files, loading
from backends.engine.doctor.lines import Checks, error, ok, warning
from investigator.errors import WorkbenchError
from investigator.settings import Backend
from investigator.workbench import SubjectEntry

_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "float64": 8, "auto": 4}
# Weights, once more a fifth for activations, key/value states and the libraries themselves.
_HEADROOM = 1.2
_WIDTH, _LAYERS = ("hidden_size", "n_embd", "d_model"), ("num_hidden_layers", "n_layer", "num_layers")
_CONTEXT = ("max_position_embeddings", "n_positions", "max_seq_len")


@dataclass(frozen=True)
class Facts:
    """What a subject's configuration and weight headers say."""

    folder: Path
    family: str
    width: int
    layers: int
    context: int
    vocabulary: int
    parameters: int


def _first(config: dict[str, Any], keys: tuple[str, ...]) -> int:
    return next((int(config[key]) for key in keys if config.get(key)), 0)


def facts_of(entry: SubjectEntry, base: Path) -> Facts:
    """Read a subject's configuration and weight headers; raise WorkbenchError where they are missing or cut short."""
    folder = loading.local_folder(entry.model, base) or loading.cached_folder(entry.model, entry.revision)
    whole = files.read_json(folder / "config.json")
    config = whole.get("text_config") or whole
    width, layers = _first(config, _WIDTH), _first(config, _LAYERS)
    if not width or not layers:
        raise WorkbenchError(f"{folder / 'config.json'} names no width or no layers.", "Give a causal language model.")
    parameters = sum(files.parameters(files.header(file)) for file in files.weight_files(folder))
    return Facts(
        folder=folder,
        family=str(whole.get("model_type", "unknown")),
        width=width,
        layers=layers,
        context=_first(config, _CONTEXT),
        vocabulary=_first(config, ("vocab_size",)),
        parameters=parameters,
    )


def check_subject(name: str, entry: SubjectEntry, base: Path, settings: Backend, *, bos: bool) -> Checks:
    """Check one subject; `bos` says whether an SAE of it was trained with BOS in front."""
    facts = facts_of(entry, base)
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


def _memory(name: str, entry: SubjectEntry, facts: Facts, settings: Backend) -> Checks:
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


def _tokenizer(name: str, facts: Facts, *, bos: bool) -> Checks:
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


def _bos(title: str, tokenizer: Any, facts: Facts, *, wanted: bool) -> Any:
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


def _chat(name: str, facts: Facts) -> Any:
    config = facts.folder / "tokenizer_config.json"
    has = (facts.folder / "chat_template.jinja").is_file() or (
        config.is_file() and bool(files.read_json(config).get("chat_template"))
    )
    said = (
        "It has one; --chat wraps a prompt as a user turn." if has else "It has none; prompts are read as plain text."
    )
    return ok(f"subject {name}: chat template", said)


def _embedding_scale(name: str, facts: Facts) -> Any:
    title = f"subject {name}: embedding scale"
    if not facts.family.startswith("gemma"):
        return ok(title, "Embeddings are not scaled.")
    return ok(
        title, f"Embeddings are scaled by {facts.width**0.5:.2f} (the root of the width), once, whoever gives them."
    )


def _statistics(name: str, entry: SubjectEntry, base: Path, facts: Facts) -> Checks:
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
