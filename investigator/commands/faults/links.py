"""Link cuts and the cost of a link: a streaming answer cut at random bytes, and cursor moves beside local ones."""

from __future__ import annotations

import asyncio
import time
from statistics import median
from typing import TYPE_CHECKING

import msgspec

from investigator.commands.benchmarks.report import percentile
from investigator.commands.faults.ground import Ground, answered, asked, local, tokens_of
from investigator.commands.faults.loopback import NAME, Loopback, reachable, sshd
from investigator.events import Answer
from investigator.records import Figure
from investigator.sources import Residual
from investigator.wire import Explain, ShowFeatures, Verb

if TYPE_CHECKING:
    from backends.ssh.remote import Remote

NO_SSHD = "not measured: there is no sshd on this machine (install openssh-server)"
_TRIES = 12
"""How often a cut that missed its answer is made again."""


async def overhead(at: Ground) -> list[Figure]:
    """Return `remote_overhead_ms`."""
    daemon = sshd()
    if daemon is None:
        return [Figure("remote_overhead_ms", None, "ms", "<= 10", compared_with=NO_SSHD)]
    loopback = Loopback(at.home / "near", daemon)
    with reachable(loopback):
        return await _overhead(at, loopback)


async def cuts(at: Ground) -> list[Figure]:
    """Return `link_cuts` survived."""
    daemon = sshd()
    if daemon is None:
        return [Figure("link_cuts", None, "cuts", ">= 20", compared_with=NO_SSHD)]
    loopback = Loopback(at.home / "far", daemon)
    with reachable(loopback):
        return [await _cuts(at, loopback)]


def _remote(at: Ground, loopback: Loopback) -> Remote:
    from backends.ssh.remote import Remote

    return Remote(NAME, at.workbench, msgspec.structs.replace(at.settings, hosts={NAME: loopback.host}))


async def _cuts(at: Ground, loopback: Loopback) -> Figure:
    chance = at.random("links")
    remote = _remote(at, loopback)
    survived = 0
    try:
        subject, ids, layer = await tokens_of(remote)
        await _fresh(remote, loopback)
        await remote.handshake()
        before = await _fresh(remote, loopback)
        for number in range(at.counts.link_cuts):
            at.note(f"cutting the link: {number + 1} of {at.counts.link_cuts}")
            verb = Explain(Residual(subject, ids, layer, -1), samples=10, max_tokens=12, keep=2, seed=number)
            whole = await answered(remote, asked(verb))
            size = chance.randrange(before, max(before + 1, await _fresh(remote, loopback)))
            cut = await _cut(at, remote, loopback, verb, size)
            survived += cut.result is not None and cut.result == whole.result
    finally:
        await remote.aclose()
    return Figure("link_cuts", float(survived), "cuts", ">= 20", compared_with="the same answers over an uncut link")


async def _fresh(remote: Remote, loopback: Loopback) -> int:
    """End the link, and return how many bytes had come back over it."""
    await remote.aclose()
    return await asyncio.to_thread(loopback.passed)


async def _cut(at: Ground, remote: Remote, loopback: Loopback, verb: Verb, size: int) -> Answer:
    """Ask over a fresh link that dies after `size` bytes; where that was before or after the answer, at other bytes."""
    for _ in range(_TRIES):
        loopback.cut_after(size)
        made, numbers = remote.tunnel.opened, list[int]()
        answer = await answered(remote, asked(verb), numbers)
        at.tally.answers_duplicated += len(numbers) - len(set(numbers))
        at.tally.answers_lost += answer.result is None
        if remote.tunnel.opened > made + 1:
            await _fresh(remote, loopback)
            return answer
        # The last link's bytes tell which it was: one that replaced a link cut too soon carried the whole answer.
        size = int(0.9 * size) if await _fresh(remote, loopback) <= size else int(1.1 * size) + 200
    return Answer("")


async def _overhead(at: Ground, loopback: Loopback) -> list[Figure]:
    remote = _remote(at, loopback)
    seconds: dict[str, list[float]] = {"far": [], "near": []}
    async with local(at) as near:
        try:
            subject, ids, layer = await tokens_of(remote)
            await tokens_of(near)
            for turn in range(at.counts.moves):
                verb = ShowFeatures(Residual(subject, ids, layer, 1 + turn % (len(ids) - 1)))
                for name, backend in (("far", remote), ("near", near)):
                    start = time.perf_counter()
                    await answered(backend, asked(verb))
                    seconds[name].append(1000 * (time.perf_counter() - start))
        finally:
            await remote.aclose()
    far, here = (percentile(seconds[name], 0.95) for name in ("far", "near"))
    beside = f"cursor moves in turns, p95 {far:.1f} over ssh, {here:.1f} local; medians {median(seconds['far']):.1f}, "
    beside += f"{median(seconds['near']):.1f}"
    return [Figure("remote_overhead_ms", far - here, "ms", "<= 10", compared_with=beside)]
