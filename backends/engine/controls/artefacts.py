"""What the controls of a reader need to have been measured once: shipped beside the reader, or kept in the cache."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from backends.engine import files, fingerprints
from backends.engine.controls.phrasings import TEMPLATES
from backends.engine.controls.statistics import Floats
from backends.engine.controls.verdicts import Limits
from backends.engine.readers.reader import Reader
from investigator import paths
from investigator.errors import WorkbenchError

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

CARD = "controls.json"
TENSORS = "controls.safetensors"
FORMAT = 1
_COLUMNS = ("edges", "decoys", "ordinary", "best", "best_scores")


class Made(msgspec.Struct, frozen=True):
    """From which parts the artefacts were made: other parts need others."""

    reader: str
    statistics: str
    labels: str
    subject: str
    format: int = FORMAT


class Ranking(msgspec.Struct, frozen=True):
    """How a whole ranking is judged."""

    level: float
    """Largest false discovery rate at which a label is called supported."""
    decoys: int
    supported: float
    """Labels that a decoy's ranking calls supported, on average, judged against all the other decoys."""


class Procedure(msgspec.Struct, frozen=True):
    """The procedure that drew the self-scores."""

    vectors: int
    samples: int
    temperature: float
    top_p: float
    max_tokens: int
    beta: float
    keep: int


class ControlsCard(msgspec.Struct, frozen=True, kw_only=True):
    """`controls.json`."""

    made: Made
    seed: int
    alone: Limits
    """Thresholds of a text as it stands."""
    phrased: Limits
    """Thresholds of the median over the default phrasings."""
    templates: tuple[str, ...] = TEMPLATES
    ranking: Ranking
    drawing: Procedure
    notes: dict[str, str | int | float] = {}


class Artefacts:
    """A reader's thresholds, decoy rankings and self-scores."""

    def __init__(
        self, card: ControlsCard, edges: Floats, decoys: Floats, ordinary: Floats, best: Floats, best_scores: Floats
    ) -> None:
        self.card = card
        self.edges = edges
        """[bins] rising standardised gaps."""
        self.decoys = decoys
        """[bins] how many labels of a decoy's ranking stand at or above each edge, on average."""
        self.ordinary = ordinary
        """[bins] the same for background positions, each label's own mean and spread taken without it."""
        self.best = best
        """[vectors] gap of the best text drawn from each covariance-random vector, under its own vector."""
        self.best_scores = best_scores
        """[vectors] the score of that text."""

    def limits(self, phrasings: int) -> Limits:
        """Return the thresholds of a text that is said in so many ways."""
        return self.card.phrased if phrasings > 1 else self.card.alone

    @cached_property
    def fingerprint(self) -> str:
        """Return what tells these thresholds, decoys and self-scores from others."""
        columns = (self.edges, self.decoys, self.best, self.best_scores)
        numbers = "/".join(fingerprints.of_text(column.astype(np.float32).tobytes().hex()) for column in columns)
        return fingerprints.of_text(msgspec.json.encode(self.card).decode() + numbers)

    def save(self, folder: Path) -> None:
        """Write `controls.safetensors`, then `controls.json`, each in one step."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {name: torch.from_numpy(getattr(self, name).astype(np.float32)) for name in _COLUMNS}
        part = folder / f"{TENSORS}.part"
        save_file(tensors, part)
        part.replace(folder / TENSORS)
        part = folder / f"{CARD}.part"
        part.write_bytes(msgspec.json.format(msgspec.json.encode(self.card), indent=1) + b"\n")
        part.replace(folder / CARD)


def made_from(engine: WorkbenchEngine, reader: Reader) -> Made:
    """Return the fingerprints of the parts behind a reader's controls."""
    return Made(
        reader=reader.fingerprint,
        statistics=engine.parts.layer_statistics(reader.subject.name).fingerprint,
        labels=engine.parts.labels(reader.sae).list_fingerprint if reader.sae else "",
        subject=reader.subject.fingerprint,
    )


def cached(engine: WorkbenchEngine, reader: Reader) -> Path:
    """Return the cache folder of a reader's controls."""
    made = made_from(engine, reader)
    name = fingerprints.of_text("/".join((made.reader, made.statistics, made.labels, made.subject, str(made.format))))
    return paths.cache_folder() / "controls" / name


def read(folder: Path, made: Made) -> Artefacts | None:
    """Read a folder's artefacts; None where it holds none, or those of other parts; raise WorkbenchError if damaged."""
    if not (folder / CARD).is_file() or not (folder / TENSORS).is_file():
        return None
    again = "Build it again with `investigator index controls`."
    try:
        card = msgspec.json.decode((folder / CARD).read_bytes(), type=ControlsCard)
    except (OSError, msgspec.DecodeError) as error:
        raise WorkbenchError(f"{folder / CARD} cannot be read: {error}.", again) from error
    if card.made != made:
        return None
    found = files.tensors(folder / TENSORS)
    return Artefacts(card, *(_column(found, name, folder) for name in _COLUMNS))


def _column(found: dict[str, torch.Tensor], name: str, folder: Path) -> NDArray[np.float64]:
    if name not in found or not bool(torch.isfinite(found[name]).all()):
        raise WorkbenchError(
            f"{folder / TENSORS} lacks {name!r}, or holds NaN there.",
            "Build it again with `investigator index controls`.",
        )
    column: Floats = found[name].double().numpy()
    return column


def artefacts_of(engine: WorkbenchEngine, reader: Reader) -> Artefacts | None:
    """Return a reader's artefacts, shipped or cached; None where there are none that were made from these parts.

    What was found is kept; what was not is looked for again, because a command may build it meanwhile.
    """
    if not engine.workbench.subjects[reader.subject.name].statistics:
        return None
    kept: dict[str, Artefacts] = engine.parts.once("controls read", reader.name, dict)
    if reader.name not in kept:
        made = made_from(engine, reader)
        found = read(reader.folder, made) or read(cached(engine, reader), made)
        if found is None:
            return None
        kept[reader.name] = found
    return kept[reader.name]
