"""The questions behind the tables, asked of the engine like any other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from backends.engine.engine import WorkbenchEngine
from backends.engine.index.corpora import HELDOUT
from investigator import settings
from investigator.errors import BackendError
from investigator.records import Explanations, Features, Found, Labels, Opened
from investigator.sources import Residual
from investigator.wire import Explain, Find, Finished, Open, RankLabels, ShowFeatures, Verb

ROWS = 5


def open_engine(workbench: Path, device: str) -> WorkbenchEngine:
    """Open a workbench in float32, in which shown scores are computed."""
    own = settings.load()
    backend = msgspec.structs.replace(own.backend, device=device, dtype="float32")
    engine = WorkbenchEngine(workbench, msgspec.structs.replace(own, backend=backend))
    engine.load()
    return engine


def ask(engine: WorkbenchEngine, verb: Verb) -> Any:
    """Return a verb's result, as any client would get it."""
    resolved, _ = engine.resolve(verb)
    for event in engine.run(resolved):
        if isinstance(event, Finished):
            return event.result
    raise BackendError(f"{type(verb).__name__} ended without a result.", "Report this with the command you typed.")


class Place:
    """A prompt's last token, and what is said of it."""

    def __init__(self, engine: WorkbenchEngine, prompt: str) -> None:
        opened: Opened = ask(engine, Open(prompt))
        self.engine, self.prompt = engine, prompt
        self.token = opened.tokens[-1].text
        ids = tuple(token.id for token in opened.tokens)
        layer = engine.parts.default_layer(opened.subject)
        self.source = Residual(opened.subject, ids, layer, len(ids) - 1)

    def features(self) -> Features:
        """Return the strongest labelled latents by activation."""
        found: Features = ask(self.engine, ShowFeatures(self.source, order="activation", unlabelled=False, limit=ROWS))
        return found

    def explanations(self) -> Explanations:
        """Return 50 drawn texts in the paper's order (appendix B: tau 1, top-p 0.9, 32 tokens, MMR beta 0.2)."""
        found: Explanations = ask(self.engine, Explain(self.source, keep=ROWS))
        return found

    def labels(self) -> Labels:
        """Return every label ranked by average log-probability, all of them scored."""
        found: Labels = ask(self.engine, RankLabels(self.source, order="score", method="exact", limit=ROWS))
        return found


def search(engine: WorkbenchEngine, text: str) -> Found:
    """Return the best position of each of the best contexts of the held-out documents for a sentence."""
    found: Found = ask(engine, Find(text, corpus=HELDOUT, limit=6))
    return found
