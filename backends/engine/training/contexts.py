"""The plain text before a place, as the prompt-only reader sees it."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backends.engine.training.mapper_pairs import Pairs


@dataclass(frozen=True)
class Contexts:
    """Token ids [rows, longest] up to and including a token, and the `lengths` [rows]; what follows the end is 0."""

    ids: Tensor
    lengths: Tensor


def cut_context(ids: NDArray[np.uint16], most: int) -> NDArray[np.uint16]:
    """The last `most` tokens of a text that begins with `<|bos|>`; `<|bos|>` stays and counts as one of them."""
    return ids if len(ids) <= most else np.concatenate([ids[:1], ids[len(ids) - most + 1 :]])


def contexts_of(pairs: Pairs, most: int, device: str) -> Contexts:
    """The text of every pair up to and including its token, cut to the last `most` tokens."""
    places = zip(pairs.rows, pairs.positions, strict=True)
    texts = [cut_context(pairs.tokens[row, : position + 1], most) for row, position in places]
    lengths = np.array([len(text) for text in texts])
    ids = np.zeros((len(texts), lengths.max()), dtype=np.int64)
    for row, text in enumerate(texts):
        ids[row, : len(text)] = text
    return Contexts(torch.from_numpy(ids).to(device), torch.from_numpy(lengths).to(device))
