"""`lens`: the logit lens, final norm and head on every layer's output at one position."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch

from backends.base import Lane
from backends.engine import vectors
from backends.engine.verbs.open import likely
from investigator.errors import BadInput
from investigator.records import Lens, LensRow
from investigator.sources import Residual
from investigator.wire import Event, Finished, ShowLens

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

_MOST = 1000


def lane(engine: WorkbenchEngine, verb: ShowLens) -> Lane:
    """Only a prompt that was never captured, or no longer is, needs the model."""
    return "fast" if engine.captures.held(verb.source.subject, verb.source.token_ids) else "model"


def resolve(engine: WorkbenchEngine, verb: ShowLens) -> ShowLens:
    """Fill in the source; raise BadInput where there is no such place or for a span, which has no single next token."""
    source = vectors.resolve(engine, verb.source)
    if not isinstance(source, Residual) or source.end is not None:
        raise BadInput("The logit lens reads one position.", "Ask without a span.")
    if not 1 <= verb.k <= _MOST:
        raise BadInput(f"{verb.k} tokens a layer cannot be shown.", f"Ask for 1 to {_MOST}.")
    return ShowLens(source=source, k=verb.k)


def run(engine: WorkbenchEngine, verb: ShowLens) -> Iterator[Event | None]:
    """Read every layer, the first at the top; probabilities."""
    source = verb.source
    subject = engine.parts.subject(source.subject)
    capture = engine.captures.get(subject, source.token_ids)
    with torch.inference_mode():
        logits = subject.lens(capture.residuals[:, source.position])
    rows = tuple(LensRow(layer, likely(subject, row, verb.k)) for layer, row in enumerate(logits))
    yield Finished(Lens(rows=rows))
