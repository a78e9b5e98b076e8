"""Texts drawn from a reader, and how many of them are training labels word for word."""

import numpy as np
import torch
from torch import Tensor

from backends.engine.evaluating.bench import TestBench
from backends.engine.evaluating.bootstrap import interval_over_documents, mean
from investigator.records import Figure

_PLACES, _DRAWS = 100, 5
# L2EL, appendix B.
_TEMPERATURE, _TOP_P, _MOST_TOKENS = 1.0, 0.9, 32


@torch.no_grad()
def draw_texts(bench: TestBench, name: str, residuals: Tensor, draws: int, seed: int) -> list[str]:
    """`draws` texts for each activation [places, width], place by place (L2EL, appendix B)."""
    soft = bench.mapper(name)(residuals.to(bench.device)).repeat_interleave(draws, dim=0)
    torch.manual_seed(seed)
    tokenizer = bench.subject.tokenizer
    written = bench.subject.model.generate(
        inputs_embeds=soft,
        attention_mask=torch.ones(soft.shape[:2], dtype=torch.long, device=soft.device),
        do_sample=True,
        temperature=_TEMPERATURE,
        top_p=_TOP_P,
        top_k=0,
        max_new_tokens=_MOST_TOKENS,
        eos_token_id=bench.subject.eos_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return [text.strip() for text in tokenizer.batch_decode(written, skip_special_tokens=True)]


def verbatim_figure(bench: TestBench, name: str) -> Figure:
    """Share of drawn texts that are labels of the training strings word for word, an interval over documents."""
    seed = bench.recipe.mapper.seed
    places = np.sort(np.random.default_rng(seed).permutation(len(bench.places.documents))[:_PLACES])
    texts = draw_texts(bench, name, bench.places.residuals[places], _DRAWS, seed)
    held = bench.labels.heldout
    known = {text for text, heldout in zip(bench.labels.texts, held, strict=True) if not heldout}
    same = np.array([text in known for text in texts], dtype=np.float64)
    documents = np.repeat(bench.places.documents[places], _DRAWS)
    interval = interval_over_documents(same, documents, mean, seed=seed)
    distinct = len(set(texts))
    return Figure("verbatim_share", mean(same), "share", "", interval, f"{len(texts)} texts, {distinct} distinct")
