"""A tiny workbench of two models of different families, widths and tokenizers, with a map between them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

import tiny
from investigator.records import Figure
from investigator.wire import Progress, Work

WIDTH, LAYERS, LAYER = 24, 3, 1
OTHER_TEXT = "Whales surfaced near the harbour of Lisbon while gulls cried over nets and boats, and the sun set slowly."
SUBJECTS = ("The cat", "A sailor", "My brother", "The old king", "Nobody", "Every dog", "The river", "A small bird")
VERBS = ("saw the capital", "found the harbour", "left the city", "crossed the bridge", "sang to the moon")
ENDS = ("before dawn.", "in the rain.", "with a lamp.")


def sentences(count: int = 90) -> list[str]:
    """Return distinct short sentences."""
    found = [f"{who} {did} {when}" for who in SUBJECTS for did in VERBS for when in ENDS]
    return found[:count]


def save_tokenizer(folder: Path) -> Any:
    """Write a byte-level tokenizer of other merges, without BOS in front."""
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=330,
        special_tokens=["<|end|>", "<|pad|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator([OTHER_TEXT] * 4, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=raw, eos_token="<|end|>", pad_token="<|pad|>", clean_up_tokenization_spaces=False
    )
    fast.save_pretrained(folder)
    return fast


def make_other(folder: Path, seed: int = 3) -> Path:
    """Write a GPT-2-shaped model of another width."""
    import transformers

    fast = save_tokenizer(folder)
    torch.manual_seed(seed)
    config = transformers.GPT2Config(
        vocab_size=len(fast), n_embd=WIDTH, n_layer=LAYERS, n_head=4, n_positions=192, bos_token_id=0, eos_token_id=0
    )
    model = transformers.AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, 0.15)
    model.save_pretrained(folder)
    return folder


def make_bench(folder: Path) -> tiny.Tiny:
    """Write `tiny` (Llama-shaped) and `other` (GPT-2-shaped), each with a reader, and documents of sentences."""
    bench = tiny.make_workbench(folder)
    other = make_other(folder / "other")
    tiny.make_sae(folder / "saes" / "other", width=WIDTH, layer=LAYER, seed=5)
    tiny.write_labels(folder / "labels" / "other.jsonl", tiny.label_rows(layer=LAYER))
    tiny.make_statistics(folder / "other-statistics", width=WIDTH, layers=LAYERS, layer=LAYER, seed=5)
    tiny.make_reader(folder / "readers" / "there", subject=other, width=WIDTH, layer=LAYER)
    held = folder / "heldout"
    held.mkdir()
    lines = [json.dumps({"text": " ".join(sentences()[at : at + 10])}) for at in range(0, 90, 10)]
    for name in ("tune.jsonl", "test.jsonl"):
        (held / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    text = bench.file.read_text(encoding="utf-8").replace('name = "tiny"\n', 'name = "tiny"\nheldout = "heldout"\n')
    bench.file.write_text(text + _OTHER, encoding="utf-8")
    return bench


_OTHER = f"""
[subjects.other]
model = "other"
layer = {LAYER}
statistics = "other-statistics/layers.safetensors"
[saes.O]
subject = "other"
layer = {LAYER}
path = "saes/other"
labels = "labels/other.jsonl"
statistics = "other-statistics/L{LAYER}"
[readers.there]
subject = "other"
layer = {LAYER}
path = "readers/there"
sae = "O"
default = true
"""


def fit(bench: tiny.Tiny, files: tuple[str, ...] = (), **given: Any) -> tuple[dict[str, Figure], str, list[Progress]]:
    """Fit a map as the child does, into the folder `map`; return figures, what it says, and its progress."""
    from backends.engine.crossmodel.work import build

    arguments = {
        "workbench": str(bench.file),
        "source": "tiny:2",
        "target": "other:1",
        "kind": "ridge",
        "penalty": 1.0,
        "heldout": 0.2,
        "seed": 0,
        "sentences": 90,
        "out": str(bench.folder / "map"),
        "washout": "",
        "all_pairs": False,
        "device": "cpu",
        "dtype": "float32",
    } | given
    figures: dict[str, Figure] = {}
    said, steps = "", []
    for step in build(Work("train map", arguments, files)):
        match step:
            case Figure():
                figures[step.name] = step
            case str():
                said = step
            case Progress():
                steps.append(step)
    return figures, said, steps


def add_map(bench: tiny.Tiny, name: str = "there", path: str = "map") -> None:
    """Name a map in the workbench file."""
    with bench.file.open("a", encoding="utf-8") as file:
        file.write(f'[maps.{name}]\npath = "{path}"\n')


def make_mapped_bench(folder: Path) -> tiny.Tiny:
    """Return the bench with its map fitted and named."""
    bench = make_bench(folder)
    fit(bench)
    add_map(bench)
    return bench
