"""The label set as the mapper's trainer and the figures need it: texts, latents, splits, tokens."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from backends.engine.training.folders import read_lines
from backends.engine.training.rows import encode


@dataclass(frozen=True)
class LabelTexts:
    """Distinct label texts, each with its tokens; one label a latent."""

    texts: list[str]
    heldout: NDArray[np.bool_]
    """Whether the text enters no reader's training."""
    of_latent: NDArray[np.int32]
    """Place of each latent's text, -1 where it has none."""

    @classmethod
    def load(cls, file: Path, latents: int) -> "LabelTexts":
        """Read a label file written by the labels stage."""
        rows = read_lines(file)
        places: dict[str, int] = {}
        of_latent = np.full(latents, -1, dtype=np.int32)
        for row in rows:
            of_latent[int(row["index"])] = places.setdefault(row["description"], len(places))
        held = {row["description"] for row in rows if row["split"] == "heldout"}
        return cls(list(places), np.array([text in held for text in places], dtype=bool), of_latent)

    def latents(self, *, heldout: bool) -> NDArray[np.bool_]:
        """Which latents have a label of the held-out strings, or of the others."""
        known = self.of_latent >= 0
        found: NDArray[np.bool_] = known & (self.heldout[np.maximum(self.of_latent, 0)] == heldout)
        return found

    def tokens(self, tokenizer: PreTrainedTokenizerFast) -> list[list[int]]:
        """Token ids of every text, without a leading space, with the end of text."""
        return [[*ids, int(tokenizer.eos_token_id)] for ids in encode(tokenizer, self.texts)]
