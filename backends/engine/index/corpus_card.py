"""What a corpus index says of itself: what it was made from and with, and which parts of it are whole."""

from __future__ import annotations

from pathlib import Path

import msgspec

from backends.engine import fingerprints
from backends.engine.training.folders import write_atomically
from investigator.errors import WorkbenchError

CARD = "corpus.json"
SHARD_CARD = "shard.json"
FORMAT = 1
_AGAIN = "Make it again with `investigator index corpus`."


class SourceFile(msgspec.Struct, frozen=True):
    """A file that the texts came from."""

    path: str
    bytes: int
    fingerprint: str


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that decides an index's bytes."""

    format: int = FORMAT
    subject: str
    """Fingerprint of the subject's weights."""
    tokenizer: str
    """Fingerprint of the tokenizer."""
    dtype: str
    """What the subject computed in."""
    width: int
    layers: tuple[int, ...]
    centre: str
    """Fingerprint of the vectors that directions are taken from."""
    window: int
    """Longest context, in tokens."""
    shard: int
    """Most positions of a shard."""
    most_tokens: int
    """Positions after which nothing more is read; 0: none."""
    files: tuple[SourceFile, ...]
    field: str
    whole: bool

    @property
    def fingerprint(self) -> str:
        """Return the fingerprint by which an index is known."""
        return fingerprints.of_text(msgspec.json.encode(self).decode())


class CorpusCard(msgspec.Struct, frozen=True, kw_only=True):
    """`corpus.json` of an index."""

    name: str
    subject: str
    """The subject's name in its workbench."""
    recipe: Recipe
    libraries: dict[str, str]
    complete: bool = False
    shards: int = 0
    contexts: int = 0
    positions: int = 0
    """All positions, special tokens and the first ones of a context included."""
    searched: int = 0
    """Positions that a search looks at."""
    documents: int = 0
    notes: tuple[str, ...] = ()
    """What was left out of the files, one sentence each."""


class ShardCard(msgspec.Struct, frozen=True, kw_only=True):
    """`shard.json`: what a whole shard holds, and where the next one begins."""

    contexts: int
    positions: int
    searched: int
    documents: int
    """Documents that begin in this shard."""
    next_document: int
    """Ordinal, over all files, of the document that the next shard begins with."""
    next_window: int
    """Which of that document's windows the next shard begins with."""
    ended: bool
    """Whether nothing follows."""
    sizes: dict[str, int]
    """Bytes of every file of the shard."""


def write_card(folder: Path, card: CorpusCard) -> None:
    """Replace an index's card in one step."""
    text = msgspec.json.format(msgspec.json.encode(card), indent=1) + b"\n"
    write_atomically(folder / CARD, lambda temporary: _write(temporary, text))


def _write(file: Path, content: bytes) -> None:
    file.write_bytes(content)


def read_card(folder: Path) -> CorpusCard:
    """Read an index's card; raise WorkbenchError where there is none, or it cannot be read."""
    file = folder / CARD
    try:
        card = msgspec.json.decode(file.read_bytes(), type=CorpusCard)
    except (OSError, msgspec.DecodeError) as error:
        raise WorkbenchError(f"{folder} is no corpus index: {file.name} cannot be read ({error}).", _AGAIN) from error
    if card.recipe.format != FORMAT:
        raise WorkbenchError(f"The corpus index {folder} has format {card.recipe.format}, not {FORMAT}.", _AGAIN)
    return card


def shard_folder(folder: Path, number: int) -> Path:
    """Return where a whole shard lies."""
    return folder / "shards" / f"{number:05d}"


def read_shard_card(folder: Path) -> ShardCard | None:
    """Return a shard's card, None where there is no whole shard; raise WorkbenchError where its files are cut short."""
    if not folder.is_dir():
        return None
    try:
        card = msgspec.json.decode((folder / SHARD_CARD).read_bytes(), type=ShardCard)
        sizes = {name: (folder / name).stat().st_size for name in card.sizes}
    except (OSError, msgspec.DecodeError) as error:
        raise WorkbenchError(f"The corpus index's part {folder} cannot be read ({error}).", _AGAIN) from error
    for name, size in card.sizes.items():
        if sizes[name] != size:
            raise WorkbenchError(
                f"{folder / name} is cut short or changed: it has {sizes[name]:,} bytes, not {size:,}.",
                "Delete that shard's folder and everything numbered after it, then run `investigator index corpus` "
                "again: it goes on from there.",
            )
    return card
