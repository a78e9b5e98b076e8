"""Which models a walk may run: those on which it agrees with their own attention, measured once a model.

Families differ in ways that no attribute says (positions added to attention logits, states shared between layers,
layers that are no attention at all), so a small trie is scored both ways before the first walk.
"""

from __future__ import annotations

import threading
import weakref
from typing import Any

import torch
from torch import Tensor

from backends.engine.likelihood.attention import Unsupported
from backends.engine.likelihood.model import LanguageModel
from backends.engine.likelihood.pairs import pair_scores
from backends.engine.likelihood.plan import make_plan
from backends.engine.likelihood.states import one_prefix
from backends.engine.likelihood.texts import Ids
from backends.engine.likelihood.walk import Walk

_known: weakref.WeakKeyDictionary[Any, bool] = weakref.WeakKeyDictionary()
_lock = threading.Lock()
_SLOTS = 3
# How far both ways may be apart, in nats a token: rounding is 1e-6 in float32, and a family that packing does not suit
# is whole nats away.
_TOLERANCE = {torch.float32: 1e-3}
_TOLERANCE_BELOW = 0.3


def walks(model: LanguageModel) -> bool:
    """Return whether packed walks give what this model gives one text at a time."""
    with _lock:
        if model.model not in _known:
            _known[model.model] = _agrees(model)
        return _known[model.model]


def _agrees(model: LanguageModel) -> bool:
    first, second, third = (token for token in range(model.eos_id + 1, model.eos_id + 4))
    texts: list[Ids] = [(first, second, third), (first, second, first), (first, third), (second,)]
    vocabulary = int(model.model.config.get_text_config().vocab_size)
    texts = [tuple(token % vocabulary for token in ids) for ids in texts]
    with torch.inference_mode():
        ids = torch.tensor([[second, third, first]], device=model.device) % vocabulary
        soft = model.embed(ids).expand(2, _SLOTS, -1).clone()
        soft[1] *= 0.5
        try:
            found = torch.stack([_walked(model, soft[source, None], texts) for source in range(2)])
        except (Unsupported, RuntimeError, TypeError, KeyError, IndexError, AttributeError, ValueError):
            return False
    expected = pair_scores(model, soft.repeat_interleave(len(texts), 0), texts * 2).view_as(found)
    tolerance = _TOLERANCE.get(model.dtype, _TOLERANCE_BELOW)
    # Both may be NaN where the weights are: then the scores say so, whichever way they are made.
    return bool(((found - expected).abs() <= tolerance).all()) or bool(expected.isnan().all())


def _walked(model: LanguageModel, soft: Tensor, texts: list[Ids]) -> Tensor:
    plan = make_plan(texts, tokens_a_step=64)
    walk = Walk(model, one_prefix(model, soft), plan)
    walk.first()
    for step in plan.steps:
        walk.step(step)
    return walk.scores(torch.arange(len(texts)))[0]
