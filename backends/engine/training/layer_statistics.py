"""Mean, covariance and background activations of every layer."""

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from backends.engine.training.firings import Firings, firings_folder
from backends.engine.training.folders import Folders, read_lines, write_atomically, write_json
from backends.engine.training.machine import machine
from backends.engine.training.parts import TrainedSubject, batches_of_rows
from backends.engine.training.passages import Passages
from backends.engine.training.progress import Progress, Stage
from backends.engine.training.recipe import Recipe
from backends.engine.training.rows import encode
from backends.engine.training.tokenizer import load_tokenizer

# Special tokens and the first positions of a row are left out: their residuals are unlike all others.
FIRST_POSITION = 8


class Moments:
    """Running mean and covariance of every layer, in float64."""

    def __init__(self, layers: int, width: int) -> None:
        self.count = 0
        self.total = torch.zeros(layers, width, dtype=torch.float64)
        self.products = torch.zeros(layers, width, width, dtype=torch.float64)

    def add(self, residuals: list[Tensor], mask: Tensor) -> None:
        """Add a batch: a residual [rows, positions, width] a layer, counted where the mask [rows, positions] holds."""
        self.count += int(mask.sum())
        for layer, hidden in enumerate(residuals):
            chosen = hidden[mask]
            self.total[layer] += chosen.sum(0).double().cpu()
            self.products[layer] += (chosen.T @ chosen).double().cpu()

    def mean(self) -> Tensor:
        """[layers, width]."""
        return self.total / self.count

    def covariance(self) -> Tensor:
        """[layers, width, width]."""
        mean = self.mean()
        return self.products / self.count - mean[:, :, None] * mean[:, None, :]


def run_layer_statistics(recipe: Recipe, folders: Folders, *, device: str, dtype: str) -> Stage:
    """Write statistics/layers.safetensors: mean, covariance (train documents) and background (tune documents)."""
    target = folders.statistics / "layers.safetensors"
    card = target.with_suffix(".json")
    if card.exists():
        yield Progress(1, 1, "layer statistics were measured before")
        return
    settings = recipe.statistics
    subject = TrainedSubject.load(folders.subject, device=device, dtype=dtype)
    firings = Firings.load(firings_folder(folders, recipe.sae.layer))
    passages = _some(firings.passages, settings.layer_tokens, settings.seed)
    moments = Moments(len(subject.blocks), subject.width)
    mask = torch.from_numpy(passages.mask(FIRST_POSITION)).to(device)
    for start, stop, ids in batches_of_rows(passages, device):
        moments.add(subject.residuals(ids), mask[start:stop, : ids.shape[1]])
        yield Progress(stop, len(passages.tokens), "measuring layers")
    background, places = background_activations(subject, folders, settings.background, settings.seed)
    tensors = {
        "mean": moments.mean().float(),
        "covariance": moments.covariance().float().contiguous(),
        "background": background.half().contiguous(),
    }
    write_atomically(target, lambda path: save_file(tensors, path))
    write_json(
        card,
        {
            "mean_and_covariance": {"split": "train", "tokens": moments.count},
            "background": {"split": "tune", "places": places, "first_position": FIRST_POSITION},
            "machine": machine(device),
            "dtype": dtype,
            "seed": settings.seed,
        },
    )


def _some(passages: Passages, tokens: int, seed: int) -> Passages:
    """A seeded choice of rows with about `tokens` tokens, in their order."""
    order = np.random.default_rng(seed).permutation(len(passages.tokens))
    enough = int(np.searchsorted(np.cumsum(passages.lengths[order]), tokens)) + 1
    rows = np.sort(order[:enough])
    return Passages(passages.tokens[rows], passages.lengths[rows], passages.documents[rows])


def background_activations(
    subject: TrainedSubject, folders: Folders, count: int, seed: int
) -> tuple[Tensor, list[dict[str, int | str]]]:
    """Activations [layers, at most count, width] at one random position of each tune document, and where they are."""
    tokenizer = load_tokenizer(folders.subject)
    rows = read_lines(folders.heldout("tune"))
    limit = int(subject.model.config.max_position_embeddings)
    ids = [one[: limit - 1] for one in encode(tokenizer, [row["text"] for row in rows])]
    draw = np.random.default_rng(seed)
    usable = [place for place in draw.permutation(len(rows)).tolist() if len(ids[place]) >= FIRST_POSITION]
    found: list[Tensor] = []
    places: list[dict[str, int | str]] = []
    # In drawn order: whoever takes the first few of the background takes a random few.
    for place in usable[:count]:
        position = int(draw.integers(FIRST_POSITION, len(ids[place]) + 1))
        row = torch.tensor([[tokenizer.bos_token_id, *ids[place]]], device=subject.device)
        found.append(torch.stack([hidden[0, position].cpu() for hidden in subject.residuals(row)]))
        places.append({"document": f"{rows[place]['file']}:{rows[place]['index']}", "position": position})
    return torch.stack(found, dim=1), places
