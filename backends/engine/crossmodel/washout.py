"""Background washout: a direction mixed with what the target model is used to seeing (cross-model NLA, background)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path

from torch import Tensor

from backends.engine import fingerprints
from backends.engine.crossmodel.card import Background
from backends.engine.subject import Subject
from investigator.errors import BadInput

_SMALLEST = 1e-12


def sentences_file() -> Path:
    """Return the file of the 100 bundled sentences, in several languages and styles."""
    return Path(str(resources.files("backends"))) / "pocket" / "heldout" / "washout.txt"


def read_sentences(file: Path | None = None) -> tuple[str, ...]:
    """Return the sentences of a file, one a line; raise BadInput where it cannot be read or holds none."""
    file = file or sentences_file()
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"The washout sentences {file} cannot be read: {error}.", "Name a UTF-8 text file.") from error
    found = tuple(line.strip() for line in lines if line.strip())
    if not found:
        raise BadInput(f"{file} holds no sentence.", "Write one a line.")
    return found


def unit(vectors: Tensor) -> Tensor:
    """Return vectors `[.., d]` at length 1; zero stays zero."""
    found: Tensor = vectors / vectors.norm(dim=-1, keepdim=True).clamp_min(_SMALLEST)
    return found


def backgrounds(subject: Subject, sentences: Sequence[str]) -> Iterator[int | Tensor]:
    """Yield the number of sentences read, then `[layers, d]`: the mean of unit last-token activations per layer."""
    total: Tensor | None = None
    for count, sentence in enumerate(sentences, 1):
        ids = subject.encode(sentence)[: subject.context]
        if not ids:
            raise BadInput(f"{subject.name} has no token for the sentence {sentence!r}.", "Take it out of the file.")
        last = unit(subject.capture(ids)[:, -1])
        total = last if total is None else total + last
        yield count
    assert total is not None
    yield total / len(sentences)


def facts(background: Tensor, sentences: Sequence[str]) -> Background:
    """Return what a card says of a background `[d]`."""
    digest = fingerprints.of_text("\n".join(sentences))
    return Background(sentences=len(sentences), digest=digest, norm=float(background.norm()))


def washed(direction: Tensor, background: Tensor, weight: float) -> Tensor:
    """Return unit((1 - w) d + w b) at the length of the direction `[d]`, with d the unit direction.

    A weight of 0 leaves the direction as it is, one of 1 leaves nothing of it.
    """
    if weight == 0:
        return direction
    mixed: Tensor = unit((1 - weight) * unit(direction) + weight * background) * direction.norm()
    return mixed
