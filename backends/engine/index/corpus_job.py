"""What an index is to be made of, put together from a workbench, files and choices."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from backends.engine import fingerprints
from backends.engine.index import corpus_tables, corpus_texts
from backends.engine.index.corpus_build import Build
from backends.engine.index.corpus_card import Recipe, SourceFile
from backends.engine.index.corpus_reading import Reading
from backends.engine.index.corpus_windows import FIRST, WINDOW
from backends.engine.subject import Subject
from investigator.errors import BadInput

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

# A shard is what a kill loses and what stays in memory: at most so many bytes of directions, and so many positions.
_SHARD_BYTES = 64 << 20
_SHARD_MOST, _SHARD_FEWEST = 16384, 1024


def make_build(
    engine: WorkbenchEngine,
    files: Sequence[Path],
    folder: Path,
    *,
    name: str,
    subject: str = "",
    layers: Sequence[int] = (),
    reading: Reading | None = None,
    window: int = WINDOW,
    most_tokens: int = 0,
) -> Build:
    """Put an index together; raise BadInput where a file, the subject or a layer is not there."""
    chosen = engine.parts.subject(subject)
    reading = reading or Reading()
    wanted = _layers(chosen, layers or (engine.parts.default_layer(chosen.name),))
    centre = _centre(engine, chosen, wanted)
    window = min(window, chosen.context)
    if window < 2 * FIRST:
        raise BadInput(f"A window of {window} tokens is too short.", f"Give at least {2 * FIRST}.")
    if most_tokens < 0:
        raise BadInput("--most-tokens is negative.", "Give a number of tokens, or leave it out.")
    recipe = Recipe(
        subject=chosen.fingerprint,
        tokenizer=fingerprints.of_text(chosen.tokenizer.backend_tokenizer.to_str()),
        dtype=str(chosen.dtype).removeprefix("torch."),
        width=chosen.width,
        layers=wanted,
        centre=fingerprints.of_text(centre.numpy().tobytes().hex()),
        window=window,
        shard=max(window, _shard(chosen.width * len(wanted))),
        most_tokens=most_tokens,
        files=tuple(_file(file) for file in corpus_texts.files(list(files))),
        field=reading.column,
        whole=reading.whole,
    )
    return Build(folder, name, chosen, recipe, centre, reading)


def _layers(subject: Subject, layers: Sequence[int]) -> tuple[int, ...]:
    for layer in layers:
        if not 0 <= layer < subject.layers:
            raise BadInput(f"{subject.name} has no layer {layer}.", f"Its layers are 0 to {subject.layers - 1}.")
    return tuple(sorted(set(layers)))


def _centre(engine: WorkbenchEngine, subject: Subject, layers: tuple[int, ...]) -> Tensor:
    """Return the layers' mean activations, or zeros where the workbench has no statistics."""
    if not engine.workbench.subjects[subject.name].statistics:
        return torch.zeros(len(layers), subject.width)
    mean: Tensor = engine.parts.layer_statistics(subject.name).mean[list(layers)]
    return mean.contiguous()


def _shard(numbers: int) -> int:
    """Return the most positions of a shard, at so many half-precision numbers a position."""
    bytes_a_position = numbers * np.dtype(np.float16).itemsize
    return int(min(max(_SHARD_BYTES // bytes_a_position, _SHARD_FEWEST), _SHARD_MOST))


def _file(path: Path) -> SourceFile:
    if not corpus_tables.is_dataset(path):
        return SourceFile(str(path.absolute()), path.stat().st_size, fingerprints.of_file(path))
    # A saved dataset may be larger than any disk reads in a minute: its files' names, sizes and times stand for it.
    known = [(file, file.stat()) for file in sorted(path.rglob("*")) if file.is_file()]
    text = "\n".join(f"{file.relative_to(path)} {one.st_size} {one.st_mtime_ns}" for file, one in known)
    return SourceFile(str(path.absolute()), sum(one.st_size for _, one in known), fingerprints.of_text(text))
