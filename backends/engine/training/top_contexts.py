"""Top contexts: for every latent a few short excerpts of training documents on which it fires most strongly."""

import json
import lzma
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from backends.engine.training.firings import Firings, LatentFirings
from backends.engine.training.folders import write_atomically
from backends.engine.training.recipe import StatisticsRecipe
from backends.engine.training.splits import Document


def choose_places(firings: Firings, latents: LatentFirings, latent: int, count: int) -> Iterator[tuple[int, int]]:
    """(row, position) of the strongest firings, one a document and one a repeated phrase, strongest first."""
    own = latents.of(latent)
    order = np.argsort(-latents.activations[own], kind="stable") + own.start
    documents: set[int] = set()
    phrases: set[bytes] = set()
    for place in order[: 40 * count]:
        row, position = int(latents.rows[place]), int(latents.positions[place])
        # The two tokens before, the token and the one after: a template repeated over documents is shown once.
        phrase = firings.passages.tokens[row, max(0, position - 2) : position + 2].tobytes()
        document = int(firings.passages.documents[row])
        if document in documents or phrase in phrases:
            continue
        documents.add(document)
        phrases.add(phrase)
        yield row, position
        if len(documents) == count:
            return


def context_at(
    firings: Firings, documents: list[Document], latent: int, row: int, position: int, settings: StatisticsRecipe
) -> dict[str, object]:
    """One excerpt of at most `context_tokens` tokens around a firing, with the latent's activation at each token."""
    passages = firings.passages
    stop = min(int(passages.lengths[row]), max(position + 1 + settings.context_after, 1 + settings.context_tokens))
    start = max(1, stop - settings.context_tokens)
    here = np.asarray(firings.latents[row, start:stop]) == latent
    values = (np.asarray(firings.activations[row, start:stop], dtype=np.float32) * here).sum(-1)
    document = documents[int(passages.documents[row])]
    return {
        "tokens": passages.tokens[row, start:stop].tolist(),
        "activations": [round(float(value), 2) for value in values],
        "peak": position - start,
        "document": f"{document.file}:{document.index}",
    }


def write_contexts(
    firings: Firings, latents: LatentFirings, documents: list[Document], settings: StatisticsRecipe, path: Path
) -> None:
    """Write one line a latent, dead ones too (without contexts), packed with xz."""

    def write(temporary: Path) -> None:
        with lzma.open(temporary, "wt", encoding="utf-8", preset=6) as file:
            for latent in range(len(latents.counts)):
                contexts = [
                    context_at(firings, documents, latent, row, position, settings)
                    for row, position in choose_places(firings, latents, latent, settings.contexts)
                ]
                file.write(json.dumps({"latent": latent, "contexts": contexts}, separators=(",", ":")) + "\n")

    write_atomically(path, write)
