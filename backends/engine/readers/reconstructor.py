"""The reconstructor (AR): from a text back to the activation that it describes (formats.md, section 1.6).

Blocks 0..K of the subject's architecture, no final norm, read at the last token through a linear head without bias:
whole weights, a PEFT adapter with a head, or the LoRA-and-head file of `ar_meta.json`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from backends.engine import files, fingerprints, loading
from backends.engine.likelihood import tokens_a_step
from backends.engine.readers.sidecar import Sidecar, read_sidecar
from backends.engine.readers.speakers import sharing_copy
from backends.engine.readers.truncated import truncate
from backends.engine.readers.weights import folder_of, is_adapter, needed
from backends.engine.subject import Subject
from investigator.errors import BadInput, ScoreError, WorkbenchError
from investigator.workbench import ReaderEntry

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

HEAD = "value_head.safetensors"
LORA, LORA_CARD = "ar_lora_value_head.safetensors", "ar_meta.json"
_AGAIN = "Copy the reconstructor's directory again."
_TEMPLATE = "Summary of the following text: <text>{explanation}</text> <summary>"


@dataclass(frozen=True)
class Reconstructor:
    """A loaded reconstructor."""

    folder: Path
    body: Subject
    """Its blocks; no final norm."""
    head: Tensor
    """`[d, d]` float32."""
    template: str
    suffix: tuple[int, ...]
    fingerprint: str

    def prompt(self, text: str) -> list[int]:
        """Return a text's tokens in the prompt, with BOS where the tokenizer adds one.

        Raises ScoreError where it is too long, or the prompt does not end as in training.
        """
        ids: list[int] = self.body.tokenizer(self.template.replace("{explanation}", text.strip()))["input_ids"]
        if len(ids) > self.body.context:
            raise ScoreError(
                f"The text has {len(ids)} tokens in the reconstructor's prompt, and it reads {self.body.context}.",
                "Shorten it.",
            )
        if self.suffix and tuple(ids[-len(self.suffix) :]) != self.suffix:
            raise ScoreError(
                f"The reconstructor's prompt ends in tokens {ids[-len(self.suffix) :]}, not in {list(self.suffix)}.",
                "Use the tokenizer that it was trained with.",
            )
        return ids

    def reconstruct(self, texts: Sequence[str]) -> Iterator[tuple[list[int], Tensor]]:
        """Yield indices and reconstructed vectors `[n, d]` float32, after each model step; lengths mean nothing.

        Raises ScoreError where a text does not fit.
        """
        prompts = [self.prompt(text) for text in texts]
        order = sorted(range(len(texts)), key=lambda i: len(prompts[i]))
        room = tokens_a_step(self.body)
        while order:
            taken = 1
            while taken < len(order) and (taken + 1) * len(prompts[order[taken]]) <= room:
                taken += 1
            batch, order = order[:taken], order[taken:]
            yield batch, self._vectors([prompts[i] for i in batch])

    def _vectors(self, prompts: list[list[int]]) -> Tensor:
        longest = max(map(len, prompts))
        ids = torch.tensor([[*prompt, *([0] * (longest - len(prompt)))] for prompt in prompts], device=self.body.device)
        lengths = torch.tensor([len(prompt) for prompt in prompts], device=self.body.device)
        mask = torch.arange(longest, device=self.body.device) < lengths[:, None]
        with torch.inference_mode():
            hidden, _ = self.body.body(input_ids=ids, attention_mask=mask.long())
            last = hidden[torch.arange(len(prompts), device=self.body.device), lengths - 1].float()
            return (last @ self.head.to(last).T).cpu()


def reconstructor_of(engine: WorkbenchEngine, reader: str) -> Reconstructor | None:
    """Return a reader's reconstructor, loaded once; None where its entry names none."""
    entry = engine.parts.reader_entry(reader)
    if not entry.reconstructor:
        return None
    folder = folder_of(entry.reconstructor, entry.revision, engine.folder)
    key = f"{folder.resolve()} {entry.base} {entry.dtype}"
    return engine.parts.once("reconstructor", key, lambda: _load(engine, reader, entry, folder))


def _load(engine: WorkbenchEngine, reader: str, entry: ReaderEntry, folder: Path) -> Reconstructor:
    subject = engine.parts.subject(entry.subject)
    easy = (folder / LORA_CARD).is_file()
    sidecar = read_sidecar(folder)
    _check(reader, entry, sidecar, subject)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if easy:
            body, head = _lora_file(engine, entry, folder, sidecar, subject)
        elif is_adapter(folder):
            body, head = _adapter(engine, entry, folder, sidecar, subject), _head(folder, subject.width)
        else:
            body, head = _whole(engine, entry, folder, subject), _head(folder, subject.width)
    template = sidecar.reconstructor or _TEMPLATE
    if "{explanation}" not in template:
        raise WorkbenchError(f"The prompt of the reconstructor in {folder} has no {{explanation}}.", _AGAIN)
    return Reconstructor(folder, body, head, template, sidecar.suffix, fingerprints.of_folder(folder))


def _check(reader: str, entry: ReaderEntry, sidecar: Sidecar, subject: Subject) -> None:
    where = f"The reconstructor of {reader}"
    if sidecar.role != "ar":
        raise WorkbenchError(f"{where} is a verbalizer: its sidecar says role av.", "Name the AR's directory.")
    if sidecar.width != subject.width:
        raise WorkbenchError(
            f"{where} gives vectors of width {sidecar.width}, but {subject.name} has width {subject.width}.",
            f"Give [readers.{reader}] a reconstructor of this model.",
        )
    if sidecar.layer not in (-1, entry.layer):
        raise WorkbenchError(
            f"{where} was trained on layer {sidecar.layer}, but the reader reads layer {entry.layer}.",
            f"Give [readers.{reader}] a reconstructor of layer {entry.layer}.",
        )
    if sidecar.subject and subject.fingerprint and sidecar.subject != subject.fingerprint:
        raise WorkbenchError(
            f"{where} was trained on another model than {subject.name} is.",
            "Train it anew with `investigator train reconstructor`.",
        )


def _head(folder: Path, width: int) -> Tensor:
    weight: Tensor | None = files.tensors(folder / HEAD).get("weight")
    return _checked(weight, folder / HEAD, width)


def _checked(weight: Tensor | None, file: Path, width: int) -> Tensor:
    if weight is None or tuple(weight.shape) != (width, width):
        raise WorkbenchError(f"{file} holds no head of {width} x {width}.", _AGAIN)
    return weight.float()


def _whole(engine: WorkbenchEngine, entry: ReaderEntry, folder: Path, subject: Subject) -> Subject:
    """Load a released directory: it has K+1 blocks already, and neither final norm nor language-model head."""
    from transformers import AutoModelForCausalLM

    settings = engine.settings.backend
    device = loading.pick_device(settings.device)
    need = needed(folder, entry.dtype or settings.dtype, device)
    need.check(f"The reconstructor in {folder}")
    try:
        model, report = AutoModelForCausalLM.from_pretrained(
            folder, dtype=need.dtype, local_files_only=True, output_loading_info=True, ignore_mismatched_sizes=True
        )
    except Exception as error:  # from_pretrained raises whatever a configuration raises
        raise WorkbenchError(f"transformers cannot load the reconstructor in {folder}: {error}", _AGAIN) from error
    lost = [key for key in map(str, report["missing_keys"]) if not _dispensable(key)]
    if lost:
        raise WorkbenchError(f"The reconstructor in {folder} lacks {len(lost)} tensors, such as {lost[0]}.", _AGAIN)
    model = truncate(model, int(model.config.get_text_config().num_hidden_layers))
    tokenizer = loading.load_tokenizer(folder, trust=False)
    return Subject(subject.name, model.to(device).eval().requires_grad_(False), tokenizer)


def _dispensable(key: str) -> bool:
    """Return whether a released reconstructor may lack a tensor: the final norm and the head are not used."""
    last = key.rpartition(".")[0].split(".")[-1]
    return last in ("norm", "ln_f", "final_layernorm", "lm_head", "embed_out", "final_layer_norm")


def _base(engine: WorkbenchEngine, entry: ReaderEntry, subject: Subject, blocks: int, *, keeps_norm: bool) -> Any:
    """Return the base's first blocks, as modules of their own that hold its tensors."""
    if entry.base:
        raise BadInput("A reconstructor that is an adapter stands on the subject itself.", "Leave `base` out.")
    return truncate(sharing_copy(subject.model), blocks, keeps_norm=keeps_norm)


def _adapter(engine: WorkbenchEngine, entry: ReaderEntry, folder: Path, sidecar: Sidecar, subject: Subject) -> Subject:
    from peft import PeftModel

    blocks = (sidecar.layer if sidecar.layer >= 0 else entry.layer) + 1
    base = _base(engine, entry, subject, blocks, keeps_norm=False)
    try:
        adapted = PeftModel.from_pretrained(base, str(folder), is_trainable=False, torch_device=str(subject.device))
    except Exception as error:  # peft raises whatever its configuration or the tensors raise
        raise WorkbenchError(
            f"The reconstructor in {folder} cannot be put on {subject.name}: {error}", _AGAIN
        ) from error
    inner: Any = adapted.base_model.model
    return Subject(subject.name, inner.eval().requires_grad_(False), subject.tokenizer)


def _lora_file(
    engine: WorkbenchEngine, entry: ReaderEntry, folder: Path, sidecar: Sidecar, subject: Subject
) -> tuple[Subject, Tensor]:
    """Read `ar_meta.json` and its one file of LoRA factors and head (rank-stabilised LoRA on the backbone)."""
    from peft import LoraConfig, inject_adapter_in_model

    card, found = files.read_json(folder / LORA_CARD), files.tensors(folder / LORA)
    keeps = not card.get("final_norm_stripped", True)
    model = _base(engine, entry, subject, int(card["ar_num_layers"]), keeps_norm=keeps)
    config = LoraConfig(
        r=int(card["lora_r"]), lora_alpha=int(card["lora_alpha"]), lora_dropout=0.0, bias="none", use_rslora=True,
        target_modules=card["target_modules"],
    )  # fmt: skip
    inject_adapter_in_model(config, model)
    own = dict(model.named_parameters())
    for key, value in found.items():
        name = key.removeprefix("backbone.")
        place = next((full for full in (name, f"model.{name}", name.removeprefix("model.")) if full in own), None)
        if key.startswith("value_head"):
            continue
        if place is None or own[place].shape != value.shape:
            raise WorkbenchError(
                f"The reconstructor's {key} in {folder / LORA} fits nothing in {subject.name}.", _AGAIN
            )
        own[place].data.copy_(value)
    head = _checked(found.get("value_head.weight"), folder / LORA, subject.width)
    return Subject(subject.name, model.eval().requires_grad_(False), subject.tokenizer), head
