"""`open`: tokenise a prompt, run the subject once, capture every layer and position, optionally write on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from backends.base import Lane
from backends.engine import vectors
from backends.engine.subject import Subject
from investigator.errors import BadInput, finite
from investigator.records import Likely, Opened
from investigator.wire import Event, Finished, Open, Progress

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

_NEXT = 10


def lane(engine: WorkbenchEngine, verb: Open) -> Lane:
    """A prompt that is captured already needs no model pass."""
    if verb.token_ids and not verb.continue_tokens and engine.captures.held(verb.subject, verb.token_ids):
        return "fast"
    return "model"


def resolve(engine: WorkbenchEngine, verb: Open) -> Open:
    """Fill in the subject and the exact tokens; raise BadInput where there is nothing to read or too much."""
    name = engine.parts.subject_name(verb.subject)
    subject = engine.parts.subject(name)
    ids = verb.token_ids if verb.token_ids is not None else _encode(subject, verb)
    vectors.check_ids(engine, name, ids)
    if all(id in subject.special_ids for id in ids):
        raise BadInput("The prompt holds only special tokens, so there is nothing to read.", "Type some text.")
    return Open(
        prompt=verb.prompt or subject.decode(ids),
        token_ids=ids,
        subject=name,
        chat=verb.chat,
        continue_tokens=_room(subject, ids, verb.continue_tokens),
        seed=verb.seed,
    )


def _encode(subject: Subject, verb: Open) -> tuple[int, ...]:
    if not verb.prompt:
        raise BadInput("The prompt is empty.", "Type some text.")
    return tuple(subject.encode_chat(verb.prompt) if verb.chat else subject.encode(verb.prompt))


def _room(subject: Subject, ids: tuple[int, ...], wanted: int) -> int:
    """Return how many tokens can be written: at most what the context leaves."""
    if wanted < 0:
        raise BadInput(f"{wanted} tokens cannot be written.", "Ask for 0 or more.")
    if wanted and len(ids) >= subject.context:
        raise BadInput(
            f"The prompt fills the model's context of {subject.context} tokens, so it cannot be continued.",
            "Shorten the prompt.",
        )
    return min(wanted, subject.context - len(ids))


def run(engine: WorkbenchEngine, verb: Open) -> Iterator[Event | None]:
    """Continue token by token where asked, then capture the whole prompt in one pass."""
    subject = engine.parts.subject(verb.subject)
    ids = list(verb.token_ids or ())
    for token in write(subject, ids, verb.continue_tokens, verb.seed):
        ids.append(token)
        yield Progress(done=len(ids) - len(verb.token_ids or ()), total=verb.continue_tokens, message="continuing")
        yield None
    capture = engine.captures.get(subject, tuple(ids))
    yield None
    yield Finished(
        Opened(
            subject=subject.name,
            prompt=verb.prompt,
            tokens=tuple(map(subject.token, ids)),
            layers=subject.layers,
            width=subject.width,
            norms=tuple(map(tuple, capture.residuals.norm(dim=-1).tolist())),
            next=likely(subject, subject.lens(capture.residuals[-1, -1]), _NEXT),
            continued=len(ids) - len(verb.token_ids or ()),
        )
    )


def write(subject: Subject, ids: list[int], count: int, seed: int | None) -> Iterator[int]:
    """Yield at most `count` tokens that the model writes after `ids`, greedily without a seed; stops at end-of-text."""
    generator = torch.Generator().manual_seed(seed) if seed is not None else None
    new, cache = torch.tensor([ids], device=subject.device), None
    for _ in range(count):
        with torch.inference_mode():
            hidden, cache = subject.body(input_ids=new, past_key_values=cache, use_cache=True)
            token = _choose(subject.head(hidden[0, -1]).float().cpu(), generator)
        if token in subject.stop_ids:
            return
        yield token
        new = torch.tensor([[token]], device=subject.device)


def _choose(logits: Tensor, generator: torch.Generator | None) -> int:
    if generator is None:
        return int(logits.argmax())
    return int(torch.multinomial(logits.double().softmax(-1), 1, generator=generator))


def likely(subject: Subject, logits: Tensor, k: int) -> tuple[Likely, ...]:
    """Return the k most probable tokens of logits `[vocabulary]`, with probabilities; raise ScoreError on NaN."""
    best = logits.float().softmax(-1).topk(min(k, len(logits)))
    pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    return tuple(Likely(subject.piece(id), finite(value, "A next-token probability")) for id, value in pairs)
