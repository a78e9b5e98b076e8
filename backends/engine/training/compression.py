"""Bits per byte: how well a model predicts held-out text, comparable across tokenizers."""

import math

import torch
from torch.nn import functional
from transformers import PreTrainedModel, PreTrainedTokenizerBase

_BATCH = 16


def document_bits(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: list[str]
) -> list[tuple[float, int]]:
    """For each text: bits to encode its tokens after `<|bos|>`, and how many UTF-8 bytes those tokens spell.

    A text longer than the model's context counts with its beginning only.
    """
    limit = int(model.config.max_position_embeddings)
    results: list[tuple[float, int]] = []
    for start in range(0, len(texts), _BATCH):
        rows = [
            tokenizer(text, truncation=True, max_length=limit)["input_ids"] for text in texts[start : start + _BATCH]
        ]
        bits = _row_bits(model, rows, int(tokenizer.pad_token_id or 0))
        results += [(value, len(tokenizer.decode(row[1:]).encode())) for value, row in zip(bits, rows, strict=True)]
    return results


@torch.no_grad()
def _row_bits(model: PreTrainedModel, rows: list[list[int]], pad: int) -> list[float]:
    longest = max(map(len, rows))
    ids = torch.tensor([row + [pad] * (longest - len(row)) for row in rows], device=model.device)
    lengths = torch.tensor([len(row) for row in rows], device=model.device)
    logits = model(input_ids=ids, use_cache=False).logits[:, :-1].float()
    nats = functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
    known = torch.arange(1, longest, device=model.device) < lengths[:, None]
    totals: list[float] = ((nats.view(len(rows), -1) * known).sum(1) / math.log(2)).tolist()
    return totals


def bits_per_byte(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> float:
    """Bits of all texts over their bytes."""
    counted = document_bits(model, tokenizer, texts)
    return sum(bits for bits, _ in counted) / sum(count for _, count in counted)
