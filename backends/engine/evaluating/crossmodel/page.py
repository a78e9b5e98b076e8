"""docs/bridge.md: one cross-model investigation, step by step, with real outputs and the paper's numbers beside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from backends.engine.crossmodel.page import of_map
from backends.engine.evaluating.paper.asking import ask
from investigator.records import Compared, Figure
from investigator.sources import Decoder, Residual, Source
from investigator.table import Table
from investigator.tables import tables_of
from investigator.text import markdown
from investigator.wire import Compare

if TYPE_CHECKING:
    from backends.engine.evaluating.crossmodel.run import Evaluation
    from backends.engine.readers.reader import Reader

SHOWN = 8
"""Latents whose texts stand on the page, the first that were drawn: none is picked for being clear."""
PAPER = {
    "lift_c1": "+0.163 [+0.118, +0.207], p 3.9e-9",
    "lift_c2": "+0.209 [+0.161, +0.257], p 3.0e-11",
    "map_cosine": "0.868",
}
"""What the cross-model NLA post prints."""


def page(found: Evaluation) -> str:
    """Return the page; asks the two comparisons that it shows."""
    parts = [_head(found), _map(found), *_investigation(found), _figures(found), _examples(found)]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


_HEAD = """# From one model to another

Made by `investigator evaluate bridge --out docs/bridge.md`; run it again to make it again.

A reader is trained on one model and one layer. *Cross-model NLA* carries a direction of another model to it with a
linear map and finds that what it then says still fits. Here that is a question like any other: `X` in the app,
`investigator compare` in a shell, `Investigator.compare` in Python. This page takes one token and one direction through
it, then says what the map is worth over many directions. The setting is not the paper's:"""


def _head(found: Evaluation) -> str:
    at, card = found.at, found.at.map.card
    rows = (
        ("", "the paper", "here"),
        ("---", "---", "---"),
        ("model A", "Qwen2.5-7B-Instruct, layer 20 of 28", _model(at.own)),
        ("model B", "Gemma-3-27B-IT, layer 41 of 62", _model(at.there)),
        (
            "readers",
            "natural language autoencoders, trained by reward",
            f"{markdown(at.own.name)} and {markdown(at.there.name)}",
        ),
        (
            "map",
            "ridge, lambda 100, 1000 Wikitext sentences, 20 % held out",
            f"{_kind(found)}, {card.sentences + card.heldout:,} sentences, {card.heldout:,} held out",
        ),
        (
            "directions",
            "45 of a Matryoshka SAE, picked",
            f"{len(at.tested)} of {markdown(at.sae)}, drawn; {at.unseen} with labels that entered no training",
        ),
        (
            "texts",
            "one each, sampled",
            "four each, sampled at temperature 0.7 with a seed a condition; cosines are means over all pairs",
        ),
        ("embedder", "all-MiniLM-L6-v2", markdown(found.heard.embedder.name)),
        ("washout weight", "not told", f"{found.weight:g}, chosen on {len(at.tuned)} other directions"),
    )
    return _HEAD + "\n\n" + "\n".join(map(_line, rows))


def _model(reader: Reader) -> str:
    subject = reader.subject
    return f"{markdown(subject.name)} ({subject.family}), layer {reader.layer} of {subject.layers}"


def _kind(found: Evaluation) -> str:
    card = found.at.map.card
    return f"ridge, lambda {card.penalty:g}" if card.penalty is not None else "orthogonal Procrustes"


def _map(found: Evaluation) -> str:
    source, target = found.at.map.card.source, found.at.map.card.target
    command = (
        f"investigator train map --from {source.subject}:{source.layer} --to {target.subject}:{target.layer} --out map"
    )
    body = of_map(found.at.map.card).partition("\n")[2]
    said = (
        "Its cosine alone says little: activations of a layer point one way, so the mean predictor has most of it. "
        "What counts is the variance explained beside shuffled pairs, and lift, below."
    )
    return f"## 1. The map\n\n```sh\n{command}\n```\n{body}\n{said}"


def _investigation(found: Evaluation) -> Iterator[str]:
    at = found.at
    prompt = at.engine.workbench.example
    ids = tuple(at.own.subject.encode(prompt))
    token: Source = Residual(at.own.subject.name, ids, at.own.layer, len(ids) - 1)
    asked = f"```sh\ninvestigator compare '{prompt}' --token -1 --layer {at.own.layer} --map {at.name} --controls\n```"
    yield f"## 2. A token\n\n{asked}\n\n{_compared(found, token)}"
    latent = at.tested[0]
    asked = f"```sh\ninvestigator compare --source '{at.sae}#{latent}' --map {at.name} --controls\n```"
    words = f"Latent {latent} of {markdown(at.sae)}, whose label is “{markdown(at.label(latent))}”."
    words += " It has no text, so the second model has no native reading of it."
    yield f"## 3. A direction\n\n{words}\n\n{asked}\n\n{_compared(found, Decoder(at.sae, latent))}"


def _compared(found: Evaluation, source: Source) -> str:
    verb = Compare(source, found.at.name, found.weight, controls=True, methods=("drawn",), seed=found.seed)
    answer: Compared = ask(found.at.engine, verb)
    return "\n\n".join(_table(table) for table in tables_of(answer) if table.title == "Comparison")


def _table(table: Table) -> str:
    names = [name.removeprefix(">") for name in table.columns]
    lines = [_line(map(markdown, names)), _line("---" for _ in names)]
    return "\n".join([*lines, *(_line(map(markdown, row)) for row in table.rows)])


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _figures(found: Evaluation) -> str:
    lines = ["| figure | here | the paper | compared with |", "|---|---:|---:|---|"]
    for one in found.figures:
        between = "" if one.interval is None else f" [{one.interval[0]:+.3f}, {one.interval[1]:+.3f}]"
        value = "not measured" if one.value is None else f"{one.value:+.3f}{between}"
        lines.append(f"| {markdown(one.name)} | {value} | {PAPER.get(one.name, '')} | {markdown(one.compared_with)} |")
    table = "\n".join(lines)
    head = "## 4. Over many directions\n\n`investigator evaluate crossmodel --json` prints these."
    return f"{head}\n\n{table}\n\n{_read(found)}"


def _read(found: Evaluation) -> str:
    """Return what the figures allow to be said, by their intervals alone."""
    by_name = {one.name: one for one in found.figures}
    parts = []
    for name, what in (("lift_c1", "Mapped"), ("lift_c2", "Washed")):
        parts.append(f"{what} texts {_verdict(by_name[name])}.")
    nulls = [by_name[name] for name in ("lift_random", "lift_random_own", "lift_permuted_map")]
    outside = [one.name for one in nulls if one.interval and max(map(abs, one.interval)) > 0.03]
    parts.append(
        f"These controls do not lie within ±0.03, so part of the lift is not the direction's: {', '.join(outside)}."
        if outside
        else "Random directions and the map of shuffled pairs have none: their intervals lie within ±0.03."
    )
    return " ".join(markdown(part) for part in parts)


def _verdict(one: Figure) -> str:
    if one.interval is None or one.interval[0] <= 0 <= one.interval[1]:
        return "have no lift that could be told from none"
    return "have lift" if one.interval[0] > 0 else "fit other directions better than their own"


def _examples(found: Evaluation) -> str:
    at, texts = found.at, found.heard.texts
    lines = ["| latent | label | own | mapped (C1) | washed (C2) | lift C2 |", "|---:|---|---|---|---|---:|"]
    values = found.heard.values("washed")
    for row, latent in enumerate(at.tested[:SHOWN]):
        said = (texts[name][row][0] for name in ("own", "mapped", "washed"))
        cells = (str(latent), markdown(at.label(latent)), *map(markdown, said), f"{values[row]:+.2f}")
        lines.append(_line(cells))
    return "## 5. What they say\n\nThe first that were drawn, not the clearest:\n\n" + "\n".join(lines)
