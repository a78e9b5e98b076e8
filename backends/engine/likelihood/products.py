"""Products with weights by the faster of two float32 libraries, measured once a process: torch's own BLAS or oneDNN.

A BLAS library may leave half of a processor unused (MKL runs AVX2 on one with AVX-512 that it does not know: 190
GFLOP/s where oneDNN gives 440). Both multiply and add in float32; only the order of the sums differs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

# Rows, inner size and columns of the product that decides.
_ROWS, _INNER, _COLUMNS = 512, 256, 704
_TRIES = 5
# How much faster oneDNN must be: a choice that flipped from one process to the next would change last bits.
_MARGIN = 1.3
_lock = threading.Lock()


@contextmanager
def fast_products() -> Iterator[None]:
    """Let the linear layers that this thread runs on the CPU in float32 use the faster library."""
    if not uses_onednn():
        yield
        return
    with _Rerouted():
        yield


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return `x @ weight.T + bias` by the faster library."""
    if x.device.type == "cpu" and x.dtype == weight.dtype == torch.float32 and uses_onednn():
        return _onednn(x, weight, bias)
    return functional.linear(x, weight, bias)


def packed_weight(weight: Tensor) -> Tensor:
    """Return a float32 weight `[out, in]` laid out for `packed_product`."""
    if not uses_onednn():
        return weight.contiguous()
    found: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), _ROWS)
    return found


def packed_product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return `x @ weight.T + bias` for a weight from `packed_weight`."""
    return _onednn(x, weight, bias) if weight.is_mkldnn else functional.linear(x, weight, bias)


def uses_onednn() -> bool:
    """Return whether oneDNN multiplies float32 matrices clearly faster than torch's own BLAS here."""
    with _lock:
        return _measured()


def products_name() -> str:
    """Return what provenance records of the library."""
    return "oneDNN products" if uses_onednn() else "BLAS products"


class _Rerouted(TorchFunctionMode):
    """Sends `torch.nn.functional.linear` to `linear`, whatever model calls it."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is functional.linear:
            return linear(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _onednn(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    found: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return found


@cache
@torch.inference_mode()
def _measured() -> bool:
    x, weight = torch.ones(_ROWS, _INNER), torch.ones(_COLUMNS, _INNER)
    try:
        ours = _seconds(lambda: _onednn(x, weight, None))
    except (AttributeError, NotImplementedError, RuntimeError):
        # A build of torch without oneDNN.
        return False
    return _MARGIN * ours < _seconds(lambda: functional.linear(x, weight))


def _seconds(product: Callable[[], Tensor]) -> float:
    """Return the least seconds that a product takes, after a first one that prepares the library."""
    product()
    found = []
    for _ in range(_TRIES):
        start = time.perf_counter()
        product()
        found.append(time.perf_counter() - start)
    return min(found)
