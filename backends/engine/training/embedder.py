"""The small sentence embedder: a `StaticEmbedding` trained on the corpus and the dictionary in minutes on a processor.

Texts that belong together are pulled together and away from the others of a batch (multiple negatives ranking,
Henderson et al., "Efficient Natural Language Response Suggestion for Smart Reply", arXiv 1705.00652, both ways round).
"""

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from torch import Tensor
from torch.nn import functional

from backends.engine.embedding import CARD, TOKENIZER, WEIGHTS
from backends.engine.training.embedder_pairs import draw_pairs
from backends.engine.training.folders import Folders, write_atomically, write_json
from backends.engine.training.machine import machine
from backends.engine.training.progress import Progress, Stage
from backends.engine.training.recipe import EmbedderRecipe, Recipe

_HELD = 1000
"""Pairs kept out of training, among which the partner must be found."""
_LONGEST = 96
Ids = list[list[int]]


def run_embedder(recipe: Recipe, folders: Folders, *, corpus: Path) -> Stage:
    """Train it into embedder/, once; nothing is resumed, because it takes minutes."""
    figures_file = folders.figures("embedder")
    if figures_file.exists():
        yield Progress(1, 1, "the embedder was trained before")
        return
    settings, start = recipe.embedder, time.monotonic()
    yield Progress(0, 1, "gathering pairs of texts")
    pairs = draw_pairs(folders, corpus, settings.pairs + _HELD, settings.seed)
    held = min(_HELD, len(pairs) // 5)
    yield Progress(0, 1, "training the embedder's tokenizer")
    tokenizer = train_word_pieces([text for pair in pairs for text in pair], settings.vocabulary)
    left, right = (_encode(tokenizer, [pair[side] for pair in pairs]) for side in (0, 1))
    table = new_table(tokenizer.get_vocab_size(), settings)
    optimiser = torch.optim.Adam([table], lr=settings.rate, betas=(0.9, 0.99))
    batches = _batches(len(pairs) - held, settings)
    for step, batch in enumerate(batches):
        optimiser.param_groups[0]["lr"] = settings.rate * (1 - step / len(batches))
        loss = ranking_loss(table, [left[i] for i in batch], [right[i] for i in batch], settings.temperature)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        yield Progress(step, len(batches), "training the embedder", {"loss": float(loss.detach())})
    weights = table.detach().half()
    figures = {
        "retrieval": retrieval(weights.float(), left[-held:], right[-held:]),
        "pairs": float(len(pairs) - held),
        "seconds": round(time.monotonic() - start, 1),
    }
    save_embedder(folders.root / "embedder", tokenizer, weights, f"{recipe.name}-static")
    write_json(figures_file, {"machine": machine("cpu"), "seed": settings.seed, "figures": figures})
    yield Progress(len(batches), len(batches), "embedder trained", figures)


def train_word_pieces(texts: list[str], vocabulary: int) -> Tokenizer:
    """A lower-casing WordPiece tokenizer; what it does not know is left out rather than marked."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=vocabulary, special_tokens=["[UNK]"], show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def _encode(tokenizer: Tokenizer, texts: list[str]) -> Ids:
    # A text of nothing known keeps the unknown token, so that no bag is empty.
    return [one.ids[:_LONGEST] or [0] for one in tokenizer.encode_batch(texts, add_special_tokens=False)]


def new_table(words: int, settings: EmbedderRecipe) -> Tensor:
    """Random vectors of length one, float32 [words, width]."""
    generator = torch.Generator().manual_seed(settings.seed)
    table = functional.normalize(torch.randn(words, settings.width, generator=generator), dim=1)
    return table.requires_grad_(True)


def _batches(count: int, settings: EmbedderRecipe) -> list[np.ndarray]:
    draw, parts = np.random.default_rng(settings.seed), max(1, count // settings.batch)
    return [batch for _ in range(settings.epochs) for batch in np.array_split(draw.permutation(count), parts)]


def embed_bags(table: Tensor, bags: Ids) -> Tensor:
    """Unit means of the words' vectors, [bags, width]."""
    offsets = torch.from_numpy(np.cumsum([0, *map(len, bags[:-1])]))
    flat = torch.tensor([word for bag in bags for word in bag])
    return functional.normalize(functional.embedding_bag(flat, table, offsets, mode="mean"), dim=1)


def ranking_loss(table: Tensor, left: Ids, right: Ids, temperature: float) -> Tensor:
    """Cross-entropy of finding each text's partner among the batch's, both ways, in nats."""
    scores = embed_bags(table, left) @ embed_bags(table, right).T / temperature
    places = torch.arange(len(left))
    return 0.5 * (functional.cross_entropy(scores, places) + functional.cross_entropy(scores.T, places))


@torch.no_grad()
def retrieval(table: Tensor, left: Ids, right: Ids) -> float:
    """Share of texts whose partner is nearest among all partners."""
    scores = embed_bags(table, left) @ embed_bags(table, right).T
    return float((scores.argmax(1) == torch.arange(len(left))).float().mean())


def save_embedder(folder: Path, tokenizer: Tokenizer, weights: Tensor, name: str) -> None:
    """Write a folder that sentence-transformers loads, float16."""
    folder.mkdir(parents=True, exist_ok=True)
    modules: list[dict[str, Any]] = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.StaticEmbedding"}
    ]
    write_atomically(folder / TOKENIZER, lambda path: tokenizer.save(str(path)))
    write_atomically(folder / WEIGHTS, lambda path: save_file({"embedding.weight": weights.contiguous()}, path))
    write_json(folder / "modules.json", modules)
    write_json(folder / "config_sentence_transformers.json", {"similarity_fn_name": "cosine"})
    write_json(folder / CARD, {"name": name, "width": weights.shape[1], "words": len(weights)})
