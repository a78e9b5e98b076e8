"""What the tests of `labels`, `explain` and `test` share: a workbench with two readers, and slow references."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

import tiny
from investigator.provenance import Provenance
from investigator.records import Result, Row
from investigator.sources import Residual
from investigator.wire import Event, Finished, Partial, Progress, Verb

PROMPT = "The capital of France is Paris"
SECOND_LAYER = 1


def make_bench(folder: Path, family: str = "llama", **parts: Any) -> tiny.Tiny:
    """Write a tiny workbench with a second reader, of the paper's form, at another layer."""
    bench = tiny.make_workbench(folder, family, **parts)
    tiny.make_reader(folder / "readers" / "paper", subject=bench.subject, form="paper", layer=SECOND_LAYER)
    with bench.file.open("a", encoding="utf-8") as file:
        file.write(f'[readers.paper]\nsubject = "tiny"\nlayer = {SECOND_LAYER}\npath = "readers/paper"\n')
    return bench


def ids_of(engine: Any, prompt: str = PROMPT) -> tuple[int, ...]:
    return tuple(engine.parts.subject().encode(prompt))


def at(engine: Any, position: int = -1, end: int | None = None, layer: int = -1) -> Residual:
    return Residual("", ids_of(engine), layer, position, end)


def ask(engine: Any, verb: Verb) -> tuple[list[Event], Any, Provenance]:
    """Return the events of a question, its result and its provenance."""
    resolved, provenance = engine.resolve(verb)
    events = [event for event in engine.run(resolved) if event is not None]
    assert isinstance(events[-1], Finished)
    assert not any(isinstance(event, Finished) for event in events[:-1])
    result: Result = events[-1].result
    return events, result, provenance


def partial_rows(events: Sequence[Event]) -> list[Row]:
    return [row for event in events if isinstance(event, Partial) for row in event.rows]


def progress(events: Sequence[Event]) -> list[Progress]:
    return [event for event in events if isinstance(event, Progress)]


def slow_soft(bench: tiny.Tiny, h: Tensor, *, reader: str = "mapper") -> Tensor:
    """Map one activation by the formulas, straight from the file, `[slots, d]`."""
    stored = load_file(bench.folder / "readers" / reader / "mapper.safetensors")
    if "matrix" in stored:
        away = h - stored["mean"]
        h = stored["embedding_norm"] * (stored["matrix"] @ (away / away.norm()))
    return torch.stack([gain * h + bias for gain, bias in zip(stored["gamma"], stored["bias"], strict=True)])


def slow_hidden(engine: Any, layer: int = tiny.LAYER, prompt: str = PROMPT) -> Tensor:
    """Return hidden states of one layer from transformers itself, `[positions, d]`."""
    with torch.inference_mode():
        output = engine.parts.subject().model(torch.tensor([ids_of(engine, prompt)]), output_hidden_states=True)
    hidden: Tensor = output.hidden_states[layer + 1][0]
    return hidden


def slow_score(engine: Any, soft: Tensor, text: str) -> float:
    """Return log p(text + end | soft) / tokens from one plain pass and a softmax over everything."""
    subject = engine.parts.subject()
    ids = subject.tokenizer.encode(text, add_special_tokens=False)
    target = torch.tensor([*ids, subject.eos_id])
    with torch.inference_mode():
        embedded = subject.model.get_input_embeddings()(torch.tensor([ids]))
        logits = subject.model(inputs_embeds=torch.cat([soft[None], embedded], 1)).logits[0, len(soft) - 1 :]
    log_p = logits.double().softmax(-1).log()
    return float(log_p[torch.arange(len(target)), target].mean())


def slow_background(engine: Any, bench: tiny.Tiny, text: str, count: int, *, reader: str = "mapper") -> list[float]:
    layer = tiny.LAYER if reader == "mapper" else SECOND_LAYER
    vectors = load_file(bench.statistics / "layers.safetensors")["background"][layer, :count]
    return [slow_score(engine, slow_soft(bench, vector, reader=reader), text) for vector in vectors]
