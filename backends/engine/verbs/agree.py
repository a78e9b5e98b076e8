"""`agree`: which texts of different lists mean the same in other words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from backends.base import Lane
from backends.engine import agreement
from investigator.errors import BadInput
from investigator.records import Agreed, AgreementRow
from investigator.wire import Agree, Event, Finished

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

Indices = NDArray[np.intp]
Known = NDArray[np.bool_]
MOST = 600
"""Texts that a question may hold; their pairs are then at most 180,000."""
_MOST_ROWS = 5000


def lane(engine: WorkbenchEngine, verb: Agree) -> Lane:
    """The bundled embedder looks words up and needs no queue; MiniLM runs a model."""
    return "model" if agreement.which(engine, verb.embedder) == "minilm" else "fast"


def resolve(engine: WorkbenchEngine, verb: Agree) -> Agree:
    """Fill in whose labels calibrate; raise BadInput for too many or too few texts, WorkbenchError without embedder."""
    if sum(map(len, verb.texts)) > MOST:
        raise BadInput(f"{sum(map(len, verb.texts))} texts are too many to compare.", f"Give at most {MOST}.")
    if sum(any(text.strip() for text in texts) for texts in verb.texts) < 2:
        raise BadInput("There is nothing to compare.", "Give texts in at least two lists.")
    if not 0 < verb.share < 1:
        raise BadInput(f"A share of {verb.share:g} says nothing.", "Choose one between 0 and 1, such as 0.001.")
    if not 1 <= verb.limit <= _MOST_ROWS:
        raise BadInput(f"{verb.limit} pairs cannot be listed.", f"Ask for 1 to {_MOST_ROWS}.")
    if not 0 <= verb.seed < 2**63:
        raise BadInput(f"The seed cannot be {verb.seed}.", "Choose a whole number from 0 on.")
    embedder = agreement.which(engine, verb.embedder)
    if embedder == "own":
        agreement.embedder_of(engine, embedder)  # a folder that does not load is said at once
    return msgspec.structs.replace(verb, labels=agreement.labels_name(engine, verb.labels), embedder=embedder)


def run(engine: WorkbenchEngine, verb: Agree) -> Iterator[Event | None]:
    """Embed what is not yet, and set every pair of different lists beside random pairs of labels."""
    chance = agreement.chance_of(engine, verb)
    threshold = chance.threshold(verb.share)
    yield None
    embedder = agreement.embedder_of(engine, verb.embedder)
    texts = [text for text in dict.fromkeys(text for several in verb.texts for text in several) if text.strip()]
    vectors = embedder.embed(texts)
    known = embedder.known(vectors)
    left, right = _pairs(verb, texts, known)
    cosines = (vectors[left] * vectors[right]).sum(-1)
    p = chance.p(cosines)
    agrees = cosines > threshold
    order = np.argsort(-cosines, kind="stable")
    chosen = order if verb.every else order[agrees[order]]
    rows = tuple(
        AgreementRow(texts[left[at]], texts[right[at]], float(cosines[at]), float(p[at]), bool(agrees[at]))
        for at in chosen[: verb.limit]
    )
    yield Finished(
        Agreed(
            embedder.name, threshold, verb.share, chance.labels, len(chance.cosines), len(left), int(agrees.sum()),
            rows, _note(int((~known).sum())),
        )
    )  # fmt: skip


def _pairs(verb: Agree, texts: list[str], known: Known) -> tuple[Indices, Indices]:
    """Return the indices of all pairs of known texts that stand in different lists, each pair once."""
    lists = [frozenset(several) for several in verb.texts]
    stands = np.array([[text in one for one in lists] for text in texts], dtype=np.int32)
    # Two texts stand in different lists unless one list holds both and neither stands anywhere else.
    several, together = stands.sum(1), stands @ stands.T
    apart = np.outer(several, several) > together
    left, right = np.nonzero(np.triu(apart & known[:, None] & known[None, :], 1))
    return left, right


def _note(unknown: int) -> str:
    if not unknown:
        return ""
    texts = f"{unknown} texts hold" if unknown > 1 else "One text holds"
    return f"{texts} no word that the embedder knows, so nothing agrees with {'them' if unknown > 1 else 'it'}."
