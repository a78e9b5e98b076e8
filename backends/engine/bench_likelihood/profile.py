"""`profile`: where a full ranking's time goes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from torch.profiler import ProfilerActivity, profile

from backends.engine.bench_likelihood.setting import setting
from backends.engine.likelihood import score_many
from investigator.records import Figure

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

# Steps left out at the beginning, which hold the trunk, and steps looked at.
_BEFORE, _STEPS = 40, 40
_KINDS = {
    "products": {"mm", "addmm", "_linear_pointwise"},
    "attention": {"bmm", "baddbmm", "_softmax", "masked_fill_", "masked_fill", "cat", "copy_"},
    "normaliser": {"exp_", "exp2_", "amax", "sub_", "sum", "log_"},
    "gather": {"index_select", "index", "index_put_", "_index_put_impl_", "embedding", "gather"},
}


def measure(engine: WorkbenchEngine) -> Iterator[Figure]:
    """Profile some steps of a walk; the shares are of its wall-clock time, the rest is Python and the profiler."""
    here = setting(engine)
    steps = score_many(here.subject, here.soft(0), here.plan)
    before = min(_BEFORE, len(here.plan.steps) // 2)
    for _ in islice(steps, before):
        pass
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        for _ in islice(steps, _STEPS):
            pass
    totals = dict.fromkeys([*_KINDS, "elementwise"], 0.0)
    for event in seen.key_averages():
        totals[_kind(event.key)] += event.self_cpu_time_total
    whole = sum(totals.values())
    for kind, spent in totals.items():
        yield Figure(f"profile_{kind}", spent / whole, "of a full ranking's time", compared_with=_WHAT[kind])


_WHAT = {
    "products": "matrix products of the blocks and the head",
    "attention": "small products, softmax, masks and copies of packed attention",
    "normaliser": "exponentials and sums over the vocabulary",
    "gather": "ancestors' states, embeddings, values read off",
    "elementwise": "norms, RoPE, activations, residuals, and what calling costs",
}


def _kind(key: str) -> str:
    name = key.rpartition("::")[2]
    return next((kind for kind, names in _KINDS.items() if name in names), "elementwise")
