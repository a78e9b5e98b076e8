"""Label sets: what latents are called, in the format of Neuronpedia's explanation exports."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

import msgspec

from backends.engine import fingerprints
from investigator.errors import WorkbenchError
from investigator.records import LabelNote


class LabelLine(msgspec.Struct, frozen=True):
    """One row of an explanation export, with this project's own extra fields; others are ignored."""

    index: str | int
    """The latent's number; a text in Neuronpedia's exports."""
    description: str | None
    id: str = ""
    modelId: str = ""  # noqa: N815 - the export's own field names
    layer: str = ""
    typeName: str | None = None  # noqa: N815
    explanationModelName: str | None = None  # noqa: N815
    authorId: str | None = None  # noqa: N815
    rule: str | None = None
    """How a rule-made label was made."""
    score: float | None = None
    split: str | None = None
    """`train`, or the name of the part held back from every reader's training."""


class LabelSet:
    """Latents and their labels: identical rows merged, several labels a latent and several latents a label kept."""

    def __init__(self, lines: Iterable[LabelLine]) -> None:
        """Index the rows; those without a description are left out."""
        self.texts: list[str] = []
        """Distinct labels, in the order of their first row."""
        self._latents: dict[str, list[int]] = {}
        self._lines: dict[int, dict[str, LabelLine]] = {}
        for line in lines:
            self._add(line)

    def _add(self, line: LabelLine) -> None:
        text, latent = (line.description or "").strip(), int(line.index)
        if not text or text in self._lines.get(latent, ()):
            return
        if text not in self._latents:
            self.texts.append(text)
        self._latents.setdefault(text, []).append(latent)
        self._lines.setdefault(latent, {})[text] = line

    def latents_of(self, text: str) -> tuple[int, ...]:
        """Return the latents that carry a label; empty for a text that is no label."""
        return tuple(self._latents.get(text, ()))

    def labels_of(self, latent: int) -> tuple[str, ...]:
        """Return a latent's labels; empty for one without."""
        return tuple(self._lines.get(latent, ()))

    def notes_of(self, latent: int) -> tuple[LabelNote, ...]:
        """Return a latent's labels with where they come from."""
        return tuple(_note(text, line) for text, line in self._lines.get(latent, {}).items())

    def split_of(self, text: str) -> str:
        """Return the split that a label's rows name ("train" where they name none)."""
        latents = self._latents.get(text, [])
        return next((self._lines[latent][text].split or "train" for latent in latents), "train")

    def __contains__(self, text: str) -> bool:
        return text in self._latents

    @property
    def labelled(self) -> int:
        """Number of latents with a label."""
        return len(self._lines)

    @property
    def largest(self) -> int:
        """The largest latent number; -1 where there is none."""
        return max(self._lines, default=-1)

    @cached_property
    def fingerprint(self) -> str:
        """Fingerprint of which latent carries which label."""
        pairs = (f"{latent}\t{text}" for latent in sorted(self._lines) for text in self._lines[latent])
        return fingerprints.of_text("\n".join(pairs))

    @cached_property
    def list_fingerprint(self) -> str:
        """Fingerprint of the distinct labels in their order, whatever latents carry them."""
        return fingerprints.of_text("\n".join(self.texts))


def _note(text: str, line: LabelLine) -> LabelNote:
    author = line.explanationModelName or line.authorId or line.typeName or ""
    return LabelNote(text=text, author=author, rule=line.rule or "", score=line.score)


def read(file: Path) -> LabelSet:
    """Read a .jsonl or .jsonl.gz label file; raise WorkbenchError naming the file, the row and what to do."""
    try:
        data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    except (OSError, EOFError) as error:
        raise WorkbenchError(f"The labels {file} cannot be read: {error}.", "Copy the file again.") from error
    return LabelSet(_lines(file, data))


class _Counted(msgspec.Struct, frozen=True):
    index: str | int
    description: str | None


def count(file: Path) -> tuple[int, int]:
    """Return how many latents have a label and how many labels differ, in a tenth of the time of `read`.

    Raises WorkbenchError where the file cannot be read, as `read` does.
    """
    try:
        data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        rows = msgspec.json.Decoder(_Counted).decode_lines(data)
        found = {(int(row.index), text) for row in rows if (text := (row.description or "").strip())}
    except (OSError, EOFError, ValueError, msgspec.DecodeError):
        # Whatever is wrong, the full reader finds it too and names the row.
        labels = read(file)
        return labels.labelled, len(labels.texts)
    return len({latent for latent, _ in found}), len({text for _, text in found})


def _lines(file: Path, data: bytes) -> Iterable[LabelLine]:
    decoder = msgspec.json.Decoder(LabelLine)
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            row = decoder.decode(line)
            int(row.index)
            yield row
        except (msgspec.DecodeError, ValueError) as error:
            raise WorkbenchError(
                f"Row {number} of the labels {file} cannot be read: {error}.",
                'Every row needs the columns "index" (the latent) and "description" (the label).',
            ) from error
