"""The gradient of every text's score with respect to a mapper's input, many texts at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import DynamicCache

from backends.engine.index.anchor import Anchor
from backends.engine.likelihood import Ids, LanguageModel, PrefixStates, tokens_a_step
from backends.engine.likelihood.memory import fewer
from backends.engine.likelihood.states import make_cache, states_of
from backends.engine.readers.soft_prompt import SoftPromptMapper


def text_gradients(
    model: LanguageModel, mapper: SoftPromptMapper, anchor: Anchor, texts: Sequence[Ids]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield, after each model step, indices of texts `[k]` and their gradients `[k, d]`, float32 on the CPU.

    What is differentiated is log p(text + end) / tokens, in nats. `model` may compute in a lower precision than the
    anchor's states. A gradient that is not finite is yielded as it is. Where memory is short, batches are halved;
    raises ScoreError where it is short even for one text.
    """
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    room, most = tokens_a_step(model), len(texts)
    while order:
        batch = _take(order, texts, room)[:most]
        try:
            found = _gradients(model, mapper, anchor, [texts[index] for index in batch])
        except (MemoryError, RuntimeError) as error:
            most = fewer(error, len(batch))
            continue
        del order[: len(batch)]
        yield torch.tensor(batch), found


def _take(order: list[int], texts: Sequence[Ids], room: int) -> list[int]:
    """Return the first indices whose padded batch fits the room, at least one."""
    taken = 1
    while taken < len(order) and (taken + 1) * (len(texts[order[taken]]) + 1) <= room:
        taken += 1
    return order[:taken]


def _gradients(model: LanguageModel, mapper: SoftPromptMapper, anchor: Anchor, texts: list[Ids]) -> Tensor:
    # The fused kernel's backward pass takes ten times its forward pass in bfloat16 on a processor.
    with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
        if anchor.jacobian is None:
            inputs = anchor.input.to(model.device).expand(len(texts), -1).clone().requires_grad_()
            soft = mapper.prompts(inputs).to(model.dtype)
            hidden, cache = model.body(inputs_embeds=soft, past_key_values=DynamicCache(), use_cache=True)
            states = PrefixStates(states_of(cache), hidden[:, -1], soft.shape[1])
            (gradient,) = torch.autograd.grad(_scores(model, states, texts).sum(), [inputs])
            return gradient.float().cpu()
        states = _leaves(model, anchor.states, len(texts))
        leaves = [part for pair in states.layers for part in pair] + [states.last]
        found = torch.autograd.grad(_scores(model, states, texts).sum(), leaves, materialize_grads=True)
    flat = torch.cat([part.reshape(len(texts), -1) for part in found], dim=1)
    return (flat @ anchor.jacobian.to(flat.dtype).T).float().cpu()


def _leaves(model: LanguageModel, states: PrefixStates, rows: int) -> PrefixStates:
    """Return the anchor's states, one copy a text, each to be differentiated by."""

    def leaf(part: Tensor) -> Tensor:
        return part.to(model.dtype).expand(rows, *part.shape[1:]).clone().requires_grad_()

    return PrefixStates(
        tuple((leaf(keys), leaf(values)) for keys, values in states.layers), leaf(states.last), states.slots
    )


def _scores(model: LanguageModel, states: PrefixStates, texts: list[Ids]) -> Tensor:
    """Return log p / tokens `[texts]` with its graph; texts are padded on the right, where nothing is read."""
    longest, rows = max(map(len, texts)), len(texts)
    padded = [[*text, *([model.eos_id] * (longest - len(text)))] for text in texts]
    ids = torch.tensor(padded, device=model.device)
    lengths = torch.tensor([len(text) + 1 for text in texts], device=model.device)
    positions = torch.arange(states.slots, states.slots + longest, device=model.device).expand(rows, -1)
    cache = make_cache(states.layers)
    hidden, _ = model.body(input_ids=ids, position_ids=positions, past_key_values=cache, use_cache=True)
    read = torch.arange(longest + 1, device=model.device) < lengths[:, None]
    targets = functional.pad(ids, (0, 1), value=model.eos_id)[read]
    logits = model.head(torch.cat([states.last[:, None], hidden], dim=1)[read])
    values = -functional.cross_entropy(logits.float(), targets, reduction="none")
    sums = torch.zeros(rows, device=model.device).index_add(0, read.nonzero()[:, 0], values)
    return sums / lengths
