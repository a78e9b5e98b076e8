"""How soon a client sees the first estimate of a ranking, over the socket of a backend of its own.

The labels are the benchmark's sentences, in a workbench that names the measured one's parts. Every question supersedes
the one before, whose exact ranking is under way at that moment and is being cancelled.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import tomli_w

from backends.base import Backend
from backends.engine.bench_likelihood.setting import Setting
from backends.launch import connect
from investigator.errors import InvestigatorError
from investigator.records import Figure
from investigator.sources import Residual
from investigator.wire import Failed, Finished, Partial, Question, RankLabels

ASKED = 60
_WARM = 6
# Long enough that the ranking before is in its exact part, short enough that it is not at its end.
_BETWEEN = 0.4
_PATIENCE = 300.0


def first_answers(here: Setting, asked: int = ASKED) -> Iterator[Figure]:
    """Measure alone and while another ranking is being cancelled."""
    with tempfile.TemporaryDirectory(prefix="inv-") as folder:
        file = write_workbench(here, Path(folder))
        alone, busy = asyncio.run(_measure(here, file, asked))
    beside = f"{len(here.ids)} labels, {asked} questions at a client over the socket"
    yield _figure("indexed_first_answer_alone_ms", alone, f"{beside}, nothing else running")
    yield _figure("indexed_first_answer_ms", busy, f"{beside}, each while the ranking before is being cancelled")


def _figure(name: str, seconds: list[float], compared: str) -> Figure:
    ordered = sorted(seconds)
    p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    return Figure(name, 1000 * p95, "ms, p95", "<= 50", (1000 * ordered[0], 1000 * ordered[-1]), compared)


def write_workbench(here: Setting, folder: Path) -> Path:
    """Write a workbench with the same subject, statistics and reader, whose labels are the benchmark's sentences."""
    engine, reader = here.engine, here.reader
    subject, sae = engine.workbench.subjects[reader.subject.name], engine.workbench.saes[reader.sae]
    latents = engine.parts.latents(reader.sae)
    labels = folder / "labels.jsonl"
    rows = ({"index": str(number % latents), "description": text} for number, text in enumerate(here.texts))
    labels.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    path = engine.parts.path
    model = str(path(subject.model)) if path(subject.model).exists() else subject.model
    tables = {
        "name": "bench-labels",
        "subjects": {
            reader.subject.name: {"model": model, "layer": reader.layer, "statistics": str(path(subject.statistics))}
        },
        "saes": {
            reader.sae: {
                "subject": sae.subject,
                "layer": sae.layer,
                **({"path": str(path(sae.path))} if sae.path else {"release": sae.release, "id": sae.id}),
                "labels": str(labels),
                "statistics": str(path(sae.statistics)) if sae.statistics else "",
            }
        },
        "readers": {
            reader.name: {
                "subject": reader.subject.name,
                "layer": reader.layer,
                "path": str(reader.folder),
                "sae": reader.sae,
                "default": True,
            }
        },
    }
    file = folder / "workbench.toml"
    file.write_text(tomli_w.dumps(tables), encoding="utf-8")
    return file


async def _measure(here: Setting, file: Path, asked: int) -> tuple[list[float], list[float]]:
    backend = await connect(str(file), here.engine.settings)
    try:
        await backend.handshake(wait=True)
        ids = tuple(here.subject.encode(" ".join(here.texts[:4])))
        places = [Residual(here.subject.name, ids, here.reader.layer, at) for at in range(1, len(ids))]
        # The first question loads labels and index; the others find every place captured.
        for place in places[:_WARM]:
            await asyncio.wait_for(_first(backend, RankLabels(place), stop=True), _PATIENCE)
        alone = [await _first(backend, RankLabels(places[number % len(places)]), stop=True) for number in range(asked)]
        busy = []
        for number in range(asked):
            busy.append(await _first(backend, RankLabels(places[number % len(places)])))
            await asyncio.sleep(_BETWEEN)
        return alone, busy
    finally:
        await backend.aclose()


async def _first(backend: Backend, verb: RankLabels, *, stop: bool = False) -> float:
    """Ask, and return the seconds until the first rows; `stop` then cancels the ranking and waits for its end."""
    question = Question(uuid.uuid4().hex, "bench", verb, slot="labels")
    begun, seconds = time.perf_counter(), None
    async for event in backend.ask(question):
        if isinstance(event, Failed):
            raise InvestigatorError(event.message, event.mend)
        if isinstance(event, Partial | Finished) and seconds is None:
            seconds = time.perf_counter() - begun
            if not stop:
                break
            await backend.cancel(question.id)
    if seconds is None:
        raise InvestigatorError("A ranking gave no rows.", "This is a fault in the program: report it.")
    return seconds
