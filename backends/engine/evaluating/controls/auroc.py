"""AUROC of active latents' labels against the others, place by place and then averaged, with every baseline."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass

import numpy as np

from backends.engine.evaluating.controls import baselines, embedding, prompt_only
from backends.engine.evaluating.controls.arithmetic import Flags, Floats, auroc, share
from backends.engine.evaluating.controls.bench import ControlBench, Ints
from backends.engine.evaluating.controls.tables import label_table
from backends.engine.training.progress import Progress
from investigator.records import Figure

_PLACES = 120
Steps = Iterator[Progress | Figure]
Columns = dict[str, Floats | str]
"""From a figure's name to its table [places, labels], or to why there is none."""
_BESIDE = {
    "auroc_token": "how often a label is active at this token id, counted on tune documents",
    "auroc_prior": "log p at the mean of the mapper's output (of its input for the paper's form)",
    "auroc_prompt_only": "the reader trained on the text up to the token, gap with gap",
    "auroc_embedding": "MiniLM's cosine of label and context up to the token",
    "auroc_embedding_window": "the same, the last {} tokens of the context alone",
    "auroc_nearest": "labels of the nearest activation of the tune documents",
}


@dataclass(frozen=True)
class Truth:
    """Which labels are true at each place, [places, labels]."""

    active: Flags
    """An active latent carries it."""
    drawn: Flags
    """One of the five strongest rare latents does, the only ones that training draws from."""

    def among(self, which: Flags) -> Truth:
        """Return the same for some of the labels."""
        return Truth(self.active[:, which], self.drawn[:, which])


def auroc_figures(bench: ControlBench) -> Steps:
    """Yield `auroc` and its baselines for labels of the training strings, and with `_unseen` for the others."""
    places = bench.one_a_document(np.ones(len(bench.test.documents), dtype=bool), 9)
    places = places[: bench.options.count(_PLACES)]
    truth = Truth(baselines.actives(bench, places), baselines.drawn_from(bench, places))
    columns = yield from _columns(bench, places)
    for suffix, own in (("", ~bench.labels.heldout), ("_unseen", bench.labels.heldout)):
        which = own & np.isin(np.arange(len(own)), bench.scorable)
        tables = {name: table if isinstance(table, str) else table[:, which] for name, table in columns.items()}
        yield from _figures(bench, tables, truth.among(which), suffix)


def _columns(bench: ControlBench, places: Ints) -> Generator[Progress, None, Columns]:
    table = yield from label_table(bench, bench.vectors(places), "scoring labels at test places")
    assert bench.means.means is not None
    columns: Columns = {"auroc": table - bench.means.means.numpy(), "auroc_score": table}
    yield Progress(0, 1, "label frequencies of tokens, and the nearest stored activations")
    columns["auroc_token"] = baselines.by_token(bench, places)
    columns["auroc_prior"] = np.broadcast_to(baselines.by_prior(bench), table.shape)
    columns["auroc_prompt_only"] = yield from _from_text(bench, places)
    yield Progress(0, 1, "embedding labels and contexts")
    columns |= _embedded(bench, places)
    columns["auroc_nearest"] = baselines.by_nearest(bench, places)
    return columns


def _from_text(bench: ControlBench, places: Ints) -> Generator[Progress, None, Floats | str]:
    only = prompt_only.reader_of(bench)
    if only is None:
        return prompt_only.MISSING
    contexts = [bench.context(int(place)) for place in places]
    gaps = yield from prompt_only.gap_table(bench, only, contexts)
    return gaps if gaps is not None else "the texts before the background positions are not known"


def _embedded(bench: ControlBench, places: Ints) -> Columns:
    names = ("auroc_embedding", "auroc_embedding_window")
    if not embedding.installed():
        return dict.fromkeys(names, embedding.INSTALL)
    return dict(zip(names, baselines.by_embedding(bench, places), strict=True))


def _figures(bench: ControlBench, columns: Columns, truth: Truth, suffix: str) -> Iterator[Figure]:
    """Yield the baselines, then the reader's own figure, which says which of them it does not beat."""
    usable = np.flatnonzero(truth.active.any(axis=1) & ~truth.active.all(axis=1))
    found: dict[str, Floats] = {}
    for name, table in columns.items():
        if isinstance(table, str) or not len(usable):
            why = table if isinstance(table, str) else "no such label is active on the places drawn"
            yield Figure(f"{name}{suffix}", None, "share", "", None, why)
            continue
        found[name] = np.array([auroc(table[place], truth.active[place]) for place in usable])
        if name in _BESIDE:
            value, interval = share(found[name], np.arange(len(usable)), bench.options.seed)
            beside = _BESIDE[name].format(baselines.WINDOW) + _rare(table, truth)
            yield Figure(f"{name}{suffix}", value, "share", "", interval, beside)
    if found:
        yield _own(bench, found, suffix, truth.active[usable], _rare(columns["auroc"], truth))


def _rare(table: Floats | str, truth: Truth) -> str:
    """Return in words the mean where only what training draws from is true, other active labels left out."""
    values = []
    for row, active, drawn in zip(table, truth.active, truth.drawn, strict=True):
        kept = drawn | ~active
        if drawn.any() and not drawn[kept].all():
            values.append(auroc(np.asarray(row)[kept], drawn[kept]))
    return f"; labels that training draws from {np.mean(values):.3f}" if values else ""


def _own(bench: ControlBench, found: dict[str, Floats], suffix: str, active: Flags, rare: str) -> Figure:
    own = found["auroc"]
    value, interval = share(own, np.arange(len(own)), bench.options.seed)
    others = {name: values.mean() for name, values in found.items() if name in _BESIDE}
    above = [f"{name}{suffix}" for name, other in others.items() if other >= own.mean()]
    beside = (
        f"0.5 by chance; by raw score {found['auroc_score'].mean():.3f}; {len(own)} places, one a document, "
        f"{active.sum(1).mean():.1f} active of {active.shape[1]} labels{rare}; "
        + (f"not above {', '.join(above)}" if above else "above every baseline")
    )
    return Figure(f"auroc{suffix}", value, "share", "above each baseline", interval, beside)
