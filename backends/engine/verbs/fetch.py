"""`fetch`: a prompt's activations as a safetensors file, which goes with the answer; nothing else lets them travel."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from safetensors.torch import save_file

import investigator
from backends.base import Lane
from backends.engine import vectors
from investigator import paths
from investigator.errors import BadInput, InvestigatorError
from investigator.records import Fetched
from investigator.wire import Event, Fetch, Finished

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

MOST_BYTES = 4 * 2**30
"""Bytes of one file: 128 layers of width 8,192 at a thousand positions."""
_FLOAT32 = 4
_DAY = 24 * 3600.0


def lane(engine: WorkbenchEngine, verb: Fetch) -> Lane:
    """Only a prompt that is not captured needs the model."""
    return "fast" if engine.captures.held(verb.subject, verb.token_ids) else "model"


def resolve(engine: WorkbenchEngine, verb: Fetch) -> Fetch:
    """Fill in subject and layers; raise BadInput where there are none such, or the file would be too large."""
    name = engine.parts.subject_name(verb.subject)
    subject = engine.parts.subject(name)
    vectors.check_ids(engine, name, verb.token_ids)
    layers = tuple(dict.fromkeys(verb.layers)) or tuple(range(subject.layers))
    for layer in layers:
        if layer < 0:
            raise BadInput(f"{name} has no layer {layer}.", f"Its layers are 0 to {subject.layers - 1}.")
        vectors.resolve_layer(engine, name, layer)
    size = len(layers) * len(verb.token_ids) * subject.width * _FLOAT32
    if size > MOST_BYTES:
        raise BadInput(
            f"These activations have {size:,} bytes; {MOST_BYTES:,} are the most.", "Ask for fewer layers or tokens."
        )
    return Fetch(verb.token_ids, name, layers)


def run(engine: WorkbenchEngine, verb: Fetch) -> Iterator[Event | Path | None]:
    """Capture the prompt, write the file, and say how large it is."""
    subject = engine.parts.subject(verb.subject)
    capture = engine.captures.get(subject, verb.token_ids)
    yield None
    file = _fresh_file()
    about = {
        "subject": subject.name,
        "fingerprint": subject.fingerprint,
        "revision": subject.revision,
        "token_ids": msgspec.json.encode(verb.token_ids).decode(),
        "dtype": str(subject.dtype).removeprefix("torch."),
        "investigator": investigator.__version__,
    }
    tensors = {f"layer.{layer}": capture.residuals[layer].clone() for layer in verb.layers}
    try:
        save_file(tensors, file, about)
    except Exception as error:  # safetensors raises its own kind for a full disk
        file.unlink(missing_ok=True)
        raise InvestigatorError(
            f"The activations cannot be written to {file.parent}: {error}.", "Make room."
        ) from error
    yield file
    yield Finished(Fetched(subject.name, verb.layers, len(verb.token_ids), subject.width, file.stat().st_size))


def _fresh_file() -> Path:
    """Return a new file's name, and remove those that a killed backend left behind."""
    folder = paths.cache_folder() / "fetched"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for old in folder.glob("*.safetensors"):
        if old.stat().st_mtime < time.time() - _DAY:
            old.unlink(missing_ok=True)
    return folder / f"{uuid.uuid4().hex}.safetensors"
