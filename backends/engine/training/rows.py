"""Token rows for the language model: text and dictionary lines, packed to the context length."""

import random
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from backends.engine.training.dictionary import load_dictionary
from backends.engine.training.dictionary_lines import Line, LineWriter, count_words
from backends.engine.training.folders import Folders, write_atomically
from backends.engine.training.progress import Progress, Stage
from backends.engine.training.recipe import Recipe
from backends.engine.training.splits import read_train
from backends.engine.training.tokenizer import DESCRIBE, load_tokenizer

Rows = NDArray[np.uint16]
_BATCH = 2000
# A line is about this many tokens; more lines than needed are written and the surplus is dropped.
_TOKENS_A_LINE = 17


def encode(tokenizer: PreTrainedTokenizerFast, texts: list[str]) -> list[list[int]]:
    """Token ids of each text, without special tokens."""
    return [item.ids for item in tokenizer.backend_tokenizer.encode_batch_fast(texts, add_special_tokens=False)]


def pack_text(documents: Iterable[list[int]], context: int, bos: int, eos: int, count: int) -> Rows:
    """At most `count` rows: `<|bos|>` and the next context - 1 tokens of the documents, joined by `<|eos|><|bos|>`.

    Every row begins with `<|bos|>`, also inside a document, because the subject is never used without it.
    """
    stream = np.empty(count * (context - 1) + 1, dtype=np.uint16)
    filled = 0
    for ids in documents:
        piece = np.array([*ids, eos, bos], dtype=np.uint16)[: len(stream) - filled]
        stream[filled : filled + len(piece)] = piece
        filled += len(piece)
        if filled == len(stream):
            break
    whole = filled // (context - 1)
    body = stream[: whole * (context - 1)].reshape(whole, context - 1)[:count]
    return np.concatenate([np.full((len(body), 1), bos, dtype=np.uint16), body], axis=1)


def pack_lines(lines: Iterable[list[int]], context: int, pad: int, count: int) -> Rows:
    """At most `count` rows of whole lines (each already with its special tokens), filled up with `<|pad|>`."""
    rows = np.full((count, context), pad, dtype=np.uint16)
    row, column = 0, 0
    for ids in lines:
        if len(ids) > context:
            continue
        if column + len(ids) > context:
            row, column = row + 1, 0
        if row == count:
            break
        rows[row, column : column + len(ids)] = ids
        column += len(ids)
    return rows[: min(count, row + 1)]


def _line_ids(tokenizer: PreTrainedTokenizerFast, lines: list[Line]) -> Iterator[list[int]]:
    bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
    describe = tokenizer.convert_tokens_to_ids(DESCRIBE)
    for start in range(0, len(lines), _BATCH):
        chunk = lines[start : start + _BATCH]
        passages = encode(tokenizer, [line.passage for line in chunk])
        descriptions = encode(tokenizer, [line.description for line in chunk])
        for passage, description in zip(passages, descriptions, strict=True):
            yield [bos, *passage, describe, *description, eos]


def _document_ids(tokenizer: PreTrainedTokenizerFast, texts: list[str]) -> Iterator[list[int]]:
    for start in range(0, len(texts), _BATCH):
        yield from encode(tokenizer, texts[start : start + _BATCH])


def write_training_lines(corpus: Path, texts: list[str], tokens: int, seed: int) -> list[Line]:
    """Shuffled dictionary lines for about `tokens` tokens, half from the dictionary, half from training text."""
    writer = LineWriter(load_dictionary(corpus), count_words(texts), seed)
    wanted = tokens // _TOKENS_A_LINE
    lines = [*writer.from_dictionary(int(0.65 * wanted)), *writer.from_text(texts, wanted // 2)]
    random.Random(f"{seed}/shuffle").shuffle(lines)
    return lines


def run_rows(recipe: Recipe, folders: Folders, *, corpus: Path) -> Stage:
    """Write work/rows.npy, uint16 [rows, context]: text rows and dictionary rows, not yet shuffled."""
    path = folders.work / "rows.npy"
    if path.exists():
        yield Progress(1, 1, "token rows were made before")
        return
    model = recipe.language_model
    tokenizer = load_tokenizer(folders.subject)
    texts = [document.text for document in read_train(folders)]
    total = -(-model.tokens // model.context)
    lines_wanted = int(total * model.dictionary_share)
    yield Progress(0, 2, "encoding text")
    text_rows = pack_text(
        _document_ids(tokenizer, texts),
        model.context,
        tokenizer.bos_token_id,
        tokenizer.eos_token_id,
        total - lines_wanted,
    )
    yield Progress(1, 2, "writing dictionary lines")
    lines = write_training_lines(corpus, texts, lines_wanted * model.context, model.seed)
    line_rows = pack_lines(_line_ids(tokenizer, lines), model.context, tokenizer.pad_token_id, lines_wanted)
    rows = np.concatenate([text_rows, line_rows])
    write_atomically(path, lambda temporary: _save(temporary, rows))
    yield Progress(2, 2, "rows written", {"text_rows": float(len(text_rows)), "line_rows": float(len(line_rows))})


def _save(path: Path, rows: Rows) -> None:
    with path.open("wb") as file:
        np.save(file, rows)


def load_rows(folders: Folders) -> Rows:
    """The training rows, mapped from disk."""
    rows: Rows = np.load(folders.work / "rows.npy", mmap_mode="r")
    return rows
