"""Split a corpus into train, tune and test by document, near-duplicates together, before anything is trained."""

import random
from collections.abc import Generator
from pathlib import Path
from typing import Any

import msgspec

from backends.engine.training.corpus import CorpusFile, read_documents, read_manifest
from backends.engine.training.folders import Folders, read_lines, write_atomically, write_lines
from backends.engine.training.neighbours import group_near_duplicates, sketch
from backends.engine.training.progress import Progress, Stage
from backends.engine.training.recipe import CorpusRecipe, Recipe


class Document(msgspec.Struct, frozen=True):
    """One document of the corpus and where it stands there."""

    file: str
    index: int
    text: str


def sample_documents(documents: list[str], file: CorpusFile, megabytes: float, seed: int) -> list[Document]:
    """A seeded sample of one file, about `megabytes` of UTF-8 text (all of it when the file is smaller)."""
    order = list(range(len(documents)))
    random.Random(f"{seed}/{file.name}").shuffle(order)
    chosen, size = [], 0.0
    for index in order:
        if size >= megabytes * 1e6:
            break
        size += len(documents[index].encode())
        chosen.append(Document(file=file.name, index=index, text=documents[index]))
    return chosen


def excerpt(text: str, limit: int) -> str:
    """The beginning of a document, at most `limit` bytes, cut after a sentence where one ends in its later half."""
    cut = text.encode()[:limit].decode(errors="ignore")
    if len(cut) == len(text):
        return text
    end = max(cut.rfind(mark) for mark in (". ", ".\n", "? ", "! ", "\n"))
    return cut[: end + 1].rstrip() if end > len(cut) // 2 else cut.rsplit(" ", 1)[0]


def choose_heldout(
    documents: list[Document], groups: list[int], files: dict[str, CorpusFile], recipe: CorpusRecipe
) -> dict[str, list[int]]:
    """Places of the documents held out as "tune" and "test", one a group, mixed by the recipe's weights."""
    draw = random.Random(f"{recipe.seed}/heldout")
    wanted = {"tune": recipe.tune_documents, "test": recipe.test_documents}
    places: dict[str, list[int]] = {"tune": [], "test": []}
    total = sum(recipe.heldout.values())
    used: set[int] = set()
    for name, weight in recipe.heldout.items():
        candidates = [
            place
            for place, document in enumerate(documents)
            if document.file == name and files[name].may_ship and len(document.text) >= 200
        ]
        draw.shuffle(candidates)
        fresh = iter(candidates)
        for split, count in wanted.items():
            quota = round(count * weight / total)
            while quota > 0 and (place := next(fresh, None)) is not None:
                if groups[place] not in used:
                    used.add(groups[place])
                    places[split].append(place)
                    quota -= 1
    return places


def _heldout_row(document: Document, files: dict[str, CorpusFile], limit: int) -> dict[str, Any]:
    return {
        "text": excerpt(document.text, limit),
        "file": document.file,
        "index": document.index,
        "licence": files[document.file].licence,
    }


def _sample_all(recipe: CorpusRecipe, corpus: Path) -> Generator[Progress, None, list[Document]]:
    documents: list[Document] = []
    manifest = read_manifest(corpus)
    for done, (name, megabytes) in enumerate(recipe.megabytes.items()):
        yield Progress(done, len(recipe.megabytes), f"reading {name}")
        documents += sample_documents(read_documents(corpus, manifest[name]), manifest[name], megabytes, recipe.seed)
    return documents


def run_splits(recipe: Recipe, folders: Folders, *, corpus: Path) -> Stage:
    """Write heldout/tune.jsonl, heldout/test.jsonl and work/splits/train.jsonl; nothing is done when they exist."""
    train = folders.splits / "train.jsonl"
    if train.exists():
        yield Progress(1, 1, "splits were made before")
        return
    documents = yield from _sample_all(recipe.corpus, corpus)
    settings = recipe.corpus
    yield Progress(1, 3, f"grouping near-duplicates of {len(documents)} documents")
    sketches = [sketch(document.text, settings.shingle_words, settings.sketch_size) for document in documents]
    groups = group_near_duplicates(sketches, settings.shared_sketches).tolist()
    files = read_manifest(corpus)
    places = choose_heldout(documents, groups, files, settings)
    limits = {"tune": settings.tune_bytes, "test": settings.test_bytes}
    for split, chosen in places.items():
        rows = [_heldout_row(documents[place], files, limits[split]) for place in chosen]
        write_lines(folders.heldout(split), rows)
    yield Progress(2, 3, "writing the training split")
    held = {groups[place] for chosen in places.values() for place in chosen}
    kept = [document for document, group in zip(documents, groups, strict=True) if group not in held]
    random.Random(f"{settings.seed}/order").shuffle(kept)
    encoder = msgspec.json.Encoder()
    write_atomically(train, lambda path: _write_documents(path, encoder.encode_lines(kept)))
    figures = {f"{split}_documents": float(len(chosen)) for split, chosen in places.items()}
    yield Progress(3, 3, "splits made", {**figures, "train_documents": float(len(kept))})


def _write_documents(path: Path, lines: bytes) -> None:
    path.write_bytes(lines)


def read_train(folders: Folders) -> list[Document]:
    """The documents of the training split, in their shuffled order."""
    lines = (folders.splits / "train.jsonl").read_bytes().splitlines()
    decoder = msgspec.json.Decoder(Document)
    return [decoder.decode(line) for line in lines]


def read_heldout(folders: Folders, split: str) -> list[str]:
    """Texts of the held-out documents of a split ("tune" or "test")."""
    return [str(row["text"]) for row in read_lines(folders.heldout(split))]
