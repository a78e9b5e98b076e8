"""The prompt-only control: learned slots after the plain text, which read the words and nothing of the activation."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from backends.engine import files
from backends.engine.likelihood import Ids, PrefixStates, tokens_a_step
from backends.engine.likelihood.states import one_prefix
from backends.engine.readers.backgrounds import PART, Panel, may_keep
from backends.engine.readers.reader import Reader
from backends.engine.readers.soft_prompt import SoftPromptMapper
from backends.engine.subject import Subject
from investigator.errors import WorkbenchError
from investigator.sources import Residual

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

FORM = "prompt-only"


class PromptOnly:
    """A prompt-only reader of one subject, with its own background: the text before each background position."""

    def __init__(self, subject: Subject, mapper: SoftPromptMapper, contexts: list[Ids] | None) -> None:
        """Take the whole texts up to and including each background position; None where they are not known."""
        self.subject, self.mapper = subject, mapper
        self.longest = int(mapper.card.notes.get("context_tokens", subject.context))
        self.background = self._panel([self.cut(context) for context in contexts]) if contexts else None

    @property
    def slots(self) -> int:
        """Number of positions before a text, at most."""
        return self.longest + self.mapper.card.slots

    def cut(self, context: Ids) -> Ids:
        """Return the last tokens of a text; its first one, `<|bos|>`, stays and counts as one of them."""
        return context if len(context) <= self.longest else (context[0], *context[len(context) - self.longest + 1 :])

    def fits(self, ids: Ids) -> bool:
        """Say whether a text still fits behind the longest context."""
        return self.slots + len(ids) + 1 <= self.subject.context

    def at(self, source: Residual) -> Panel:
        """Return a panel of one place: the text up to and including the source's last token."""
        return self._panel([self.cut(source.token_ids[: source.end or source.position + 1])])

    def _panel(self, contexts: list[Ids]) -> Panel:
        ordered = sorted(contexts, key=len)
        blocks = []
        for length, same in groupby(range(len(ordered)), key=lambda place: len(ordered[place])):
            places = list(same)
            rows = max(1, tokens_a_step(self.subject) // (length + self.mapper.card.slots))
            blocks += [range(at, min(at + rows, places[-1] + 1)) for at in range(places[0], places[-1] + 1, rows)]
        keeps = may_keep(self.subject, len(ordered), len(ordered[-1]) + self.mapper.card.slots)
        return Panel(self.subject, blocks, lambda block: self._prefixes(ordered[block.start : block.stop]), keeps=keeps)

    @torch.inference_mode()
    def _prefixes(self, contexts: list[Ids]) -> PrefixStates:
        """Return the states of texts of one length, each followed by the slots."""
        text = self.subject.embed(torch.tensor(contexts, device=self.subject.device)).to(self.subject.dtype)
        slots = self.mapper.blind().expand(len(contexts), -1, -1).to(text)
        return one_prefix(self.subject, torch.cat([text, slots], dim=1))


def prompt_only_of(engine: WorkbenchEngine, reader: Reader) -> PromptOnly | None:
    """Return a reader's prompt-only control, loaded once; None where the workbench names none."""
    if not engine.parts.reader_entry(reader.name).prompt_only:
        return None
    return engine.parts.once("prompt-only", reader.name, lambda: _load(engine, reader))


def _load(engine: WorkbenchEngine, reader: Reader) -> PromptOnly:
    folder = engine.parts.path(engine.parts.reader_entry(reader.name).prompt_only)
    mapper = SoftPromptMapper.load(folder)
    if mapper.card.form != FORM or mapper.card.width != reader.subject.width:
        raise WorkbenchError(
            f"{folder} holds no prompt-only reader of {reader.subject.name}: its form is {mapper.card.form}, its width "
            f"{mapper.card.width}.",
            f"Mend `prompt_only` in [readers.{reader.name}], or leave it out.",
        )
    return PromptOnly(reader.subject, mapper.to(reader.subject.device), background_contexts(engine, reader.subject))


def background_contexts(engine: WorkbenchEngine, subject: Subject, count: int = PART) -> list[Ids] | None:
    """Return the texts up to and including the first background positions; None where they cannot be made again.

    The statistics' card says which document and position each one is; the documents stand in the held-out folder.
    """
    card = engine.parts.path(engine.workbench.subjects[subject.name].statistics).with_suffix(".json")
    tune = engine.parts.path(engine.workbench.heldout) / "tune.jsonl"
    if not engine.workbench.heldout or not card.is_file() or not tune.is_file():
        return None
    places = files.read_json(card).get("background", {}).get("places", [])[:count]
    texts = heldout_texts(tune)
    if not places or any(str(place["document"]) not in texts for place in places):
        return None
    whole = [subject.encode(texts[str(place["document"])]) for place in places]
    return [tuple(ids[: int(place["position"]) + 1]) for ids, place in zip(whole, places, strict=True)]


def heldout_texts(file: Path) -> dict[str, str]:
    """Return held-out documents by name, `file:index`."""
    import msgspec

    rows: list[dict[str, Any]] = msgspec.json.Decoder(list[dict[str, Any]]).decode(
        b"[" + b",".join(line for line in file.read_bytes().splitlines() if line.strip()) + b"]"
    )
    return {f"{row['file']}:{row['index']}": str(row["text"]) for row in rows}
