"""A reader's test of itself: what is injected arrives, once, and changes what is read."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from backends.engine.likelihood.states import one_prefix
from backends.engine.readers.injecting import InjectionReader
from investigator.errors import WorkbenchError

_SEED = 20_260


@dataclass(frozen=True)
class SelfTest:
    """What the test found."""

    places: int
    """Positions that take the vector."""
    fired: int
    """How often the hook was called in one pass; 1 also for the embedding, which needs none."""
    finite: bool
    change: float
    """Largest difference of the next-token log-probabilities between a vector and the zero vector."""

    @property
    def said(self) -> str:
        """What it found, in a sentence."""
        where = "one place" if self.places == 1 else f"{self.places} places"
        return f"Its marker stands at {where}, it injects once a pass, and the vector moves log p by {self.change:.2g}."


def self_test(reader: InjectionReader) -> SelfTest:
    """Inject a random vector of a usual length and the zero vector, and compare what comes next."""
    generator = torch.Generator().manual_seed(_SEED)
    width = reader.subject.width
    vector = torch.randn(1, width, generator=generator)
    prompts = reader.soft(torch.cat([vector, torch.zeros(1, width)]))
    with torch.inference_mode():
        if prompts.injection.block is None:
            fired = 1
        else:
            embeds = prompts.embeds.to(reader.speaker.device, reader.speaker.dtype).expand(len(prompts), -1, -1)
            with prompts.injecting(reader.speaker) as done:
                reader.speaker.body(inputs_embeds=embeds)
            fired = len(done)
        values = reader.speaker.head(one_prefix(reader.speaker, prompts).last).float().log_softmax(-1)
    change = float((values[0] - values[1]).abs().max())
    return SelfTest(len(prompts.positions), fired, bool(torch.isfinite(values).all()), change)


def check_itself(reader: InjectionReader) -> SelfTest:
    """Return what the test found; raise WorkbenchError where the reader cannot be believed."""
    found = self_test(reader)
    again = "Check its files and `injection` in the workbench; `investigator doctor` says more."
    if found.fired != 1:
        raise WorkbenchError(f"The reader {reader.name} injected {found.fired} times in a pass instead of once.", again)
    if not found.finite:
        raise WorkbenchError(f"The reader {reader.name} gives NaN or infinity.", "Load it with dtype float32.")
    if not found.change > 0:
        raise WorkbenchError(f"The reader {reader.name} says the same whatever is injected.", again)
    return found
