"""Many clients on one backend, each served alike; and two thousand questions that must leave no memory behind."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from statistics import mean
from typing import TYPE_CHECKING

from investigator.commands.faults.ground import LINGER, Ground, answered, asked, local, tokens_of
from investigator.commands.faults.loopback import ROOT
from investigator.records import Figure
from investigator.sources import Residual
from investigator.wire import Explain

if TYPE_CHECKING:
    from backends.base import Backend

_EACH = 3
"""Answers that every client of the crowd waits for."""


async def measure(at: Ground) -> list[Figure]:
    """Return `clients_held` with the slowest one's share, and `soak_growth`."""
    return [*await _crowd(at), *await _soak(at)]


async def _crowd(at: Ground) -> list[Figure]:
    at.note(f"{at.counts.clients} clients at once")
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(local(at)) for _ in range(at.counts.clients)]
        subject, ids, layer = await tokens_of(clients[0])
        source = Residual(subject, ids, layer, -1)
        waits = await asyncio.gather(*(_stream(client, source, seed) for seed, client in enumerate(clients)))
    held = sum(wait is not None for wait in waits)
    seconds = [wait for wait in waits if wait is not None]
    share = max(seconds) / mean(seconds) if seconds else None
    beside = "one backend, streaming at once; a fair share is the mean wait"
    return [
        Figure("clients_held", float(held), "clients", "16", compared_with=beside),
        Figure("clients_slowest_over_fair", share, "ratio", "<= 1.5", compared_with=beside),
    ]


async def _stream(client: Backend, source: Residual, seed: int) -> float | None:
    start = time.perf_counter()
    for turn in range(_EACH):
        verb = Explain(source, samples=10, max_tokens=12, keep=2, controls=False, seed=100 * seed + turn)
        if (await answered(client, asked(verb))).result is None:
            return None
    return time.perf_counter() - start


async def _soak(at: Ground) -> list[Figure]:
    """Memory of the app and of its backend after all questions over that after a tenth of them."""
    at.note(f"soaking an app with {at.counts.soak} questions")
    early, late = max(1, at.counts.soak // 10), at.counts.soak
    words = [at.workbench, str(early), str(late), str(at.home / "soak.db")]
    command = [sys.executable, "-P", "-m", "investigator.commands.faults.soaking", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "INVESTIGATOR_BACKEND_LINGER": str(LINGER)}
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    said, complained = await process.communicate()
    looks = [json.loads(line) for line in said.splitlines()]
    if len(looks) != 2:
        why = complained.decode(errors="replace").strip().splitlines()[-1:]
        return [Figure("soak_growth", None, "ratio", "<= 1.05", compared_with=f"the app broke off: {' '.join(why)}")]
    ratios = {name: looks[1][name] / max(looks[0][name], 1) for name in ("app", "backend")}
    parts = (f"{name} {ratio:.3f} ({looks[1][name] / 1e6:.0f} MB)" for name, ratio in ratios.items())
    beside = f"{', '.join(parts)}: after {late} questions over after {early}"
    return [Figure("soak_growth", max(ratios.values()), "ratio", "<= 1.05", compared_with=beside)]
