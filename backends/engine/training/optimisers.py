"""Muon, the orthogonalised momentum step, in whichever matrix type is fast on this machine.

Keller Jordan, "Muon: an optimizer for hidden layers in neural networks" (2024). torch.optim.Muon always multiplies in
bfloat16, which some processors emulate hundreds of times slower than float32; here the type is given.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonalise(matrices: Tensor, dtype: torch.dtype, steps: int = 5) -> Tensor:
    """Newton-Schulz iteration towards the nearest semi-orthogonal matrix of each of `matrices` [count, rows, columns].

    Singular values come out between about 0.7 and 1.2, which trains as well as exact ones.
    """
    a, b, c = _COEFFICIENTS
    x = matrices.to(dtype)
    wide = x.shape[-2] <= x.shape[-1]
    x = x if wide else x.transpose(-2, -1)
    x = x / (x.float().norm(dim=(-2, -1), keepdim=True) + 1e-7).to(dtype)
    for _ in range(steps):
        gram = x @ x.transpose(-2, -1)
        x = a * x + (b * gram + c * gram @ gram) @ x
    result: Tensor = x if wide else x.transpose(-2, -1)
    return result.to(matrices.dtype)


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalised, for weight matrices; matrices of one shape are stepped as one batch.

    The step is scaled by sqrt(max(1, rows / columns)), so that one learning rate serves every shape.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float,
        *,
        dtype: torch.dtype = torch.float32,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self._dtype = dtype

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move every matrix that has a gradient."""
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[Tensor]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_shape.setdefault(parameter.shape, []).append(parameter)
            for shape, parameters in by_shape.items():
                updates = torch.stack([self._momentum(parameter, group["momentum"]) for parameter in parameters])
                scale = max(1.0, shape[0] / shape[1]) ** 0.5
                for parameter, update in zip(parameters, orthogonalise(updates, self._dtype), strict=True):
                    parameter.mul_(1.0 - group["lr"] * group["weight_decay"])
                    parameter.add_(update, alpha=-group["lr"] * scale)

    def _momentum(self, parameter: Tensor, momentum: float) -> Tensor:
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        gradient = parameter.grad
        assert gradient is not None
        state["momentum"].lerp_(gradient, 1.0 - momentum)
        return gradient.lerp(state["momentum"], momentum)


def linear_decay(step: int, total: int, warmup: int, decay_from: float) -> float:
    """Learning-rate factor: linear warm-up, then flat, then linear to zero from the share `decay_from` of the run."""
    if step < warmup:
        return (step + 1) / warmup
    start = decay_from * total
    return 1.0 if step < start else max(0.0, (total - step) / max(1.0, total - start))
