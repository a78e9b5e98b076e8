"""How often texts are called supported: on random vectors, at places where they are true, and vague ones anywhere."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from backends.engine.evaluating.controls.arithmetic import share
from backends.engine.evaluating.controls.bench import BUILD, ControlBench
from backends.engine.evaluating.controls.judging import Bulk, fresh_vectors
from backends.engine.likelihood import encode_text
from backends.engine.training.progress import Progress
from investigator.errors import WorkbenchError
from investigator.records import Figure

_VECTORS, _LABELS = 1000, 100
"""Random vectors, and labels that they share out among them: what a label costs is its background."""
_TRUE, _VAGUE_PLACES = 160, 10
Steps = Iterator[Progress | Figure]


def _missing(names: dict[str, str]) -> list[Figure]:
    return [
        Figure(name, None, "share", target, None, f"needs the thresholds {BUILD}") for name, target in names.items()
    ]


def random_figure(bench: ControlBench) -> Steps:
    """Yield `random_supported_share`: random labels on random vectors of both kinds."""
    name, target = "random_supported_share", "<= 0.05"
    if bench.artefacts is None:
        yield from _missing({name: target})
        return
    count = bench.options.count(_VECTORS)
    draw = bench.random(1)
    pool = draw.permutation(bench.scorable)[: bench.options.count(_LABELS)]
    # Each label meets both kinds of vectors: the first half of them is of one kind, the second of the other.
    labels = pool[np.arange(count) % len(pool)]
    bulk = Bulk(bench, fresh_vectors(bench, count, 2), [bench.ids[label] for label in labels])
    yield from bulk.measure("random labels on random vectors")
    verdicts = bulk.verdicts()
    supported = np.array([verdict == "supported" for verdict in verdicts])
    value, interval = share(supported, labels, bench.options.seed)
    half = count // 2
    beside = (
        f"{count} random vectors, {len(pool)} labels; covariance {supported[:half].mean():.3f}, "
        f"every direction {supported[half:].mean():.3f}; interval over labels"
    )
    yield Figure(name, value, "share", target, interval, beside)


def true_figures(bench: ControlBench) -> Steps:
    """Yield `true_supported_share` and `true_vague_share`: the label of the strongest active latent at its place.

    Strongest by robust z among latents that fire on at most 1 % of tokens (L2EL, appendix A) and have a label.
    """
    targets = {"true_supported_share": ">= 0.25", "true_vague_share": "<= 0.05"}
    if bench.artefacts is None:
        yield from _missing(targets)
        return
    best = bench.test.best
    label = np.where(best >= 0, bench.labels.of_latent[np.maximum(best, 0)], -1)
    strongest = label[np.arange(len(label)), (label >= 0).argmax(axis=1)]
    places = bench.one_a_document(np.isin(strongest, bench.scorable), 3)[: bench.options.count(_TRUE)]
    bulk = Bulk(bench, bench.vectors(places), [bench.ids[label] for label in strongest[places]])
    yield from bulk.measure("true labels")
    verdicts = np.array(bulk.verdicts())
    unseen = bench.labels.heldout[strongest[places]]
    for name, verdict in zip(targets, ("supported", "fits almost anything"), strict=True):
        hit = verdicts == verdict
        value, interval = share(hit, np.arange(len(hit)), bench.options.seed)
        rare = f"; never-trained labels {hit[unseen].mean():.3f} of {int(unseen.sum())}" if unseen.any() else ""
        yield Figure(name, value, "share", targets[name], interval, f"{len(hit)} places, one a document{rare}")


def vague_sentences(bench: ControlBench) -> list[str]:
    """Return the hand-written vague sentences; raise WorkbenchError where there are none."""
    file = bench.folders.root / "heldout" / "vague.txt"
    if not file.is_file():
        raise WorkbenchError(f"There are no vague sentences in {file}.", "Write some, one a line.")
    return [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]


def vague_figure(bench: ControlBench) -> Steps:
    """Yield `vague_share`: hand-written vague sentences at test places, the share not called supported."""
    name, target = "vague_share", ">= 0.9"
    if bench.artefacts is None:
        yield from _missing({name: target})
        return
    texts = vague_sentences(bench)[: bench.options.count(200)]
    ids = [encode_text(bench.reader.subject, text, slots=bench.reader.slots) for text in texts]
    places = bench.one_a_document(np.ones(len(bench.test.documents), dtype=bool), 4)
    pairs = [(text, places[(text * _VAGUE_PLACES + turn) % len(places)])
             for text in range(len(ids)) for turn in range(_VAGUE_PLACES)]  # fmt: skip
    which = np.array([text for text, _ in pairs])
    bulk = Bulk(bench, bench.vectors([place for _, place in pairs]), [ids[text] for text in which])
    yield from bulk.measure("vague sentences")
    verdicts = np.array(bulk.verdicts())
    value, interval = share(verdicts != "supported", which, bench.options.seed)
    beside = (
        f"{len(texts)} sentences, {_VAGUE_PLACES} places each; fits almost anything "
        f"{(verdicts == 'fits almost anything').mean():.3f}; interval over sentences"
    )
    yield Figure(name, value, "share", target, interval, beside)
