"""Speakers: the models that readers speak through, whole or as adapters, sharing the weights of one base.

An adapter is put on a second set of modules whose weights are the base's own tensors. So it costs its own few weights,
the base never sees it (reading the subject is always with the adapter off), and both may run at once.
"""

from __future__ import annotations

import copy
import math
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from backends.engine import files, fingerprints, loading
from backends.engine.readers.weights import ADAPTER, ADAPTER_CARD, is_adapter, needed
from backends.engine.subject import Subject
from investigator.errors import WorkbenchError
from investigator.workbench import ReaderEntry

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine


def speaker_of(engine: WorkbenchEngine, name: str, entry: ReaderEntry, folder: Path | None) -> Subject:
    """Return what a reader speaks through, as a Subject of its own; raise WorkbenchError where it does not fit."""
    own = engine.parts.subject(entry.subject)
    if folder is None:
        return own
    if not is_adapter(folder):
        return _whole(engine, entry, folder)
    base = own if not entry.base else _whole(engine, entry, _base_folder(engine, entry))
    return _adapted(name, base, folder)


def _base_folder(engine: WorkbenchEngine, entry: ReaderEntry) -> Path:
    from backends.engine.readers.weights import folder_of

    return folder_of(entry.base, entry.revision, engine.folder)


def _whole(engine: WorkbenchEngine, entry: ReaderEntry, folder: Path) -> Subject:
    """Load a folder's weights once, cast while loading, after saying whether they fit."""
    settings = engine.settings.backend
    device = loading.pick_device(settings.device)
    dtype = entry.dtype or settings.dtype

    def load() -> Subject:
        need = needed(folder, dtype, device)
        need.check(f"The model in {folder}")
        model = loading.load_model(folder, need.dtype, trust=False).to(device)
        tokenizer = loading.load_tokenizer(folder, trust=False)
        return Subject(entry.subject, model, tokenizer, fingerprint=fingerprints.of_folder(folder))

    return engine.parts.once("speaker", f"{folder.resolve()} {dtype}", load)


def _adapted(name: str, base: Subject, folder: Path) -> Subject:
    from peft import PeftModel

    card = files.read_json(folder / ADAPTER_CARD)
    _check_base(name, base, card, folder)
    model = sharing_copy(base.model)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            adapted = PeftModel.from_pretrained(model, str(folder), is_trainable=False, torch_device=str(base.device))
    except Exception as error:  # peft raises whatever its configuration or the tensors raise
        raise WorkbenchError(
            f"The adapter of {name} in {folder} cannot be put on its base: {str(error).strip().splitlines()[0]}",
            "Name the model that it was trained on as `base`, or give another adapter.",
        ) from error
    inner: Any = adapted.base_model.model
    inner.eval().requires_grad_(False)
    prints = fingerprints.of_text(f"{base.fingerprint} {fingerprints.of_folder(folder)}")
    return Subject(base.name, inner, _tokenizer(base, folder), revision=base.revision, fingerprint=prints)


def _tokenizer(base: Subject, folder: Path) -> Any:
    """Return the adapter's own tokenizer, which may have another chat template, else the base's."""
    if (folder / "tokenizer.json").is_file():
        return loading.load_tokenizer(folder, trust=False)
    return base.tokenizer


def sharing_copy(model: Any) -> Any:
    """Return a second set of a model's modules that holds the same tensors."""
    kept = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    return copy.deepcopy(model, kept)


def _check_base(name: str, base: Subject, card: dict[str, Any], folder: Path) -> None:
    """Raise WorkbenchError where an adapter's tensors are not for this base."""
    said = str(card.get("base_model_name_or_path") or "another model")
    modules = dict(base.model.named_modules())
    for key, entry in files.header(folder / ADAPTER).items():
        inner = key.removeprefix("base_model.model.")
        module_name, found, rest = inner.partition(".lora_")
        if not found:
            continue
        weight = getattr(modules.get(module_name), "weight", None)
        if weight is None or not _fits(rest, entry["shape"], weight):
            where = "has no such part" if weight is None else f"is {' x '.join(map(str, weight.shape))} there"
            raise WorkbenchError(
                f"The adapter of {name} was made for {said}: {module_name} does not fit {base.name}, which {where}.",
                f"Name the model that it was trained on as `base` in [readers.{name}].",
            )


def _fits(kind: str, shape: list[int], weight: torch.Tensor) -> bool:
    """Return whether a LoRA factor fits a weight, whichever way round the module stores it."""
    side = shape[1] if kind.startswith(("A", "embedding_B")) else shape[0]
    if kind.startswith("embedding_A"):
        side = shape[1]
    return math.prod(shape) > 0 and side in tuple(weight.shape)
