"""The finished subject as the engine's verbs see it, opened from an output folder."""

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from backends.engine import fingerprints
from backends.engine.subject import Subject
from backends.engine.training.folders import Folders


def open_subject(folders: Folders, name: str, device: str = "cpu") -> Subject:
    """Load the transformers directory in float32, in which all shown scores are computed."""
    model = AutoModelForCausalLM.from_pretrained(folders.subject, dtype=torch.float32).to(device).eval()
    tokenizer = AutoTokenizer.from_pretrained(folders.subject)
    fingerprint = fingerprints.of_folder(folders.subject)
    return Subject(name, model.requires_grad_(False), tokenizer, fingerprint=fingerprint)
