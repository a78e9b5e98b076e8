"""Loading a subject with transformers: from a path, from what is already downloaded, or from the hub."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch

from backends.engine import files, fingerprints
from backends.engine.subject import Subject
from investigator.errors import WorkbenchError
from investigator.settings import Backend
from investigator.workbench import SubjectEntry

# Above this share of the free memory, float32 weights leave too little for activations and the reader's batches.
_SHARE_OF_MEMORY = 0.6
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16, "float64": torch.float64}
_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


def pick_device(setting: str) -> torch.device:
    """Return the device of a setting; `auto` is CUDA where there is one, then MPS, then the processor."""
    if setting == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        return torch.empty(0, device=setting).device
    except (RuntimeError, AssertionError) as error:
        raise WorkbenchError(
            f"The device {setting!r} cannot be used: {str(error).splitlines()[0]}", "Set backend.device to auto or cpu."
        ) from error


def pick_dtype(setting: str, device: torch.device, parameters: int) -> torch.dtype:
    """Return the dtype of a setting; `auto` is float32 where it fits the memory, else bfloat16."""
    if setting != "auto":
        if setting not in _DTYPES:
            raise WorkbenchError(f"There is no dtype {setting!r}.", f"Use one of {', '.join(_DTYPES)}.")
        return _DTYPES[setting]
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else files.free_memory()
    return torch.float32 if 4 * parameters <= _SHARE_OF_MEMORY * free else torch.bfloat16


def local_folder(model: str, base: Path) -> Path | None:
    """Return the folder that a workbench's `model` names, None for a hub id; raise WorkbenchError where it is gone."""
    folder = base / Path(model).expanduser()
    if folder.is_dir():
        return folder
    if model.startswith((".", "/", "~")) or not _HUB_ID.fullmatch(model) or "/" not in model:
        raise WorkbenchError(f"There is no model folder {folder}.", "Mend `model` in the workbench, or give a hub id.")
    return None


def hub_folder(id: str, revision: str) -> Path:
    """Return the folder of a hub model, downloaded where it is not on disk; raise WorkbenchError without a network."""
    from huggingface_hub import snapshot_download

    wanted = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja", "*.py"]
    for only_local in (True, False):
        try:
            return Path(
                snapshot_download(id, revision=revision or None, allow_patterns=wanted, local_files_only=only_local)
            )
        except Exception as error:  # the hub's client raises whatever its transport raises
            failure = error
    raise WorkbenchError(
        f"The model {id!r} is not on this machine and cannot be downloaded: {_first_line(failure)}",
        "Check its name and the network (and `hf auth login` for a gated model), or give a folder that holds it.",
    ) from failure


def cached_folder(id: str, revision: str) -> Path:
    """Return the folder of a hub model that is on disk already; raise WorkbenchError where it is not."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(id, revision=revision or None, local_files_only=True))
    except Exception as error:  # as above
        raise WorkbenchError(
            f"The model {id!r} is not on this machine yet.",
            "It is downloaded when the workbench is opened with a network.",
        ) from error


def resolve(entry: SubjectEntry, base: Path) -> tuple[Path, str]:
    """Return the folder of a subject's files and its revision (a commit for hub models, else empty)."""
    local = local_folder(entry.model, base)
    if local is not None:
        return local, entry.revision
    folder = hub_folder(entry.model, entry.revision)
    return folder, folder.name


def load_subject(name: str, entry: SubjectEntry, base: Path, settings: Backend) -> Subject:
    """Load a subject for inference; raise WorkbenchError naming the file or key and what to do."""
    folder, revision = resolve(entry, base)
    headers = [files.header(file) for file in files.weight_files(folder)]
    if not headers:
        raise WorkbenchError(
            f"There are no safetensors weights in {folder}, and no others are loaded: pickles run code.",
            "Convert the model's weights with `save_pretrained` where you would let them run anything, "
            "and give that folder as `model`.",
        )
    device = pick_device(settings.device)
    dtype = pick_dtype(entry.dtype or settings.dtype, device, sum(map(files.parameters, headers)))
    model = load_model(folder, dtype, trust=entry.trust_remote_code).to(device)
    tokenizer = load_tokenizer(folder, trust=entry.trust_remote_code)
    subject = Subject(name, model, tokenizer, revision=revision, fingerprint=fingerprints.of_folder(folder))
    if len(tokenizer) > model.get_input_embeddings().num_embeddings:
        raise WorkbenchError(
            f"The tokenizer in {folder} has {len(tokenizer)} tokens, more than the model's {subject.vocabulary}.",
            "Copy the model and its tokenizer from one release.",
        )
    return subject


def load_model(folder: Path, dtype: torch.dtype, *, trust: bool) -> Any:
    """Load a folder's causal language model for inference; raise WorkbenchError where a tensor is missing."""
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        model, report = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            local_files_only=True,
            trust_remote_code=trust,
            output_loading_info=True,
            use_safetensors=True,
        )
    except Exception as error:  # from_pretrained raises whatever a configuration or its code raises
        raise WorkbenchError(
            f"transformers cannot load the model in {folder}: {_first_line(error)}",
            "Check that the folder is a whole causal language model.",
        ) from error
    # transformers fills what is missing with random numbers, which would answer every question wrongly.
    if report["missing_keys"] or report.get("mismatched_keys"):
        lost = sorted(map(str, [*report["missing_keys"], *report.get("mismatched_keys", ())]))
        raise WorkbenchError(
            f"The weights in {folder} lack {len(lost)} tensors that its config.json names, such as {lost[0]}.",
            "Copy the model's weights and configuration from one release.",
        )
    return model.eval().requires_grad_(False)


def load_tokenizer(folder: Path, *, trust: bool) -> Any:
    """Load a folder's tokenizer; raise WorkbenchError where there is none."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=trust)
    except Exception as error:  # as above
        raise WorkbenchError(
            f"transformers cannot load the tokenizer in {folder}: {_first_line(error)}",
            "Copy the tokenizer's files into the model's folder.",
        ) from error


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__).rstrip(".") + "."
