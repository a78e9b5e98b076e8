"""Sparse autoencoders. Plain TopK and JumpReLU directories are read here; everything else by sae-lens, imported late.

sae-lens takes seconds to import; a test holds the plain reading equal to `SAE.load_from_disk`, bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backends.engine import files, fingerprints, pickles
from backends.engine.numbers import Floats, check_finite
from backends.engine.shortage import fewer
from investigator.errors import WorkbenchError

Kind = Literal["topk", "jumprelu", "standard"]
WEIGHTS = "sae_weights.safetensors"
CARD = "cfg.json"
_CONVERT = (
    "Convert it in an environment that you would let run anything: `from sae_lens import SAE; "
    'SAE.from_pretrained("RELEASE", "ID").save_model("FOLDER")`, and give the folder as `path`.'
)
# 64 MiB of dense float32 activations at a time, whatever the number of latents.
_VALUES_AT_ONCE = 1 << 24


@dataclass(frozen=True)
class Encoded:
    """The active latents of every position, as flat arrays cut at `starts`."""

    starts: NDArray[np.int64]
    """`[positions + 1]`."""
    latents: NDArray[np.int64]
    activations: Floats
    pre: Floats
    """Pre-activations of the active latents."""

    def at(self, position: int) -> tuple[NDArray[np.int64], Floats, Floats]:
        """Return latents, activations and pre-activations of one position, by latent."""
        part = slice(int(self.starts[position]), int(self.starts[position + 1]))
        return self.latents[part], self.activations[part], self.pre[part]


class Sae:
    """An SAE on one layer of a subject. Shapes: `W_enc [d, latents]`, `W_dec [latents, d]`; float32."""

    kind: str

    def __init__(self, name: str, subject: str, layer: int, *, width: int, latents: int, fingerprint: str = "") -> None:
        self.name = name
        self.subject = subject
        self.layer = layer
        self.width = width
        self.latents = latents
        self.fingerprint = fingerprint

    @property
    def decoder(self) -> Tensor:
        """The decoder directions `[latents, d]`."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return pre-activations and activations, both `[.., latents]`, of residuals `[.., d]`."""
        raise NotImplementedError

    def preactivations(self, x: Tensor) -> Tensor:
        """Return what the activation function sees, `[.., latents]`."""
        return self.forward(x)[0]

    def encode(self, x: Tensor) -> Tensor:
        """Return activations `[.., latents]`, zero where a latent is not active."""
        return self.forward(x)[1]

    def encode_sparse(self, x: Tensor) -> Encoded:
        """Encode residuals `[positions, d]` and keep the active latents; raise ScoreError where one is not finite."""
        rows, start = max(1, _VALUES_AT_ONCE // self.latents), 0
        parts: list[tuple[NDArray[Any], NDArray[Any], Floats, Floats]] = []
        while start < len(x):
            try:
                with torch.inference_mode():
                    parts.append(_sparse(*self.forward(x[start : start + rows])))
            except (MemoryError, RuntimeError) as error:
                rows = fewer(error, min(rows, len(x) - start))
                continue
            start += rows
        counts, latents, activations, pre = (np.concatenate(column) for column in zip(*parts, strict=True))
        check_finite(pre, f"The encoding by the SAE {self.name}")
        return Encoded(np.concatenate([[0], np.cumsum(counts)]), latents, activations, pre)


def _sparse(pre: Tensor, post: Tensor) -> tuple[NDArray[Any], NDArray[Any], Floats, Floats]:
    # A NaN is no activation but must not vanish, so it counts as active and fails the check above.
    active = (post > 0) | torch.isnan(post)
    row, latent = active.nonzero(as_tuple=True)
    counts = active.sum(-1).cpu().numpy()
    return counts, latent.cpu().numpy(), post[row, latent].float().cpu().numpy(), pre[row, latent].float().cpu().numpy()


class PlainSae(Sae):
    """TopK, JumpReLU or ReLU, as SAELens v6 computes them."""

    def __init__(self, card: dict[str, Any], weights: dict[str, Tensor], kind: Kind, **names: Any) -> None:
        super().__init__(width=weights["W_enc"].shape[0], latents=weights["W_enc"].shape[1], **names)
        self.kind = kind
        self._weights = {name: value.to(torch.float32) for name, value in weights.items()}
        self._centred = bool(card.get("apply_b_dec_to_input", True))
        self._k = int(card.get("k", 0))
        self._rescaled = bool(card.get("rescale_acts_by_decoder_norm", False))

    @property
    def decoder(self) -> Tensor:
        """The decoder directions `[latents, d]`."""
        return self._weights["W_dec"]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return pre-activations and activations, both `[.., latents]`, of residuals `[.., d]`."""
        weights = self._weights
        x = x.to(weights["W_enc"].dtype)
        x = x - weights["b_dec"] if self._centred else x
        pre = x @ weights["W_enc"] + weights["b_enc"]
        if self._rescaled:
            pre = pre * weights["W_dec"].norm(dim=-1)
        return pre, self._activate(pre)

    def _activate(self, pre: Tensor) -> Tensor:
        if self.kind == "standard":
            return pre.relu()
        if self.kind == "jumprelu":
            return pre.relu() * (pre > self._weights["threshold"]).to(pre.dtype)
        values, places = torch.topk(pre, k=self._k, dim=-1, sorted=False)
        return torch.zeros_like(pre).scatter_(-1, places, values.relu())


class LensSae(Sae):
    """Any other architecture, run by sae-lens."""

    def __init__(self, sae: Any, **names: Any) -> None:
        super().__init__(width=int(sae.cfg.d_in), latents=int(sae.cfg.d_sae), **names)
        self.kind = str(sae.cfg.architecture())
        self._sae = sae

    @property
    def decoder(self) -> Tensor:
        """The decoder directions `[latents, d]`."""
        weight: Tensor = self._sae.W_dec.detach().to(torch.float32)
        return weight

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return pre-activations (activations where the architecture has none) and activations, `[.., latents]`."""
        seen: list[Tensor] = []
        hook = self._sae.hook_sae_acts_pre.register_forward_hook(lambda _m, _a, output: seen.append(output))
        try:
            post: Tensor = self._sae.encode(x.to(self._sae.W_dec.dtype))
        finally:
            hook.remove()
        post = post.to_dense() if post.is_sparse else post
        return (seen[0] if seen and seen[0].shape == post.shape else post), post


def plain_kind(card: dict[str, Any]) -> Kind | None:
    """Return the architecture where a SAELens configuration is plain enough to read here, else None."""
    kind = card.get("architecture")
    plain = (
        card.get("normalize_activations", "none") in ("none", None)
        and card.get("reshape_activations", "none") in ("none", None)
        and not card.get("finetuning_scaling_factor")
    )
    return kind if plain and kind in ("topk", "jumprelu", "standard") else None


def hook_layer(card: dict[str, Any]) -> tuple[str, int | None]:
    """Return the hook point that a configuration names and the block whose output it is, None where it names none.

    `blocks.L.hook_resid_post` is the output of block L; `blocks.L.hook_resid_pre` that of block L - 1.
    """
    hook = str((card.get("metadata") or {}).get("hook_name") or card.get("hook_name") or "")
    parts = hook.split(".")
    if len(parts) < 3 or not parts[1].isdigit():
        return hook, None
    return hook, int(parts[1]) - (1 if parts[-1] == "hook_resid_pre" else 0)


def load(path: Path, *, name: str, subject: str, layer: int) -> Sae:
    """Load an SAE from a SAELens directory or a Gemma Scope file; raise WorkbenchError naming the file."""
    names = {"name": name, "subject": subject, "layer": layer}
    if not path.exists():
        raise WorkbenchError(f"There is no SAE at {path}.", f"Mend the path of [saes.{name}].")
    scope = scope_file(path)
    pickles.refuse_folder(scope or path, WEIGHTS)
    if scope is not None:
        return _load_scope(scope, names | {"fingerprint": fingerprints.of_file(scope)})
    names["fingerprint"] = fingerprints.of_folder(path)
    card = files.read_json(path / CARD)
    kind = plain_kind(card)
    if kind is None:
        return load_with_sae_lens(lambda sae_lens: sae_lens.SAE.load_from_disk(path), str(path), names)
    weights = files.tensors(path / WEIGHTS)
    _check_shapes(path / WEIGHTS, card, weights, kind)
    return PlainSae(card, weights, kind, **names)


def _check_shapes(file: Path, card: dict[str, Any], weights: dict[str, Tensor], kind: Kind) -> None:
    width, latents = int(card["d_in"]), int(card["d_sae"])
    expected = {"W_enc": (width, latents), "W_dec": (latents, width), "b_enc": (latents,), "b_dec": (width,)}
    if kind == "jumprelu":
        expected["threshold"] = (latents,)
    for name, shape in expected.items():
        found = tuple(weights[name].shape) if name in weights else None
        if found != shape:
            complain_of_shape(file, name, found, shape)


def complain_of_shape(file: Path, name: str, found: object, expected: object) -> NoReturn:
    """Raise WorkbenchError about a tensor that does not have the shape that its card says."""
    raise WorkbenchError(
        f"{file} has {name} of shape {found}, but {CARD} says {expected}.", "Copy both files from one release."
    )


def scope_file(path: Path) -> Path | None:
    """Return a Gemma Scope `params.npz` or `params.safetensors`, given itself or its folder."""
    candidates = [path] if path.is_file() else [path / "params.npz", path / "params.safetensors"]
    return next((file for file in candidates if file.is_file()), None)


def _load_scope(file: Path, names: dict[str, Any]) -> Sae:
    """Read Gemma Scope's JumpReLU weights: names in either case, the decoder's bias not taken from the input."""
    found = files.tensors(file) if file.suffix == ".safetensors" else _arrays(file)
    weights = {(f"W_{key[2:]}" if key[:2].lower() == "w_" else key): value for key, value in found.items()}
    missing = {"W_enc", "W_dec", "b_enc", "b_dec", "threshold"} - set(weights)
    if missing:
        raise WorkbenchError(f"{file} lacks {', '.join(sorted(missing))}.", "Give a Gemma Scope or SAELens directory.")
    scaling = weights.pop("scaling_factor", None)
    if scaling is not None and not bool((scaling == 1).all()):
        raise WorkbenchError(f"{file} has a scaling factor other than 1.", "Convert it with sae-lens first.")
    return PlainSae({"apply_b_dec_to_input": False}, weights, "jumprelu", **names)


def _arrays(file: Path) -> dict[str, Tensor]:
    try:
        with np.load(file, allow_pickle=False) as archive:
            return {name: torch.from_numpy(archive[name]) for name in archive.files}
    except (OSError, ValueError, EOFError) as error:
        raise WorkbenchError(f"{file} cannot be read: {error}.", "Copy or download the file again.") from error


def load_release(release: str, id: str, *, name: str, subject: str, layer: int) -> Sae:
    """Load a published SAE by its SAELens release and id; raise WorkbenchError where it cannot be had."""
    names = {"name": name, "subject": subject, "layer": layer, "fingerprint": fingerprints.of_text(f"{release}/{id}")}
    return load_with_sae_lens(lambda sae_lens: sae_lens.SAE.from_pretrained(release, id), f"{release}/{id}", names)


def load_with_sae_lens(load: Any, what: str, names: dict[str, Any]) -> Sae:
    """Run one sae-lens loader; every failure of it becomes a WorkbenchError that names what was asked for."""
    import sae_lens

    try:
        with pickles.refused(f"The SAE {what}", _CONVERT):
            sae = load(sae_lens)
    except WorkbenchError:
        raise
    except Exception as error:  # sae-lens raises whatever its many loaders raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise WorkbenchError(
            f"sae-lens cannot load the SAE {what}: {reason}.",
            "Check its path, release and id, and that the machine can reach the hub if it is not on disk.",
        ) from error
    return LensSae(sae[0] if isinstance(sae, tuple) else sae, **names)
