"""The statistics stage: what is typical of each latent and of each layer, measured on training and tune documents."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from backends.engine.training.firings import Firings, LatentFirings, by_latent, firings_folder, run_firings
from backends.engine.training.folders import Folders, write_atomically, write_json
from backends.engine.training.frozen_sae import FrozenSae
from backends.engine.training.layer_statistics import run_layer_statistics
from backends.engine.training.machine import machine
from backends.engine.training.progress import Progress, Stage
from backends.engine.training.recipe import Recipe, StatisticsRecipe
from backends.engine.training.splits import read_train
from backends.engine.training.top_contexts import write_contexts

_LATENTS_A_BLOCK = 256


def latents_folder(folders: Folders, layer: int) -> Path:
    """Folder of one layer's latent statistics."""
    return folders.statistics / f"L{layer}"


def run_statistics(recipe: Recipe, folders: Folders, *, device: str = "cpu", dtype: str = "float32") -> Stage:
    """Write statistics/layers.safetensors, statistics/L3/latents.safetensors and contexts.jsonl.xz."""
    yield from run_firings(recipe, folders, device=device, dtype=dtype)
    yield from run_layer_statistics(recipe, folders, device=device, dtype=dtype)
    target = latents_folder(folders, recipe.sae.layer)
    if (target / "latents.json").exists():
        yield Progress(1, 1, "latent statistics were measured before")
        return
    firings = Firings.load(firings_folder(folders, recipe.sae.layer))
    sae = FrozenSae.load(folders.sae(recipe.sae.layer), device=device, dtype=dtype)
    yield Progress(0, 4, "sorting firings by latent")
    latents = by_latent(firings, sae.latents)
    yield Progress(1, 4, "medians and quartiles of pre-activations")
    median, iqr = preactivation_spread(firings, sae, recipe.statistics)
    yield Progress(2, 4, "histograms")
    tensors = latent_tensors(firings, latents, median, iqr, recipe.statistics.histogram_bins)
    yield Progress(3, 4, "top contexts")
    write_contexts(firings, latents, read_train(folders), recipe.statistics, target / "contexts.jsonl.xz")
    target.mkdir(parents=True, exist_ok=True)
    write_atomically(target / "latents.safetensors", lambda path: save_file(tensors, path))
    figures = _figures(firings, tensors["rate"])
    write_json(target / "latents.json", _provenance(recipe, figures, device, dtype))
    yield Progress(4, 4, "statistics measured", figures)


def _figures(firings: Firings, rate: Tensor) -> dict[str, float]:
    return {
        "tokens": float(firings.passages.mask().sum()),
        "live": float((rate > 0).sum()),
        "dead_share": float((rate == 0).float().mean()),
        "rare": float(((rate > 0) & (rate <= 0.01)).sum()),
    }


def _provenance(recipe: Recipe, figures: dict[str, float], device: str, dtype: str) -> dict[str, object]:
    return {
        "split": "train",
        "machine": machine(device),
        "dtype": dtype,
        "seed": recipe.statistics.seed,
        "quantile_tokens": recipe.statistics.quantile_tokens,
        "figures": figures,
    }


def sample_places(mask: NDArray[np.bool_], count: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and positions of a seeded sample of the places where the mask holds, in order."""
    rows, positions = np.nonzero(mask)
    if len(rows) > count:
        chosen = np.sort(np.random.default_rng(seed).choice(len(rows), count, replace=False))
        rows, positions = rows[chosen], positions[chosen]
    return rows, positions


def preactivation_spread(firings: Firings, sae: FrozenSae, settings: StatisticsRecipe) -> tuple[Tensor, Tensor]:
    """Median and inter-quartile range of every latent's pre-activation over a sample of tokens (L2EL, appendix A)."""
    rows, positions = sample_places(firings.passages.mask(), settings.quantile_tokens, settings.seed)
    residuals = torch.from_numpy(np.asarray(firings.residuals[rows, positions], dtype=np.float32))
    residuals = residuals.to(sae.encoder.device)
    parts = [
        quartiles(sae.preactivations(residuals, slice(start, start + _LATENTS_A_BLOCK)))
        for start in range(0, sae.latents, _LATENTS_A_BLOCK)
    ]
    low, middle, high = torch.cat(parts, dim=1).cpu()
    return middle, high - low


def quartiles(values: Tensor) -> Tensor:
    """The 25th, 50th and 75th percentile of each column, [3, columns], interpolated as numpy does."""
    ordered = values.T.contiguous().sort(dim=1).values
    places = torch.tensor([0.25, 0.5, 0.75], device=values.device) * (ordered.shape[1] - 1)
    below = places.floor().long()
    above = (below + 1).clamp_max(ordered.shape[1] - 1)
    share = (places - below).to(ordered.dtype)
    return (ordered[:, below] * (1 - share) + ordered[:, above] * share).T


def latent_tensors(
    firings: Firings, latents: LatentFirings, median: Tensor, iqr: Tensor, bins: int
) -> dict[str, Tensor]:
    """The tensors of latents.safetensors: rate, median, iqr, maximum [latents] and the activation histograms."""
    count = len(latents.counts)
    tokens = int(firings.passages.mask().sum())
    edges, counts = np.zeros((count, bins + 1), np.float32), np.zeros((count, bins), np.int32)
    maximum = np.zeros(count, np.float32)
    for latent in range(count):
        values = latents.activations[latents.of(latent)]
        maximum[latent] = values.max(initial=0.0)
        if len(values):
            counts[latent], edges[latent] = np.histogram(values, bins=bins, range=(0.0, float(maximum[latent])))
    return {
        "rate": torch.from_numpy((latents.counts / max(tokens, 1)).astype(np.float32)),
        "median": median.float().contiguous(),
        "iqr": iqr.float().contiguous(),
        "maximum": torch.from_numpy(maximum),
        "histogram_edges": torch.from_numpy(edges),
        "histogram_counts": torch.from_numpy(counts),
    }
