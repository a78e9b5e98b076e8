"""A step of a plan in two halves, for a machine without room for all of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from backends.engine.likelihood.plan import Group, Step


def halves(step: Step) -> list[Step]:
    """Return the step as two of about half the positions, cut between segments; itself where it has but one."""
    edges = np.concatenate([group.start + group.length * np.arange(group.rows) for group in step.groups])
    if len(edges) < 2:
        return [step]
    middle = (
        int(edges[max(1, int(np.searchsorted(edges, step.size // 2)))])
        if edges[-1] > step.size // 2
        else int(edges[-1])
    )
    return [_part(step, 0, middle), _part(step, middle, step.size)]


def _part(step: Step, start: int, stop: int) -> Step:
    reads = step.reads[:, (step.reads[0] >= start) & (step.reads[0] < stop)]
    reads = reads - np.array([[start], [0], [0]])
    groups = [_clipped(group, start, stop) for group in step.groups]
    cut = slice(start, stop)
    return replace(
        step,
        nodes=step.nodes[cut],
        tokens=step.tokens[cut],
        depths=step.depths[cut],
        groups=tuple(group for group in groups if group.rows),
        keep=step.keep + start if step.keep >= 0 else -1,
        reads=reads,
    )


def _clipped(group: Group, start: int, stop: int) -> Group:
    """Return the group's segments within a stretch of the step, which is cut between segments."""
    starts = group.start + group.length * np.arange(group.rows)
    inside = (starts >= start) & (starts < stop)
    first = int(starts[inside][0]) - start if inside.any() else 0
    return Group(first, group.length, group.fetch[inside], group.depths[inside])
