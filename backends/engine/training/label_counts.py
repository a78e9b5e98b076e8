"""How often each label was drawn for training: the floor of every blind reader, however long its training."""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

FILE = "label_counts.safetensors"


def write_counts(folder: Path, labels: Tensor, texts: int) -> None:
    """Write how often each of `texts` labels stands among the drawn `labels` [pairs] into a reader's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({"counts": torch.bincount(labels.long(), minlength=texts)}, folder / FILE)


def frequency_scores(folder: Path, tokens: Tensor) -> Tensor:
    """Log of each label's share of the draws / its tokens (end included), float64 [labels], from `tokens` [labels].

    What a reader scores that knows the labels and how often they are drawn, and nothing else. A label that was never
    drawn counts half a draw, so its score is low but finite.
    """
    counts = load_file(folder / FILE)["counts"].double() + 0.5
    scores: Tensor = (counts / counts.sum()).log() / tokens
    return scores
