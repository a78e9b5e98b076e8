"""LoRA adapters of a trained subject: made, checkpointed and written in the format that readers load."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from backends.engine.readers.weights import ADAPTER


def adapted(model: Any, rank: int, seed: int) -> Any:
    """Put fresh adapters on all linear parts of a model; its own weights are frozen."""
    import peft

    torch.manual_seed(seed)
    config = peft.LoraConfig(r=rank, lora_alpha=rank, lora_dropout=0.0, target_modules="all-linear", bias="none")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of peft about transformers, and about GPT-2's transposed weights
        return peft.get_peft_model(model, config)


def factors(model: Any) -> dict[str, Tensor]:
    """The adapters' weights by name."""
    return {name: parameter for name, parameter in model.named_parameters() if "lora_" in name}


def restore(model: Any, stored: dict[str, Tensor]) -> None:
    """Write stored adapter weights back."""
    with torch.no_grad():
        for name, parameter in factors(model).items():
            parameter.copy_(stored[name])


def write_adapter(model: Any, folder: Path, base: str, sidecar: dict[str, Any]) -> None:
    """Write `adapter_config.json`, bfloat16 weights and `nla_meta.yaml`; `base` is what the base is called."""
    if folder.exists():
        shutil.rmtree(folder)
    for config in model.peft_config.values():
        config.base_model_name_or_path = base
        config.inference_mode = True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save_pretrained(str(folder))
    (folder / "README.md").unlink(missing_ok=True)
    file = folder / ADAPTER
    save_file({name: value.bfloat16() for name, value in load_file(file).items()}, file, metadata={"format": "pt"})
    (folder / "nla_meta.yaml").write_bytes(msgspec.yaml.encode(sidecar))
