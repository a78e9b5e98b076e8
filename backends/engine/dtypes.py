"""Which floating point type multiplies matrices fastest on this processor.

The ratio differs by orders of magnitude between machines (bfloat16 four times faster with AVX-512 BF16 or AMX,
hundreds of times slower where it is emulated), so it is measured rather than looked up.
"""

import time
from dataclasses import dataclass
from functools import lru_cache

import torch

_SIZE = 384
_REPEATS = 3
_SLOW_SECONDS = 0.05


@dataclass(frozen=True)
class MatmulSpeeds:
    """Measured speed of a square matrix product, in GFLOP/s, for each type."""

    float32: float
    bfloat16: float

    @property
    def fastest(self) -> torch.dtype:
        """The faster type; bfloat16 must win by a quarter, because it costs precision and conversions."""
        return torch.bfloat16 if self.bfloat16 > 1.25 * self.float32 else torch.float32


def _seconds(matrix: torch.Tensor) -> float:
    start = time.perf_counter()
    torch.mm(matrix, matrix)
    return time.perf_counter() - start


def _gigaflops(dtype: torch.dtype, size: int) -> float:
    matrix = torch.ones(size, size, dtype=dtype)
    best = _seconds(matrix)
    # An emulated type shows itself on the first product: repeating it would cost seconds and tell nothing more.
    if best < _SLOW_SECONDS:
        best = min(_seconds(matrix) for _ in range(_REPEATS))
    return 2 * size**3 / best / 1e9


@lru_cache(maxsize=1)
def fastest_matmul_dtype() -> MatmulSpeeds:
    """Measure float32 and bfloat16 matrix products on the CPU, once a process (a few hundredths of a second)."""
    return MatmulSpeeds(float32=_gigaflops(torch.float32, _SIZE), bfloat16=_gigaflops(torch.bfloat16, _SIZE))
