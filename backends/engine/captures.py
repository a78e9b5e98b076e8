"""Captures: every layer and position of a prompt, from one forward pass, kept while there is room.

Plain forward hooks on the blocks take them. Measured on a model of pocket's shape (six layers of width 256, 31 tokens,
one thread, median of 100): 11.4 ms of processor time a pass with hooks, 15.0 ms with nnsight, which also takes a second
to import. nnsight is the fallback for models whose blocks stand in no one list (`backends.engine.tracing`).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from torch import Tensor

from backends.engine import files
from backends.engine.saes import Encoded, Sae
from backends.engine.shortage import is_shortage, release
from backends.engine.subject import Subject
from investigator.errors import BadInput, ScoreError

Key = tuple[str, tuple[int, ...]]
_SHARE_OF_MEMORY = 0.2


@dataclass
class Capture:
    """One prompt's residuals `[layers, positions, d]`, float32, and their encodings by SAE, made when first asked."""

    ids: tuple[int, ...]
    residuals: Tensor
    encodings: dict[str, Encoded] = field(default_factory=dict)

    def encoded(self, sae: Sae) -> Encoded:
        """Return all positions' active latents; two threads that come at once may both encode, to the same bits."""
        found = self.encodings.get(sae.name)
        if found is None:
            found = self.encodings[sae.name] = sae.encode_sparse(self.residuals[sae.layer])
        return found

    @property
    def bytes(self) -> int:
        """Bytes of the residuals."""
        return self.residuals.numel() * self.residuals.element_size()


class Captures:
    """A cache of captures, the least recently used dropped first; safe to ask from several threads."""

    def __init__(self, count: int, most_bytes: int | None = None) -> None:
        """Keep at most `count` captures and `most_bytes` of them (a fifth of the free memory where not given)."""
        self._count = max(1, count)
        self._most_bytes = most_bytes if most_bytes is not None else int(_SHARE_OF_MEMORY * files.free_memory())
        self._kept: OrderedDict[Key, Capture] = OrderedDict()
        self._lock = threading.Lock()

    def check_room(self, layers: int, tokens: int, width: int) -> None:
        """Raise BadInput where one prompt's activations alone would take more than all that are kept may take."""
        needed = 4 * layers * tokens * width
        if needed > self._most_bytes:
            raise BadInput(
                f"The activations of {tokens} tokens take {needed / 1e6:,.0f} MB, and captured prompts may take "
                f"{self._most_bytes / 1e6:,.0f} MB here, a fifth of the memory that was free.",
                "Shorten the prompt, or free memory and start the backend again.",
            )

    def held(self, subject: str, ids: tuple[int, ...]) -> Capture | None:
        """Return a capture without ever running the model."""
        with self._lock:
            found = self._kept.get((subject, ids))
            if found is not None:
                self._kept.move_to_end((subject, ids))
            return found

    def get(self, subject: Subject, ids: tuple[int, ...]) -> Capture:
        """Return a capture, running the model where it is not held."""
        found = self.held(subject.name, ids)
        if found is None:
            found = Capture(ids, self._captured(subject, ids))
            self._keep((subject.name, ids), found)
        return found

    def _captured(self, subject: Subject, ids: tuple[int, ...]) -> Tensor:
        """Run the model; where memory is short, once more with all that is kept let go."""
        try:
            return subject.capture(ids)
        except (MemoryError, RuntimeError) as error:
            if not is_shortage(error):
                raise
        with self._lock:
            self._kept.clear()
        release()
        try:
            return subject.capture(ids)
        except (MemoryError, RuntimeError) as error:
            if not is_shortage(error):
                raise
            raise ScoreError(
                f"There is not enough memory to read a prompt of {len(ids)} tokens.",
                "Shorten it, close other programs, or open a smaller model; `investigator doctor` says what fits.",
            ) from error

    def _keep(self, key: Key, capture: Capture) -> None:
        with self._lock:
            self._kept[key] = capture
            while len(self._kept) > 1 and (len(self._kept) > self._count or self._held_bytes() > self._most_bytes):
                self._kept.popitem(last=False)

    def _held_bytes(self) -> int:
        return sum(capture.bytes for capture in self._kept.values())
