"""Tiny readers in exactly the released formats, and a slow independent forward pass to hold them against."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import tiny

MARK = "㈎"
AV = "Here is the vector:\n<concept>{injection_char}</concept>\nPlease explain."
AR = "Summary of the following text: <text>{explanation}</text> <summary>"
SLOT = " the"
"""One token of the tiny vocabulary, for oracles' placeholders."""
CONTEXT = 256
Edit = Callable[[Tensor], Tensor]
"""From hidden states `[1, tokens, d]` to the same, injected into."""


def make_bench(folder: Path, family: str = "llama", *, chat: bool = True, **parts: Any) -> tiny.Tiny:
    """Write a tiny workbench whose subject has a chat template and room for prompts."""
    return tiny.make_workbench(folder, family, chat=chat, context=CONTEXT, **parts)


def add_reader(bench: tiny.Tiny, name: str, kind: str, path: str = "", *, layer: int = tiny.LAYER, **more: Any) -> None:
    """Add an entry to the workbench file; `injection` may be a table."""
    lines = [f"[readers.{name}]", 'subject = "tiny"', f"layer = {layer}", f'kind = "{kind}"']
    lines += [f'path = "{path}"'] if path else []
    injection = more.pop("injection", {})
    lines += [f"{key} = {json.dumps(value)}" for key, value in more.items()]
    lines += [f"[readers.{name}.injection]", *(f"{key} = {json.dumps(value)}" for key, value in injection.items())]
    with bench.file.open("a", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def marked_tokenizer(folder: Path, *, mark: str = MARK) -> Any:
    """Write a chat tokenizer that has the marker as one token."""
    fast = tiny.save_tokenizer(folder, chat=True)
    if mark:
        fast.add_tokens([mark])
    fast.save_pretrained(folder)
    return fast


def sidecar(tokenizer: Any, **changes: Any) -> dict[str, Any]:
    """Return a verbalizer's `nla_meta.yaml` as a table, in the style of the second schema."""
    plain = tokenizer(AV.format(injection_char=MARK), add_special_tokens=False)["input_ids"]
    mark = tokenizer.convert_tokens_to_ids(MARK)
    at = plain.index(mark)
    table: dict[str, Any] = {
        "kind": "nla_model",
        "schema_version": 2,
        "role": "av",
        "stage": "rl",
        "base_checkpoint": "tiny/tiny",
        "d_model": tiny.WIDTH,
        "extraction": {"injection_scale": 7.5, "mse_scale": tiny.WIDTH**0.5},
        "tokens": {
            "injection_char": MARK,
            "injection_token_id": mark,
            "injection_left_neighbor_id": plain[at - 1],
            "injection_right_neighbor_id": plain[at + 1],
            "critic_suffix_ids": None,
        },
        "prompt_templates": {"av": AV, "ar": AR},
        "critic": {"extraction_layer_index": tiny.LAYER},
        "extraction_layer_index": tiny.LAYER,
    }
    return table | changes


def write_sidecar(folder: Path, table: dict[str, Any]) -> None:
    """Write a table as `nla_meta.yaml`; JSON is YAML."""
    (folder / "nla_meta.yaml").write_text(json.dumps(table, ensure_ascii=False), encoding="utf-8")


def make_nla(folder: Path, family: str = "llama", **changes: Any) -> Path:
    """Write an NLA verbalizer with whole weights of its own."""
    tokenizer = marked_tokenizer(folder)
    tiny.save_model(folder, family, len(tokenizer), context=CONTEXT, seed=5)
    write_sidecar(folder, sidecar(tokenizer, **changes))
    return folder


def make_adapter(folder: Path, base: Path, *, rank: int = 4, seed: int = 3, **card: Any) -> Path:
    """Write a PEFT adapter of all linear parts of a base, with weights that matter."""
    import peft
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    config = peft.LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of peft about transformers, and about GPT-2's transposed weights
        adapted = peft.get_peft_model(model, config)
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_" in name:
                parameter.normal_(0, 0.3)
    adapted.save_pretrained(str(folder))
    if card:
        file = folder / "adapter_config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | card))
    return folder


def make_oracle(folder: Path, base: Path, **card: Any) -> Path:
    """Write an activation oracle: an adapter with its `ao_config.json`."""
    make_adapter(folder, base)
    table: dict[str, Any] = {
        "schema_version": 1,
        "special_token": SLOT,
        "prefix_template": "Layer: {layer}\\n{special_token} * {num_positions} \\n",
        "hook_onto_layer": 1,
        "steering_coefficient": 1.0,
        "generation_kwargs": {"do_sample": False, "max_new_tokens": 20},
        "load_in_8bit": False,
    }
    (folder / "ao_config.json").write_text(json.dumps(table | card))
    return folder


def merged(base: Path, adapter: Path) -> Any:
    """Return the base with W + (alpha / r) B A written into its weights by hand."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
    card = json.loads((adapter / "adapter_config.json").read_text())
    found = load_file(adapter / "adapter_model.safetensors")
    with torch.no_grad():
        for key, down in found.items():
            if not key.endswith("lora_A.weight"):
                continue
            module = model.get_submodule(key.removeprefix("base_model.model.").removesuffix(".lora_A.weight"))
            change = card["lora_alpha"] / card["r"] * (found[key.replace("lora_A", "lora_B")] @ down)
            module.weight += (
                change.T if module.weight.shape != change.shape or type(module).__name__ == "Conv1D" else change
            )
    return model


def plain_model(folder: Path) -> Any:
    """Return a fresh model of a folder."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def blocks(model: Any) -> Any:
    """Return a tiny model's list of blocks."""
    return model.transformer.h if hasattr(model, "transformer") else model.model.layers


def slow_score(
    model: Any, before: Sequence[int], text: Sequence[int], end: int, edit: Edit, where: tuple[str, int]
) -> float:
    """Return the mean log p of a text and its end after `before`, in one plain pass with hooks of its own.

    `where` is ("embedding", 0), ("in", block) or ("out", block); `edit` sees the hidden states there.
    """
    ids = torch.tensor([[*before, *text]])
    site, number = where
    module = model.get_input_embeddings() if site == "embedding" else blocks(model)[number]

    def out(_module: Any, _args: Any, output: Any) -> Any:
        if isinstance(output, tuple):
            return (edit(output[0]), *output[1:])
        return edit(output)

    def into(_module: Any, args: Any, kwargs: Any) -> Any:
        if args:
            return (edit(args[0]), *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": edit(kwargs["hidden_states"])}

    hook = (
        module.register_forward_pre_hook(into, with_kwargs=True) if site == "in" else module.register_forward_hook(out)
    )
    with torch.no_grad():
        logits = model(input_ids=ids, use_cache=False).logits[0].double()
    hook.remove()
    logs = logits.log_softmax(-1)
    targets = [*text, end]
    first = len(before) - 1
    return float(sum(logs[first + i, token] for i, token in enumerate(targets)) / len(targets))


def put(positions: Sequence[int], make: Callable[[Tensor], Tensor]) -> Edit:
    """Return an edit that replaces each of some positions by what `make` makes of it."""

    def edit(hidden: Tensor) -> Tensor:
        hidden = hidden.clone()
        for position in positions:
            hidden[0, position] = make(hidden[0, position])
        return hidden

    return edit


def make_reconstructor(folder: Path, family: str = "llama", *, layer: int = tiny.LAYER, **changes: Any) -> Path:
    """Write an NLA reconstructor: blocks 0..layer, no final norm, no head, and `value_head.safetensors`."""
    tokenizer = marked_tokenizer(folder)
    model = tiny.save_model(folder, family, len(tokenizer), context=CONTEXT, seed=6)
    weights = {
        key: value.contiguous()
        for key, value in model.state_dict().items()
        if not key.startswith("lm_head") and ".ln_f" not in key and not key.startswith("model.norm")
        and not any(f".{number}." in key for number in range(layer + 1, tiny.LAYERS))
    }  # fmt: skip
    for file in folder.glob("*.safetensors"):
        file.unlink()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    card = json.loads((folder / "config.json").read_text())
    card["n_layer" if family == "gpt2" else "num_hidden_layers"] = layer + 1
    if "layer_types" in card:
        card["layer_types"] = card["layer_types"][: layer + 1]
    (folder / "config.json").write_text(json.dumps(card))
    generator = torch.Generator().manual_seed(8)
    head = torch.eye(tiny.WIDTH) + 0.1 * torch.randn(tiny.WIDTH, tiny.WIDTH, generator=generator)
    save_file({"weight": head}, folder / "value_head.safetensors")
    table = sidecar(tokenizer, role="ar", **changes)
    table["extraction"] = {"injection_scale": None, "mse_scale": tiny.WIDTH**0.5}
    suffix = tokenizer(AR.format(explanation="@@").split("@@")[1], add_special_tokens=False)["input_ids"]
    table["tokens"] = table["tokens"] | {"critic_suffix_ids": suffix[-3:]}
    write_sidecar(folder, table)
    return folder
