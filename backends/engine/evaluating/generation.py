"""Whether what a reader writes means what the active latents' labels say, by sentence embedders."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backends.engine import embedding
from backends.engine.embedding import Embedder
from backends.engine.evaluating.bench import TestBench
from backends.engine.evaluating.bootstrap import Values, interval_over_documents
from backends.engine.evaluating.controls import embedding as minilm
from backends.engine.evaluating.generated import draw_texts
from investigator.records import Figure

_DRAWS = 3
WANTED = "> 0"
_NO_EMBEDDER = "no embedder here: `investigator train embedder` makes one"


Embedders = dict[str, Embedder | str]
"""By figure: the embedder that makes it, or why there is none."""


def open_embedders(folder: Path, device: str) -> Embedders:
    """MiniLM, and the embedder of the workbench in `folder`."""
    own = folder / "embedder"
    return {
        "generation_gain": embedding.MiniLM(device) if minilm.installed() else minilm.INSTALL,
        "generation_gain_static": embedding.bundled(own) if own.exists() else _NO_EMBEDDER,
    }


def generation_figures(bench: TestBench, name: str, places: int, embedders: Embedders) -> Iterator[Figure]:
    """`generation_gain` by MiniLM and `generation_gain_static` by the workbench's own embedder.

    At each place texts are drawn from the reader and compared with the labels of the latents that may speak for the
    place (the best cosine of them); the gain is over texts drawn from the activation of another document's place.
    """
    chosen = labelled_places(bench, places)
    if len(chosen) < 2:
        yield Figure("generation_gain", None, "cosine", WANTED, None, "no place of the test documents has a label")
        return
    texts = draw_texts(bench, name, bench.places.residuals[chosen], _DRAWS, bench.recipe.mapper.seed)
    for figure, embedder in embedders.items():
        if isinstance(embedder, str):
            yield Figure(figure, None, "cosine", WANTED, None, embedder)
        else:
            yield _figure(bench, figure, embedder, chosen, texts)


def labelled_places(bench: TestBench, count: int) -> NDArray[np.int64]:
    """At most `count` places in document order at which a latent that may speak for the place has a label."""
    labelled = (bench.labels.of_latent[np.maximum(bench.places.best, 0)] >= 0) & (bench.places.best >= 0)
    usable = np.flatnonzero(labelled.any(1))
    return np.sort(np.random.default_rng(bench.recipe.mapper.seed).permutation(usable)[:count])


def _figure(bench: TestBench, name: str, embedder: Embedder, places: NDArray[np.int64], texts: list[str]) -> Figure:
    similarity = similarities(bench, embedder, places, texts)
    documents, seed = bench.places.documents[places], bench.recipe.mapper.seed
    interval = interval_over_documents(similarity, documents, _gain, seed=seed)
    own, other = similarity.mean(0).tolist()
    beside = f"shuffled activations ({own:.3f} against {other:.3f}, by {embedder.name}; {len(places)} places)"
    return Figure(name, _gain(similarity), "cosine", WANTED, interval, beside)


def _gain(similarity: Values) -> float:
    return float((similarity[:, 0] - similarity[:, 1]).mean())


def similarities(bench: TestBench, embedder: Embedder, places: NDArray[np.int64], texts: list[str]) -> Values:
    """[places, 2]: how near the texts of each place, and those of the place half the list away, come to its labels.

    Each text counts with its best cosine to a label of the place; the texts of a place are averaged.
    """
    labels = embedder.embed(bench.labels.texts)
    drawn = embedder.embed(texts).reshape(len(places), -1, labels.shape[1])
    other = np.roll(drawn, len(places) // 2, axis=0)
    found = np.zeros((len(places), 2))
    for row, place in enumerate(places):
        latents = bench.places.best[place][bench.places.best[place] >= 0]
        of_place = bench.labels.of_latent[latents]
        true = labels[of_place[of_place >= 0]]
        for column, vectors in enumerate((drawn[row], other[row])):
            found[row, column] = float((vectors @ true.T).max(1).mean())
    return found
