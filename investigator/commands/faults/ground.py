"""The ground on which faults are made: a home of its own, counts, a tally of what went wrong, and questions to ask."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from investigator.errors import BackendError
from investigator.events import Answer
from investigator.paths import HOME_VARIABLE
from investigator.records import Figure
from investigator.settings import Settings
from investigator.sources import Residual
from investigator.wire import (
    Contrast,
    Explain,
    Open,
    Question,
    RankLabels,
    ShowFeature,
    ShowFeatures,
    ShowLens,
    Test,
    Verb,
)

if TYPE_CHECKING:
    from backends.base import Backend

LINGER = 5.0
"""Seconds that the run's backends stay after their last client."""
Note = Callable[[str], None]


@dataclass(frozen=True)
class Counts:
    """How often each fault is made."""

    link_cuts: int = 20
    backend_kills: int = 50
    writer_kills: int = 100
    malformed_requests: int = 5000
    hostile_strings: int = 500
    clients: int = 16
    soak: int = 2000
    moves: int = 200

    def times(self, factor: int) -> Counts:
        """Return counts so many times as large; the number of clients stays."""
        scaled = {each.name: getattr(self, each.name) * factor for each in fields(self) if each.name != "clients"}
        return Counts(**scaled, clients=self.clients)


QUICK = Counts(
    link_cuts=2,
    backend_kills=3,
    writer_kills=5,
    malformed_requests=200,
    hostile_strings=40,
    clients=4,
    soak=120,
    moves=20,
)
"""For the test suite."""


@dataclass
class Tally:
    """What must stay at nought."""

    answers_lost: int = 0
    answers_duplicated: int = 0
    orphans: int = 0
    unexpected_5xx: int = 0
    escapes_leaked: int = 0
    files_outside: int = 0

    def figures(self) -> list[Figure]:
        """Return one figure each."""
        return [Figure(each.name, float(getattr(self, each.name)), "times", "0") for each in fields(self)]


@dataclass
class Ground:
    """One run's place and means."""

    home: Path
    workbench: str
    settings: Settings
    counts: Counts
    seed: int
    note: Note
    tally: Tally = field(default_factory=Tally)

    def random(self, part: str) -> random.Random:
        """Return a part's own source of chance, the same for the same seed."""
        return random.Random(f"{self.seed} {part}")


@contextmanager
def ground(workbench: str, settings: Settings, counts: Counts, seed: int, note: Note) -> Iterator[Ground]:
    """Make a home for the run, in which everything must stay, and remove it afterwards."""
    home = Path(tempfile.mkdtemp(prefix="inv-", dir=tempfile.gettempdir()))
    before = os.environ.get(HOME_VARIABLE)
    os.environ[HOME_VARIABLE] = str(home)
    quick = msgspec.structs.replace(settings, backend=msgspec.structs.replace(settings.backend, linger=LINGER))
    try:
        yield Ground(home, workbench, quick, counts, seed, note)
    finally:
        if before is None:
            del os.environ[HOME_VARIABLE]
        else:
            os.environ[HOME_VARIABLE] = before
        shutil.rmtree(home, ignore_errors=True)


PROMPT = "Several whales surfaced beside the old harbour in Lisbon, and the crew wrote to the ministry."


def asked(verb: Verb, client: str = "") -> Question:
    """Return a question with a fresh id."""
    return Question(id=uuid.uuid4().hex, client=client, verb=verb)


async def answered(backend: Backend, question: Question, numbers: list[int] | None = None) -> Answer:
    """Ask and fold; `numbers` takes the number of every event as it comes."""
    answer = Answer(question.id)
    async for event in backend.ask(question):
        if numbers is not None:
            numbers.append(event.n)
        answer.apply(event)
    return answer


async def tokens_of(backend: Backend, prompt: str = PROMPT) -> tuple[str, tuple[int, ...], int]:
    """Open a prompt; return subject, token ids and the layer that the workbench opens at."""
    result = (await answered(backend, asked(Open(prompt)))).result
    book = (await backend.handshake(wait=True)).workbench
    if book is None or result is None:
        raise BackendError("The workbench does not open, so nothing can be broken.", "See `investigator doctor`.")
    return result.subject, tuple(token.id for token in result.tokens), book.subjects[0].layer  # type: ignore[union-attr]


def verbs(subject: str, ids: tuple[int, ...], layer: int, position: int) -> dict[str, Verb]:
    """Return one question of every kind that runs in seconds."""
    source = Residual(subject, ids, layer, position)
    return {
        "open": Open(token_ids=ids),
        "features": ShowFeatures(source),
        "feature": ShowFeature(latent=position),
        "labels": RankLabels(source, controls=False),
        "explain": Explain(source, samples=10, max_tokens=12, keep=2, controls=False),
        "test": Test(("references to ports and harbours",), (source,), controls=False),
        "contrast": Contrast("references to ports", "references to food", source),
        "lens": ShowLens(source),
    }


@asynccontextmanager
async def local(at: Ground) -> AsyncIterator[Backend]:
    """Give the local backend of the run's workbench."""
    from backends.launch import Local

    backend = Local(at.workbench, at.settings)
    try:
        await backend.handshake(wait=True)
        yield backend
    finally:
        await backend.aclose()
