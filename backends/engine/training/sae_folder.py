"""Write a trained TopK autoencoder as a SAELens v6 directory that acts on raw activations."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from backends.engine.training.folders import write_atomically
from backends.engine.training.topk_trainer import Weights


def fold_scaling(weights: Weights, mean: Tensor, scale: float) -> Weights:
    """The same autoencoder for raw activations, when it was trained on (x - mean) / scale.

    Decoder rows keep unit norm and activations come out in raw units, `scale` times those of training; TopK picks the
    same latents, since a positive factor keeps their order.
    """
    return Weights(weights.W_enc, weights.b_enc * scale, weights.W_dec, mean + scale * weights.b_dec)


def configuration(
    weights: Weights, k: int, *, layer: int, model_name: str, context: int, dataset: str
) -> dict[str, Any]:
    """cfg.json of SAELens v6 for a plain TopK autoencoder on the output of block `layer`."""
    width, latents = weights.W_enc.shape
    return {
        "architecture": "topk",
        "d_in": width,
        "d_sae": latents,
        "k": k,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "rescale_acts_by_decoder_norm": False,
        "metadata": {
            "model_name": model_name,
            "hook_name": f"blocks.{layer}.hook_resid_post",
            "hook_head_index": None,
            "neuronpedia_id": None,
            "context_size": context,
            "prepend_bos": True,
            "dataset_path": dataset,
            "sae_lens_version": "6.0.0",
            "sae_lens_training_version": None,
        },
    }


def save_sae(folder: Path, weights: Weights, config: dict[str, Any], dtype: torch.dtype = torch.float32) -> None:
    """Write cfg.json and sae_weights.safetensors, each atomically; weights kept in float16 are read as float32."""
    folder.mkdir(parents=True, exist_ok=True)
    names = {"W_enc": weights.W_enc, "b_enc": weights.b_enc, "W_dec": weights.W_dec, "b_dec": weights.b_dec}
    tensors = {name: tensor.detach().to(dtype).contiguous() for name, tensor in names.items()}
    write_atomically(folder / "sae_weights.safetensors", lambda path: save_file(tensors, path))
    text = json.dumps(config, indent=1) + "\n"
    write_atomically(folder / "cfg.json", lambda path: _write(path, text))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
