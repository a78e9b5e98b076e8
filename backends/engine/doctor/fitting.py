"""Will it fit: what a workbench takes of memory, read from headers before anything is loaded."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from backends.engine import files
from backends.engine.doctor.lines import Checks, error, ok, warning
from backends.engine.facts import of_sae, of_subject
from investigator.errors import InvestigatorError, WorkbenchError
from investigator.settings import Backend
from investigator.workbench import Workbench

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "float64": 8, "auto": 4}
TOKENS = 256
"""Tokens of a usual prompt, for what captured prompts take."""
SHARE_OF_CAPTURES = 0.2
"""Share of the free memory that captured prompts take at most (`backends.engine.captures`)."""
LIBRARIES = 600e6
"""Bytes of Python, torch and transformers themselves; measured with pocket, 560 MB."""
WORKING = 0.2
"""Of the weights once more, for activations, key/value states and logits."""


@dataclass(frozen=True)
class Needs:
    """Bytes, by what takes them."""

    subjects: float
    saes: float
    readers: float
    captures: float

    @property
    def total(self) -> float:
        """Everything, with what work takes and the libraries themselves."""
        return (1 + WORKING) * (self.subjects + self.saes + self.readers) + self.captures + LIBRARIES

    @property
    def words(self) -> str:
        """Return the parts in words."""
        parts = {
            "subjects": self.subjects,
            "SAEs": self.saes,
            "readers": self.readers,
            "captured prompts": self.captures,
        }
        return ", ".join(f"{name} {size(count)}" for name, count in parts.items() if count)


def needs(found: Workbench, base: Path, settings: Backend, free: float) -> Needs:
    """Return what everything that a workbench names takes once all of it is loaded; unreadable parts count nothing."""
    subjects = sum(_subject(found, name, base, settings) for name in found.subjects)
    saes = sum(_sae(found, name, base) for name in found.saes)
    readers = sum(_folder(base / entry.path) for entry in found.readers.values() if entry.path)
    return Needs(subjects, saes, readers, min(_captures(found, base, settings), SHARE_OF_CAPTURES * free))


def _subject(found: Workbench, name: str, base: Path, settings: Backend) -> float:
    entry = found.subjects[name]
    try:
        return float(of_subject(entry, base).parameters * BYTES.get(entry.dtype or settings.dtype, 4))
    except InvestigatorError:
        return 0.0


def _sae(found: Workbench, name: str, base: Path) -> float:
    try:
        facts = of_sae(found.saes[name], base)
    except InvestigatorError:
        return 0.0
    return 2.0 * 4 * facts.width * facts.latents if facts else 0.0  # encoder and decoder, float32


def _folder(folder: Path) -> float:
    return float(sum(file.stat().st_size for file in folder.glob("*.safetensors"))) if folder.is_dir() else 0.0


def _captures(found: Workbench, base: Path, settings: Backend) -> float:
    try:
        facts = of_subject(next(iter(found.subjects.values())), base)
    except (InvestigatorError, StopIteration):
        return 0.0
    return 4.0 * settings.captures * facts.layers * TOKENS * facts.width


def free_for(settings: Backend, *, loaded: bool) -> tuple[float, str]:
    """Return the free bytes of the device that is used and its name; what this process holds counts as free."""
    import torch

    from backends.engine.loading import pick_device
    from backends.server.memory import resident_bytes

    device = pick_device(settings.device)
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) if loaded else 0
        return float(torch.cuda.mem_get_info(device)[0] + kept), torch.cuda.get_device_name(device)
    return float(files.free_memory() + (resident_bytes() if loaded else 0)), "this machine"


def check_fit(found: Workbench, base: Path, settings: Backend, *, loaded: bool) -> Checks:
    """Say what all of a workbench takes beside what is free."""
    free, where = free_for(settings, loaded=loaded)
    need = needs(found, base, settings, free)
    said = f"About {size(need.total)} once everything is loaded ({need.words}); {size(free)} can be used on {where}."
    if need.total < 0.9 * free:
        yield ok("memory", said)
    elif need.subjects < 0.9 * free:
        yield warning("memory", said, "Parts are loaded when first asked for: leave some out, or take dtype bfloat16.")
    else:
        yield error("memory", said, "Use a smaller model, dtype bfloat16, or a machine with more memory.")


def refuse_too_large(found: Workbench, base: Path, settings: Backend) -> None:
    """Raise WorkbenchError where the first subject cannot fit: the kernel would kill the process without a word."""
    name = next(iter(found.subjects))
    entry = found.subjects[name]
    try:
        facts = of_subject(entry, base)
    except InvestigatorError:
        return  # not here yet, or not whole: loading says so
    free, where = free_for(settings, loaded=False)
    dtype = entry.dtype or settings.dtype
    least = "bfloat16" if dtype == "auto" else dtype
    needed = facts.parameters * BYTES.get(least, 4)
    if needed > free:
        raise WorkbenchError(
            f"{name} does not fit: its {facts.parameters / 1e9:,.2f} billion weights take {size(needed)} as {least}, "
            f"and {size(free)} are free on {where}.",
            "Use a smaller model or a machine with more memory; `investigator doctor` says what fits.",
        )


def size(count: float) -> str:
    """Return bytes as a person reads them."""
    if not math.isfinite(count):
        return "unknown"
    return f"{count / 1e6:,.0f} MB" if count < 1e9 else f"{count / 1e9:,.1f} GB"
