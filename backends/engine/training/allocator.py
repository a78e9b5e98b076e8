"""Keep freed memory in the process while training.

glibc hands large blocks back to the kernel as soon as they are freed; a training step frees and takes hundreds of
megabytes, and the page faults cost a fifth of it.
"""

import ctypes
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Ask glibc to keep large freed blocks; False where there is no glibc."""
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return all([mallopt(_MMAP_MAX, 0), mallopt(_TRIM_THRESHOLD, _NEVER), mallopt(_TOP_PAD, 64 * 2**20)])
