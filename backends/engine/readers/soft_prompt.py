"""The L2EL mapper: one activation becomes a few soft token embeddings that a frozen language model reads.

Paper: Latent-to-Explanation Likelihood, section 3, p_i = gamma_i h + b_i with m = 16 slots.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from backends.engine import pickles
from investigator.errors import WorkbenchError

Form = Literal["paper", "directional", "slotwise", "prompt-only"]
WEIGHTS = "mapper.safetensors"
CARD = "mapper.json"
# Below this distance from the mean there is no direction to speak of; float32 residuals are never this close.
_NO_DIRECTION = 1e-12


class MapperCard(msgspec.Struct, frozen=True, kw_only=True):
    """What `mapper.json` says: the shape of a mapper and what it was trained against."""

    form: Form
    slots: int
    width: int
    layer: int
    """Block index L whose output it reads."""
    sae: str = ""
    """The SAE whose labels it was trained on."""
    subject_fingerprint: str = ""
    labels_fingerprint: str = ""
    label_split: str = ""
    """File, beside the card, that names the labels which entered no training."""
    seed: int = 0
    steps: int = 0
    notes: dict[str, str | int | float] = {}
    """Recipe keys and figures, as the training wrote them."""


class SoftPromptMapper(nn.Module):
    """From activations `[B, width]` to soft prompts `[B, slots, width]`, as the subject's first block sees embeddings.

    `paper`: p_i = gamma_i h + b_i (L2EL, section 3).
    `directional`: p_i = |e| gamma_i W (h - mean) / |h - mean| + b_i, with |e| the mean token embedding norm, `mean` the
    layer's mean activation and one matrix W shared by the slots. At the mean itself the direction is zero.
    `slotwise`: the same with a matrix W_i for each slot.
    `prompt-only`: p_i = b_i whatever h is. A control: it stands after the plain text up to the token (the last
    `notes["context_tokens"]` tokens of it, `<|bos|>` first), so it reads the words and nothing of the activation.
    """

    mean: Tensor
    embedding_norm: Tensor

    def __init__(
        self, card: MapperCard, *, mean: Tensor | None = None, embedding_norm: float = 1.0, seed: int = 0
    ) -> None:
        """Start from small gains and biases; forms that read the direction also take the layer's `mean` `[width]`."""
        super().__init__()
        self.card = card
        generator = torch.Generator().manual_seed(seed)
        scale = embedding_norm / card.width**0.5
        self.bias = nn.Parameter(scale * torch.randn(card.slots, card.width, generator=generator))
        if card.form == "prompt-only":
            return
        self.gamma = nn.Parameter(torch.full((card.slots,), 0.01 if card.form == "paper" else 0.1))
        if card.form != "paper":
            shape = (card.slots, 1, 1) if card.form == "slotwise" else (1, 1)
            self.matrix = nn.Parameter(torch.eye(card.width).repeat(*shape))
            start = torch.zeros(card.width) if mean is None else mean.detach().to(torch.float32).clone()
            self.register_buffer("mean", start)
            self.register_buffer("embedding_norm", torch.tensor(float(embedding_norm)))

    def direction(self, h: Tensor) -> Tensor:
        """Return (h - mean) / |h - mean|, `[B, width]`; zero where h is the mean."""
        away = h - self.mean
        unit: Tensor = away / away.norm(dim=-1, keepdim=True).clamp_min(_NO_DIRECTION)
        return unit

    def inputs(self, h: Tensor) -> Tensor:
        """Return what the soft prompt is linear in, `[.., width]`: the direction, or h itself for the form `paper`."""
        return h if self.card.form in ("paper", "prompt-only") else self.direction(h)

    def prompts(self, inputs: Tensor) -> Tensor:
        """Map `inputs` `[.., width]` to soft prompts `[.., slots, width]`; affine, so it can be linearised exactly."""
        if self.card.form == "prompt-only":
            return self.bias.expand(*inputs.shape[:-1], *self.bias.shape)
        if self.card.form == "paper":
            return self.gamma[:, None] * inputs[..., None, :] + self.bias
        if self.card.form == "slotwise":
            away = self.embedding_norm * torch.einsum("...d,sed->...se", inputs, self.matrix)
        else:
            away = (self.embedding_norm * (inputs @ self.matrix.T))[..., None, :]
        return self.gamma[:, None] * away + self.bias

    def forward(self, h: Tensor) -> Tensor:
        """Map activations `[B, width]` to soft prompts `[B, slots, width]`."""
        return self.prompts(self.inputs(h))

    def blind(self) -> Tensor:
        """Return the soft prompt of a reader that sees nothing of the activation: the biases, `[1, slots, width]`."""
        return self.bias[None]

    def save(self, folder: Path, matrices: torch.dtype = torch.float32) -> None:
        """Write `mapper.safetensors` (float32 but for the matrices) and `mapper.json` into the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {name: value.detach().cpu().float().contiguous() for name, value in self.state_dict().items()}
        if "matrix" in tensors:
            tensors["matrix"] = tensors["matrix"].to(matrices)
        save_file(tensors, folder / WEIGHTS)
        (folder / CARD).write_bytes(msgspec.json.format(msgspec.json.encode(self.card), indent=1) + b"\n")

    @classmethod
    def load(cls, folder: Path) -> SoftPromptMapper:
        """Read a mapper from its folder; raise WorkbenchError where a file is missing, truncated or does not fit."""
        pickles.refuse_folder(folder, WEIGHTS)
        mapper = cls(read_card(folder))
        try:
            mapper.load_state_dict(load_file(folder / WEIGHTS))
        except (OSError, SafetensorError, RuntimeError) as error:
            raise WorkbenchError(
                f"The mapper {folder / WEIGHTS} cannot be read: {error}.",
                "Copy the file again, or train the mapper anew.",
            ) from error
        return mapper.requires_grad_(False).eval()


def read_card(folder: Path) -> MapperCard:
    """Read `mapper.json`; raise WorkbenchError where it is missing or malformed."""
    try:
        return msgspec.json.decode((folder / CARD).read_bytes(), type=MapperCard)
    except (OSError, msgspec.DecodeError) as error:
        raise WorkbenchError(
            f"The mapper's card {folder / CARD} cannot be read: {error}.", "Copy the file again, or train it anew."
        ) from error
