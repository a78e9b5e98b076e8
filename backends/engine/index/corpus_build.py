"""Building a corpus index: windows captured shard by shard, so that memory is bounded and a kill loses one shard."""

from __future__ import annotations

import fcntl
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from torch import Tensor

from backends.engine.index import corpus_texts
from backends.engine.index.corpus_capture import capture_many
from backends.engine.index.corpus_card import (
    CARD,
    CorpusCard,
    Recipe,
    ShardCard,
    read_card,
    read_shard_card,
    shard_folder,
    write_card,
)
from backends.engine.index.corpus_reading import Document, Reading
from backends.engine.index.corpus_shards import Floats, Halves, Window, write_shard
from backends.engine.index.corpus_windows import searched, windows
from backends.engine.provenance import libraries
from backends.engine.subject import Subject
from investigator.errors import BadInput, WorkbenchError
from investigator.wire import Progress

CENTRE = "centre.npy"
_EVERY = 0.5
_COUNTED = ("contexts", "positions", "searched", "documents")


@dataclass
class Build:
    """An index in the making."""

    folder: Path
    name: str
    subject: Subject
    recipe: Recipe
    centre: Tensor
    """`[layers, d]` what directions are taken from."""
    reading: Reading
    totals: dict[str, int] = field(default_factory=lambda: dict.fromkeys((*_COUNTED, "shards"), 0))

    def run(self) -> Iterator[Progress | None]:
        """Make what is missing; yields progress, or None, after each context.

        Raises BadInput where the folder holds another index, or the files give no text.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with _alone(self.folder):
            if self._begin():
                yield from self._go_on(self._whole_shards())
                self._end()

    def _begin(self) -> bool:
        """Write centre and card, or check that what is there is this very index; return whether it is to be made."""
        if (self.folder / CARD).exists():
            card = read_card(self.folder)
            if card.recipe != self.recipe:
                raise BadInput(
                    f"{self.folder} holds an index of other files, or one made with another model or other choices.",
                    "Give it another --name or --out, or delete that folder.",
                )
            return not card.complete
        with (self.folder / CENTRE).open("wb") as file:
            np.save(file, self.centre.numpy())
        write_card(self.folder, self._card(complete=False))
        return True

    def _card(self, *, complete: bool) -> CorpusCard:
        return CorpusCard(
            name=self.name,
            subject=self.subject.name,
            recipe=self.recipe,
            libraries=libraries(),
            complete=complete,
            notes=tuple(self.reading.notes),
            **self.totals,
        )

    def _whole_shards(self) -> ShardCard | None:
        """Count the shards that are there and take half-made ones away; return the last."""
        for part in (self.folder / "shards").glob(".part-*"):
            shutil.rmtree(part)
        last = None
        while (found := read_shard_card(shard_folder(self.folder, self.totals["shards"]))) is not None:
            last = found
            self._count(found)
        return last

    def _count(self, shard: ShardCard) -> None:
        self.totals["shards"] += 1
        for name in _COUNTED:
            self.totals[name] += getattr(shard, name)

    def _go_on(self, before: ShardCard | None) -> Iterator[Progress | None]:
        meter = _Meter(self.recipe)
        if before is not None and before.ended:
            # Read for the notes alone, which stand in no shard.
            for _ in meter.documents(self.reading):
                yield None
            return
        found = windows(
            self.subject,
            meter.documents(self.reading),
            self.recipe.window,
            document=before.next_document if before else 0,
            number=before.next_window if before else 0,
        )
        pending: list[Window] = []
        for window in self._limited(found):
            if pending and sum(len(each.ids) for each in pending) + len(window.ids) > self.recipe.shard:
                yield from self._shard(pending, window, meter)
                pending = []
            pending.append(window)
        if pending:
            yield from self._shard(pending, None, meter)

    def _limited(self, found: Iterator[Window]) -> Iterator[Window]:
        """Yield windows until the wanted number of positions is reached, the last one cut to fit."""
        left = self.recipe.most_tokens - self.totals["positions"] if self.recipe.most_tokens else None
        for window in found:
            if left is None:
                yield window
            elif left > 0:
                yield replace(window, ids=window.ids[:left])
                left -= len(window.ids)
            else:
                return

    def _shard(self, pending: list[Window], following: Window | None, meter: _Meter) -> Iterator[Progress | None]:
        layers = self.recipe.layers
        edges = np.concatenate([[0], np.cumsum([len(window.ids) for window in pending])])
        directions: dict[int, Halves] = {at: np.empty((edges[-1], self.recipe.width), np.float16) for at in layers}
        lengths: dict[int, Floats] = {at: np.empty(edges[-1], np.float32) for at in layers}
        captured = self.totals["positions"]
        for index, found in capture_many(self.subject, [window.ids for window in pending], layers):
            away = found - self.centre[:, None]
            norms = away.norm(dim=-1).clamp_min(1e-12)
            for at, layer in enumerate(layers):
                directions[layer][edges[index] : edges[index + 1]] = (away[at] / norms[at, :, None]).half().numpy()
                lengths[layer][edges[index] : edges[index + 1]] = norms[at].numpy()
            captured += len(away[0])
            yield meter.progress(captured)
        tokens = np.concatenate([np.array(window.ids, np.uint32) for window in pending])
        card = ShardCard(
            contexts=len(pending),
            positions=len(tokens),
            searched=int(searched(self.subject, tokens, edges).sum()),
            documents=sum(window.number == 0 for window in pending),
            next_document=following.ordinal if following else 0,
            next_window=following.number if following else 0,
            ended=following is None,
            sizes={},
        )
        write_shard(self.folder, self.totals["shards"], pending, directions, lengths, card)
        self._count(card)

    def _end(self) -> None:
        if not self.totals["searched"]:
            shutil.rmtree(self.folder)
            raise BadInput(
                "There is nothing to index in these files.",
                " ".join(self.reading.notes) or "A text needs more than eight tokens.",
            )
        write_card(self.folder, self._card(complete=True))


class _Meter:
    """How much of the files has been read, by their bytes."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._done = 0.0
        self._said = 0.0
        self._total = sum(file.bytes for file in recipe.files) or 1

    def documents(self, reading: Reading) -> Iterator[Document]:
        """Yield all documents, file by file."""
        finished = 0
        for file in self._recipe.files:
            # A compressed text is about three times as long as its file.
            squeezed = 3 if file.path.endswith((".xz", ".gz", ".parquet")) else 1
            read = 0
            for document in corpus_texts.documents(Path(file.path), reading):
                read += len(document.text)
                self._done = finished + min(read / squeezed, file.bytes)
                yield document
            finished += file.bytes

    def progress(self, positions: int) -> Progress | None:
        """Return how far the index is, twice a second."""
        if time.monotonic() - self._said < _EVERY:
            return None
        self._said = time.monotonic()
        most = self._recipe.most_tokens
        done, total = (positions, most) if most else (int(self._done), self._total)
        return Progress(min(done, total), total, f"{positions:,} positions captured")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold a folder; raise WorkbenchError where another process is filling it. A killed process lets go of it."""
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise WorkbenchError(f"Another process is filling {folder}.", "Wait until it has ended.") from error
        yield
