"""The trained TopK autoencoder as the later stages read it: straight from its SAELens directory."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from investigator.errors import WorkbenchError


@dataclass(frozen=True)
class FrozenSae:
    """W_enc [width, latents], b_enc [latents], W_dec [latents, width], b_dec [width]; the k strongest stay."""

    encoder: Tensor
    bias: Tensor
    decoder: Tensor
    decoder_bias: Tensor
    k: int
    centred: bool
    dtype: torch.dtype

    @classmethod
    def load(cls, folder: Path, *, device: str, dtype: str) -> "FrozenSae":
        """Read a SAELens TopK directory that needs no input scaling; raises WorkbenchError for any other."""
        config = json.loads((folder / "cfg.json").read_text())
        if config["architecture"] != "topk" or config.get("normalize_activations", "none") != "none":
            raise WorkbenchError(f"{folder} is no plain TopK autoencoder.", "Train it with `investigator train sae`.")
        weights = load_file(folder / "sae_weights.safetensors", device=device)
        return cls(
            encoder=weights["W_enc"].float(),
            bias=weights["b_enc"].float(),
            decoder=weights["W_dec"].float(),
            decoder_bias=weights["b_dec"].float(),
            k=int(config["k"]),
            centred=bool(config["apply_b_dec_to_input"]),
            dtype=getattr(torch, dtype),
        )

    @property
    def latents(self) -> int:
        """Number of latents."""
        return len(self.bias)

    def preactivations(self, residuals: Tensor, latents: slice = slice(None)) -> Tensor:
        """Before TopK, float32 [positions, chosen latents]; the matrix product in `dtype`."""
        centred = residuals - self.decoder_bias if self.centred else residuals
        chosen = self.encoder[:, latents].to(self.dtype)
        return (centred.to(self.dtype) @ chosen).float() + self.bias[latents]

    def strongest(self, residuals: Tensor) -> tuple[Tensor, Tensor]:
        """The k strongest latents of each position and their activations, both [positions, k]."""
        values, latents = self.preactivations(residuals).topk(self.k, dim=-1)
        return latents, values.relu()

    def reconstruct(self, residuals: Tensor) -> Tensor:
        """What the active latents and the bias add up to, [positions, width]."""
        latents, values = self.strongest(residuals)
        return torch.einsum("pk,pkd->pd", values, self.decoder[latents]) + self.decoder_bias
