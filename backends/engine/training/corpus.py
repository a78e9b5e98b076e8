"""Read a folder of packed text: MANIFEST.json beside NAME.txt.xz files of blank-line-separated documents."""

import lzma
from pathlib import Path
from typing import Any

import msgspec

from investigator.errors import InvestigatorError


class CorpusError(InvestigatorError):
    """A corpus folder that is missing, incomplete or not in the expected form."""


class CorpusFile(msgspec.Struct, frozen=True):
    """One file of the manifest; fields beyond these are ignored."""

    name: str
    file: str
    licence: str
    group: str
    bytes: int
    docs: int
    kind: str = ""
    source: Any = None

    @property
    def may_ship(self) -> bool:
        """Whether excerpts may be redistributed with attribution alone (permissive and not share-alike)."""
        return self.group == "permissive" and not self.name.endswith("_SA")


def read_manifest(folder: Path) -> dict[str, CorpusFile]:
    """Files of a corpus folder by name; raises CorpusError when there is no readable manifest."""
    path = folder / "MANIFEST.json"
    try:
        files = msgspec.json.decode(path.read_bytes(), type=list[CorpusFile])
    except OSError as error:
        raise CorpusError(f"There is no readable {path}. Give a corpus folder that holds MANIFEST.json.") from error
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise CorpusError(f"{path} is not a corpus manifest: {error}.") from error
    return {file.name: file for file in files}


def read_documents(folder: Path, file: CorpusFile) -> list[str]:
    """All documents of one file, in order; their index in this list is their address."""
    path = folder / file.file
    try:
        with lzma.open(path, "rt", encoding="utf-8") as text:
            blocks = text.read().split("\n\n")
    except (OSError, lzma.LZMAError, EOFError, UnicodeDecodeError) as error:
        raise CorpusError(f"{path} cannot be read ({error}). Fetch the corpus file again.") from error
    return [block.strip("\n") for block in blocks if block.strip()]
