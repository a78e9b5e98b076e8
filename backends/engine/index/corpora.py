"""From a corpus' name to its index: one the workbench names, a folder, one of the user's data, or held-out texts.

The held-out documents that come with a workbench are indexed in the cache when they are first searched.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

from backends.engine.index.corpus_build import Build
from backends.engine.index.corpus_card import CARD, CorpusCard, read_card
from backends.engine.index.corpus_index import CorpusIndex
from backends.engine.index.corpus_job import make_build
from investigator import paths
from investigator.errors import BadInput
from investigator.wire import Progress

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

HELDOUT = "held-out"
"""What the workbench's own held-out documents are called."""
_SPLITS = ("tune.jsonl", "test.jsonl")
# Captured while somebody waits: 60,000 positions take pocket about ten seconds on two cores.
_MOST_TOKENS = 60_000
_MOST_OPERATIONS = 4e12


def chosen(engine: WorkbenchEngine, name: str) -> str:
    """Return a corpus' name, the workbench's first where none is given; raise BadInput where there is none."""
    if name == HELDOUT or (not name and not engine.workbench.corpora):
        _check_heldout(engine)
        return HELDOUT
    name = name or next(iter(engine.workbench.corpora))
    folder_of(engine, name)
    return name


def _check_heldout(engine: WorkbenchEngine) -> None:
    if not _heldout(engine):
        raise BadInput(
            "The workbench has no corpus to search.",
            "Make one with `investigator index corpus FILES... --name NAME` and name it with --corpus.",
        )


def _heldout(engine: WorkbenchEngine) -> list[Path]:
    folder = engine.workbench.heldout
    return [file for name in _SPLITS if folder and (file := engine.parts.path(folder) / name).is_file()]


def folder_of(engine: WorkbenchEngine, name: str) -> Path:
    """Return the folder of an index by the workbench's name for it, its path, or its name among the user's data."""
    if name in engine.workbench.corpora:
        return engine.parts.path(engine.workbench.corpora[name].path)
    own = paths.data_folder() / "corpora"
    for folder in (Path(name).expanduser(), own / name):
        if (folder / CARD).is_file():
            return folder.absolute()
    made = sorted(card.parent.name for card in own.glob(f"*/{CARD}"))
    known = ", ".join([*engine.workbench.corpora, *made, *([HELDOUT] if _heldout(engine) else [])])
    raise BadInput(
        f"There is no corpus index {name!r}.",
        f"There are: {known}." if known else "Make one with `investigator index corpus FILES... --name NAME`.",
    )


def layers_of(engine: WorkbenchEngine, name: str) -> tuple[str, tuple[int, ...]]:
    """Return the subject that a chosen corpus was read by, and the layers that it holds, as the index says it."""
    if name == HELDOUT:
        subject = engine.parts.subject_name()
        return subject, tuple(range(engine.parts.subject(subject).layers))
    card = read_card(folder_of(engine, name))
    return _subject(engine, card), card.recipe.layers


def _subject(engine: WorkbenchEngine, card: CorpusCard) -> str:
    """Return which subject of the workbench an index is of: the one of its name, else the first."""
    if card.subject in engine.workbench.subjects:
        return card.subject
    return engine.parts.subject_name()


def open_corpus(engine: WorkbenchEngine, name: str, layer: int) -> Generator[Progress | None, None, CorpusIndex]:
    """Return an open index that holds a layer, once it is made where it has to be; yields while it is.

    Raises WorkbenchError where it is half-made, cut short or another model's.
    """
    if name == HELDOUT:
        build = heldout(engine, layer)
        if not _is_whole(build.folder):
            yield Progress(0, 0, "indexing the held-out documents, which is done once")
            yield from build.run()
        folder, subject = build.folder, build.subject
    else:
        folder = folder_of(engine, name)
        subject = engine.parts.subject(_subject(engine, read_card(folder)))
    key = f"{folder} {(folder / CARD).stat().st_mtime_ns}"
    return engine.parts.once("corpus", key, lambda: CorpusIndex.open(folder, subject))


def fingerprint(engine: WorkbenchEngine, name: str, layer: int) -> str:
    """Return what a chosen corpus is known by: everything that decides its index's bytes."""
    recipe = heldout(engine, layer).recipe if name == HELDOUT else read_card(folder_of(engine, name)).recipe
    return recipe.fingerprint


def _is_whole(folder: Path) -> bool:
    return (folder / CARD).is_file() and read_card(folder).complete


def heldout(engine: WorkbenchEngine, layer: int) -> Build:
    """Return how the held-out documents are indexed; raise BadInput where the model is too large to do it at once."""
    _check_heldout(engine)
    subject = engine.parts.subject()
    if 2 * subject.parameters * _MOST_TOKENS > _MOST_OPERATIONS:
        raise BadInput(
            f"{subject.name} is too large to read the held-out documents while you wait.",
            f"Do it once: `investigator index corpus {' '.join(map(str, _heldout(engine)))} --name held-out-texts`.",
        )
    folder = paths.cache_folder() / "corpora"
    build = make_build(engine, _heldout(engine), folder, name=HELDOUT, layers=(layer,), most_tokens=_MOST_TOKENS)
    build.folder = folder / build.recipe.fingerprint
    return build
