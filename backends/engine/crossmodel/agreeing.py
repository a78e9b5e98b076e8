"""From what was heard to readings: agreement with model A's own texts, and lift over other sources' own texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from backends.engine import embedding
from backends.engine.crossmodel.hearing import Heard
from backends.engine.crossmodel.lift import agreement, rank_p
from investigator.errors import WorkbenchError
from investigator.records import Reading

if TYPE_CHECKING:
    from backends.engine.embedding import Embedder
    from backends.engine.engine import WorkbenchEngine


Vectors = NDArray[np.float32]
Embed = Callable[[tuple[str, ...]], Vectors | None]


def embedding_by(embedder: Embedder | None) -> Embed:
    """Return what embeds texts, each set of them once; None where there are no texts or there is no embedder."""

    @lru_cache(maxsize=1024)
    def embed(texts: tuple[str, ...]) -> Vectors | None:
        return embedder.embed(texts) if embedder is not None and texts else None

    return embed


class Judge:
    """Knows model A's own texts and those of other sources; turns what was heard into readings."""

    def __init__(self, embed: Embed, own: Heard, others: Sequence[Heard]) -> None:
        self.embed = embed
        self.own = embed(own.texts)
        self.others = [found for one in others if (found := embed(one.texts)) is not None]

    def reading(self, column: str, heard: Heard, note: str = "") -> Reading:
        """Return a reading with its agreement and, where other sources were read, its lift and p."""
        plain = Reading(column, heard.texts, heard.scores, note=note, error=heard.error)
        found = self.embed(heard.texts)
        if found is None or self.own is None or column == "own":
            return plain
        agreed = agreement(found, self.own)
        if not self.others:
            return Reading(column, heard.texts, heard.scores, agreed, note=note)
        elsewhere = [agreement(found, other) for other in self.others]
        lift = agreed - float(np.mean(elsewhere))
        return Reading(column, heard.texts, heard.scores, agreed, lift, rank_p(agreed, elsewhere), note)


def embedder_of(engine: WorkbenchEngine) -> tuple[Embedder | None, str]:
    """Return the embedder, loaded once, and why there is none where there is none."""
    named = engine.workbench.embedder
    folder = engine.parts.path(named) if named else None
    try:
        return engine.parts.once("embedder", "", lambda: embedding.reference(folder)), ""
    except WorkbenchError as error:
        return None, str(error)
