"""Tiny random workbenches in exactly the released formats, for tests of plumbing and of equality."""

from __future__ import annotations

import json
import lzma
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

TEXT = (
    "The capital of France is Paris. The capital of Germany is Berlin. The fourth president of the United States was "
    "James Madison. Water boils when it is heated; ice melts. references to capital cities, words related to heat, "
    "the word France, numbers and dates, references to presidents, names of animals: cat, dog, horse and bird."
)
LABELS = (
    "references to capital cities",
    "words related to heat",
    "the word France",
    "numbers and dates",
    "references to presidents",
    "names of animals",
)
WIDTH, LAYERS, LATENTS, LAYER = 32, 4, 96, 2
SPECIAL = ["<|bos|>", "<|eos|>", "<|pad|>", "<|describe|>"]
CHAT = (
    "{{ bos_token }}{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant] {% endif %}"
)
FAMILIES = ("llama", "gpt2", "qwen2", "qwen3", "gemma2")


@dataclass(frozen=True)
class Tiny:
    """Where a tiny workbench's parts are."""

    file: Path
    subject: Path
    sae: Path
    labels: Path
    statistics: Path
    layer: int
    family: str

    @property
    def folder(self) -> Path:
        return self.file.parent


def save_tokenizer(folder: Path, *, chat: bool = False, bos: bool = True) -> Any:
    """Write a byte-level BPE tokenizer of a few hundred tokens; `bos` puts BOS in front of every prompt."""
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    raw.train_from_iterator([TEXT] * 4, trainer)
    if bos:
        raw.post_processor = processors.TemplateProcessing(
            single="<|bos|> $A", pair="<|bos|> $A $B", special_tokens=[("<|bos|>", 0)]
        )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=raw,
        bos_token="<|bos|>",
        eos_token="<|eos|>",
        pad_token="<|pad|>",
        additional_special_tokens=["<|describe|>"],
        clean_up_tokenization_spaces=False,
    )
    if chat:
        fast.chat_template = CHAT
    fast.save_pretrained(folder)
    return fast


def config(family: str, vocabulary: int, *, context: int = 64) -> Any:
    """Return a tiny configuration of the family."""
    import transformers

    common: dict[str, Any] = {"vocab_size": vocabulary, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
    if family == "gpt2":
        return transformers.GPT2Config(n_embd=WIDTH, n_layer=LAYERS, n_head=4, n_positions=context, **common)
    common |= {
        "hidden_size": WIDTH,
        "intermediate_size": 2 * WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": context,
        "tie_word_embeddings": True,
    }
    name = {"llama": "Llama", "qwen2": "Qwen2", "qwen3": "Qwen3", "gemma2": "Gemma2"}[family]
    if family == "qwen2":
        common.pop("head_dim")
    return getattr(transformers, f"{name}Config")(**common)


def save_model(folder: Path, family: str, vocabulary: int, *, context: int = 64, seed: int = 0) -> Any:
    """Write a random model; weights are large enough that layers differ."""
    import transformers

    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_config(config(family, vocabulary, context=context))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, 0.15)
    model.save_pretrained(folder)
    return model


def make_subject(
    folder: Path, family: str = "llama", *, chat: bool = False, bos: bool = True, context: int = 64
) -> Path:
    """Write a transformers directory: configuration, weights, fast tokenizer."""
    fast = save_tokenizer(folder, chat=chat, bos=bos)
    save_model(folder, family, len(fast), context=context)
    return folder


def make_sae(
    folder: Path,
    architecture: str = "topk",
    *,
    width: int = WIDTH,
    latents: int = LATENTS,
    layer: int = LAYER,
    seed: int = 0,
    **overrides: Any,
) -> Path:
    """Write a SAELens v6 directory, `cfg.json` and `sae_weights.safetensors`."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(seed)
    decoder = torch.nn.functional.normalize(torch.randn(latents, width, generator=generator), dim=-1)
    weights = {
        "W_enc": decoder.T.contiguous() + 0.02 * torch.randn(width, latents, generator=generator),
        "W_dec": decoder.contiguous(),
        "b_enc": 0.1 * torch.randn(latents, generator=generator),
        "b_dec": 0.05 * torch.randn(width, generator=generator),
    }
    card: dict[str, Any] = {
        "d_in": width,
        "d_sae": latents,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {"hook_name": f"blocks.{layer}.hook_resid_post", "model_name": "tiny", "prepend_bos": True},
        "architecture": architecture,
    }
    if architecture == "topk":
        card |= {"k": 12, "rescale_acts_by_decoder_norm": False}
    if architecture == "jumprelu":
        weights["threshold"] = 0.2 + 0.2 * torch.rand(latents, generator=generator)
    save_file(weights, folder / "sae_weights.safetensors")
    (folder / "cfg.json").write_text(json.dumps(card | overrides))
    return folder


def make_gemma_scope(file: Path, *, width: int = WIDTH, latents: int = LATENTS, seed: int = 0) -> Path:
    """Write a Gemma Scope `params.npz`."""
    random = np.random.default_rng(seed)
    decoder = random.normal(size=(latents, width)).astype(np.float32)
    decoder /= np.linalg.norm(decoder, axis=1, keepdims=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        file,
        W_enc=decoder.T.copy(),
        W_dec=decoder,
        b_enc=np.zeros(latents, np.float32),
        b_dec=np.zeros(width, np.float32),
        threshold=np.full(latents, 0.3, np.float32),
    )
    return file


def label_rows(latents: int = LATENTS, *, layer: int = LAYER) -> list[dict[str, Any]]:
    """Return rows with the fields of a Neuronpedia explanation: two thirds of the latents, one label each."""
    return [
        {
            "id": f"tiny-{latent}",
            "modelId": "tiny",
            "layer": f"{layer}-tiny",
            "index": str(latent),
            "authorId": "tests",
            "description": LABELS[latent % len(LABELS)] if latent % 2 else f"the word number {latent}",
            "typeName": "rule",
            "explanationModelName": "rule",
            "rule": "word",
            "score": 0.5,
            "split": "train",
        }
        for latent in range(latents)
        if latent % 3
    ]


def write_labels(file: Path, rows: list[dict[str, Any]]) -> Path:
    """Write label rows as JSONL."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def make_statistics(
    folder: Path,
    *,
    width: int = WIDTH,
    layers: int = LAYERS,
    latents: int = LATENTS,
    layer: int = LAYER,
    background: int = 512,
    seed: int = 0,
) -> Path:
    """Write `layers.safetensors` and `L{layer}/latents.safetensors` + `contexts.jsonl.xz`, random but well formed."""
    generator = torch.Generator().manual_seed(seed)
    folder.mkdir(parents=True, exist_ok=True)
    points = torch.randn(layers, background, width, generator=generator)
    centred = points - points.mean(1, keepdim=True)
    covariance = centred.transpose(1, 2) @ centred / background
    save_file({"mean": points.mean(1), "covariance": covariance, "background": points}, folder / "layers.safetensors")
    part = folder / f"L{layer}"
    part.mkdir(exist_ok=True)
    edges = torch.linspace(0, 4, 21).expand(latents, 21).contiguous()
    save_file(
        {
            "rate": torch.rand(latents, generator=generator) * 0.02,
            "median": -0.5 * torch.rand(latents, generator=generator),
            "iqr": 0.1 + torch.rand(latents, generator=generator),
            "maximum": 2 + torch.rand(latents, generator=generator),
            "histogram_edges": edges,
            "histogram_counts": torch.randint(0, 50, (latents, 20), generator=generator),
        },
        part / "latents.safetensors",
    )
    with lzma.open(part / "contexts.jsonl.xz", "wt", encoding="utf-8") as lines:
        for latent in range(latents):
            context = {"tokens": [5, 6, 7, 8], "activations": [0.0, 1.5, 0.25, 0.0], "peak": 1, "document": "tiny:0"}
            lines.write(json.dumps({"latent": latent, "contexts": [context]}) + "\n")
    return folder


def make_reader(
    folder: Path, *, subject: Path, form: str = "directional", width: int = WIDTH, layer: int = LAYER
) -> Path:
    """Write an untrained soft-prompt mapper of four slots."""
    from backends.engine.readers.soft_prompt import MapperCard, SoftPromptMapper

    card = MapperCard(form=form, slots=4, width=width, layer=layer, sae="L")  # type: ignore[arg-type]
    SoftPromptMapper(card, embedding_norm=1.0, seed=1).save(folder)
    return folder


def make_workbench(
    folder: Path,
    family: str = "llama",
    *,
    architecture: str = "topk",
    chat: bool = False,
    statistics: bool = True,
    reader: bool = True,
    layer: int = LAYER,
    context: int = 64,
) -> Tiny:
    """Write a whole tiny workbench: a subject called `tiny`, an SAE `L`, labels, statistics and a reader `mapper`."""
    subject = make_subject(folder / "subject", family, chat=chat, context=context)
    sae = make_sae(folder / "saes" / f"L{layer}", architecture, layer=layer)
    labels = write_labels(folder / "labels" / f"L{layer}.jsonl", label_rows(layer=layer))
    lines = [
        'name = "tiny"',
        "[subjects.tiny]",
        'model = "subject"',
        f"layer = {layer}",
        'statistics = "statistics/layers.safetensors"' if statistics else "",
        "[saes.L]",
        'subject = "tiny"',
        f"layer = {layer}",
        f'path = "saes/L{layer}"',
        f'labels = "labels/L{layer}.jsonl"',
        f'statistics = "statistics/L{layer}"' if statistics else "",
    ]
    if statistics:
        make_statistics(folder / "statistics", layer=layer)
    if reader:
        make_reader(folder / "readers" / "mapper", subject=subject, layer=layer)
        lines += ["[readers.mapper]", 'subject = "tiny"', f"layer = {layer}", 'path = "readers/mapper"', 'sae = "L"']
        lines += ["default = true"]
    file = folder / "workbench.toml"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Tiny(file, subject, sae, labels, folder / "statistics", layer, family)


def load_subject(folder: Path, name: str = "tiny") -> Any:
    """Return a Subject straight from a tiny transformers directory."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from backends.engine.subject import Subject

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval().requires_grad_(False)
    return Subject(name, model, AutoTokenizer.from_pretrained(folder))


def make_engine(tiny: Tiny) -> Any:
    """Return a loaded engine on a tiny workbench."""
    from backends.engine.engine import WorkbenchEngine

    engine = WorkbenchEngine(tiny.file)
    engine.load()
    return engine


def ask(engine: Any, verb: Any) -> Any:
    """Resolve and run a verb; return its result."""
    resolved, _ = engine.resolve(verb)
    *_, last = engine.run(resolved)
    return last.result
