"""Facts: what configurations and headers say of subjects and SAEs, read without loading any of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backends.engine import files, loading
from backends.engine import saes as reading
from investigator.errors import WorkbenchError
from investigator.workbench import SaeEntry, SubjectEntry

_WIDTH, _LAYERS = ("hidden_size", "n_embd", "d_model"), ("num_hidden_layers", "n_layer", "num_layers")
_CONTEXT = ("max_position_embeddings", "n_positions", "max_seq_len")


@dataclass(frozen=True)
class SubjectFacts:
    """What a subject's configuration and weight headers say."""

    folder: Path
    family: str
    width: int
    layers: int
    context: int
    vocabulary: int
    parameters: int
    chat: bool


@dataclass(frozen=True)
class SaeFacts:
    """What an SAE's card and weight header say."""

    width: int
    latents: int
    kind: str
    plain: bool
    """Whether it is read here; otherwise sae-lens reads it."""


def of_subject(entry: SubjectEntry, base: Path) -> SubjectFacts:
    """Read a subject's configuration and weight headers; raise WorkbenchError where they are missing or cut short."""
    folder = loading.local_folder(entry.model, base) or loading.cached_folder(entry.model, entry.revision)
    whole = files.read_json(folder / "config.json")
    config = whole.get("text_config") or whole
    width, layers = _first(config, _WIDTH), _first(config, _LAYERS)
    if not width or not layers:
        raise WorkbenchError(f"{folder / 'config.json'} names no width or no layers.", "Give a causal language model.")
    return SubjectFacts(
        folder=folder,
        family=str(whole.get("model_type", "unknown")),
        width=width,
        layers=layers,
        context=_first(config, _CONTEXT),
        vocabulary=_first(config, ("vocab_size",)),
        parameters=sum(files.parameters(files.header(file)) for file in files.weight_files(folder)),
        chat=_has_chat(folder),
    )


def _first(config: dict[str, Any], keys: tuple[str, ...]) -> int:
    return next((int(config[key]) for key in keys if config.get(key)), 0)


def _has_chat(folder: Path) -> bool:
    config = folder / "tokenizer_config.json"
    named = config.is_file() and bool(files.read_json(config).get("chat_template"))
    return named or (folder / "chat_template.jinja").is_file()


def of_sae(entry: SaeEntry, base: Path) -> SaeFacts | None:
    """Read an SAE's card and header; None for a published release, which sae-lens alone can find.

    Raises WorkbenchError where the files are missing, cut short or do not fit each other.
    """
    if not entry.path:
        return None
    path = base / entry.path
    scope = reading.scope_file(path)
    if scope is not None and scope.suffix == ".npz":
        sae = reading.load(path, name="", subject="", layer=0)
        return SaeFacts(sae.width, sae.latents, "Gemma Scope jumprelu", plain=True)
    if scope is not None:
        latents, width = next(value["shape"] for key, value in files.header(scope).items() if key.lower() == "w_dec")
        return SaeFacts(width, latents, "Gemma Scope jumprelu", plain=True)
    card, header = files.read_json(path / reading.CARD), files.header(path / reading.WEIGHTS)
    width, latents = int(card["d_in"]), int(card["d_sae"])
    found = tuple(header.get("W_dec", {}).get("shape", ()))
    if found and found != (latents, width):
        reading.complain_of_shape(path / reading.WEIGHTS, "W_dec", found, (latents, width))
    return SaeFacts(width, latents, str(card.get("architecture")), plain=reading.plain_kind(card) is not None)


def wants_bos(entry: SaeEntry, base: Path) -> bool:
    """Whether a SAELens directory says that BOS stood in front of every prompt it was trained on."""
    card = base / entry.path / reading.CARD
    if not entry.path or not card.is_file():
        return False
    return bool((files.read_json(card).get("metadata") or {}).get("prepend_bos"))
