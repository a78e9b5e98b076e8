"""Everything of a label index but its gradients: small tables, kept in memory, written in one file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from backends.engine import files
from backends.engine.index import label_parts
from backends.engine.index.label_card import AGAIN, TABLES
from backends.engine.index.label_contexts import Contexts
from backends.engine.index.label_features import Ridge
from backends.engine.likelihood import Ids
from investigator.errors import WorkbenchError

_NO_TOKEN = -1


@dataclass(frozen=True)
class Tables:
    """What an estimate is made of beside gradients."""

    anchors: Tensor
    """[anchors, d] inputs of the mapper, float32."""
    scores: Tensor
    """[anchors, texts] exact scores at the anchors, nats per token, float32."""
    means: Tensor
    """[texts] mean score over the background, float32; NaN where a score failed."""
    spreads: Tensor
    """[texts] standard deviation over the background."""
    directions: Tensor
    """[texts, *] at most 64 principal directions of the gradients, then gaps in the exact rankings, and spreads."""
    contexts: Contexts
    usual: Tensor
    """[beginnings, vocabulary] mean log-probabilities over the background."""
    first: Ridge
    """From tangents and constants to a gap: what needs no model."""
    full: Ridge
    """From tangents, constants and boosts to a gap."""


def save(folder: Path, tables: Tables) -> None:
    """Write the tables in one step."""
    contexts = tables.contexts
    found = {
        "anchors": tables.anchors,
        "scores": tables.scores,
        "means": tables.means,
        "spreads": tables.spreads,
        "directions": tables.directions.half(),
        "beginnings": _padded(contexts.beginnings),
        "shared": torch.tensor(contexts.shared),
        "exact": contexts.exact,
        "similar": contexts.similar,
        "other": contexts.other,
        "lengths": contexts.lengths,
        "usual": tables.usual.half(),
        **tables.first.tensors("first"),
        **tables.full.tensors("full"),
    }
    label_parts.save(folder / TABLES, found)


def read(folder: Path, *, texts: int, width: int, anchors: int) -> Tables:
    """Read the tables; raise WorkbenchError where the file is missing, cut short or of another index."""
    file = folder / TABLES
    found = files.tensors(file)
    shapes = {"anchors": (anchors, width), "scores": (anchors, texts), "means": (texts,), "lengths": (texts,)}
    for name, shape in shapes.items():
        if name not in found or tuple(found[name].shape) != shape:
            raise WorkbenchError(f"{file} does not hold the {name} that its card says.", AGAIN)
    try:
        return _tables(found)
    except KeyError as error:
        raise WorkbenchError(f"{file} lacks {error}.", AGAIN) from error


def _tables(found: dict[str, Tensor]) -> Tables:
    contexts = Contexts(
        _beginnings(found["beginnings"]),
        int(found["shared"]),
        found["exact"],
        found["similar"],
        found["other"],
        found["lengths"],
    )
    return Tables(
        anchors=found["anchors"],
        scores=found["scores"],
        means=found["means"],
        spreads=found["spreads"],
        directions=found["directions"].float(),
        contexts=contexts,
        usual=found["usual"].float(),
        first=Ridge.of(found, "first"),
        full=Ridge.of(found, "full"),
    )


def _padded(beginnings: tuple[Ids, ...]) -> Tensor:
    longest = max(map(len, beginnings), default=0)
    rows = [[*ids, *([_NO_TOKEN] * (longest - len(ids)))] for ids in beginnings]
    return torch.tensor(rows, dtype=torch.int32).reshape(len(beginnings), longest)


def _beginnings(padded: Tensor) -> tuple[Ids, ...]:
    return tuple(tuple(token for token in row if token != _NO_TOKEN) for row in padded.tolist())
