"""`evaluate paper-tables`: asks the questions, writes the page, and reports how many cells it filled."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from backends.engine.engine import WorkbenchEngine
from backends.engine.evaluating.paper import page
from backends.engine.evaluating.paper.asking import Place, open_engine, search
from backends.engine.evaluating.paper.printed import HARRY_POTTER, OWN_SENTENCE, TABLES, Printed
from backends.engine.readers.reader import open_reader, reader_name
from backends.engine.training.folders import write_atomically
from backends.engine.training.progress import Progress
from investigator.records import Figure
from investigator.text import markdown

_HEAD = """# The tables of the L2EL paper, on pocket

Made by `investigator evaluate paper-tables --out docs/paper-tables.md`; run it again to make it again. The form is that
of tables 1 to 6 and figure 2 of *Open-Vocabulary Natural-Language Explanations of LLM Activations via Soft Prompts*
(Bussmann). What the paper prints stands beside, and little can be compared, because the setting is another:

| | the paper | here |
|---|---|---|
| subject | Gemma-2-2B, layer 10 of 26 | pocket, {parameters:.1f} million parameters, layer {layer} of {layers} |
| dictionary | GemmaScope, 65,000 latents | {latents:,} latents |
| labels | written by a language model (Neuronpedia) | {labels:,} distinct, most [read](pocket.md#labels-from-reading) |
| mapper | p_i = gamma_i h + b_i, 51.2 million tokens | form `{form}`, {slots} slots, {steps:,} steps |
| sampling | tau 1.0, top-p 0.9, 50 drawn, MMR beta 0.2 | the same |

pocket has never heard of LeBron or Oktoberfest, and reads such names as pieces of words; so each table is asked at the
paper's prompt and at one of the same kind that pocket can know. Numbers in brackets are average log-probability in nats
a token, the gap above the layer's background, and the verdict (drawn texts are judged against what random vectors
draw). The paper prints no such controls. The source is always the prompt's last token.
"""


def write_paper_tables(workbench: Path, out: Path, *, device: str = "cpu") -> Iterator[Progress | Figure | str]:
    """Write the page to `out` in one step, yielding progress, then figures of what stands on it, and a sentence."""
    total = 2 * len(TABLES) + 2
    yield Progress(0, total, "opening the workbench")
    engine = open_engine(workbench, device)
    parts, filled, supported, done = [_HEAD.format(**_facts(engine))], 0, 0, 0
    for printed in TABLES:
        if printed.number == 3:
            parts.append("")
        section = [f"## Table {printed.number}", page.as_printed(printed)]
        for prompt in (printed.prompt, printed.own):
            done += 1
            yield Progress(done, total, f"table {printed.number}")
            text, scores = _own_table(Place(engine, prompt), printed)
            section.append(text)
            filled += len(scores)
            supported += scores.count("supported")
        parts.append("\n\n".join(section))
    found = []
    for sentence in (HARRY_POTTER, OWN_SENTENCE):
        done += 1
        yield Progress(done, total, "table 2")
        found.append((sentence, search(engine, sentence)))
    parts[2] = f"## Table 2\n\n{page.hits_page(found)}"
    text = "\n\n".join(part.strip("\n") for part in parts) + "\n"
    write_atomically(out, lambda path: _write(path, text))
    yield Figure("paper_tables", float(len(TABLES) + 1), "tables")
    yield Figure("paper_rows", float(filled), "texts", "", None, f"{supported} of them supported")
    yield f"The tables were written to {out.name}."


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _own_table(place: Place, printed: Printed) -> tuple[str, list[str | None]]:
    """Return one table on pocket, and its texts' verdicts."""
    left = page.by_activation(place.features())
    extra = ""
    if printed.ranked:
        labels = place.labels()
        right = [page.ranked(row) for row in labels.rows]
        verdicts: list[str | None] = [row.score.verdict for row in labels.rows]
        extra = f"\n\nFigure 2 as a table, the frontier of {labels.total:,} labels:\n\n{page.frontier(labels)}"
    else:
        rows = place.explanations().rows[: len(printed.by_l2el)]
        right = [page.drawn(row) for row in rows]
        verdicts = [row.score.verdict for row in rows]
    head = ("top by SAE activation (activation)", "top by log-prob" if printed.ranked else "top generated")
    said = f"On pocket, at `{place.prompt}` (last token “{markdown(place.token.strip())}”):"
    return f"{said}\n\n{page.table(head, page.side_by_side(left, right))}{extra}", verdicts


def _facts(engine: WorkbenchEngine) -> dict[str, object]:
    subject = engine.parts.subject()
    layer = engine.parts.default_layer(subject.name)
    reader = open_reader(engine, reader_name(engine, "", subject.name, layer))
    return {
        "parameters": sum(p.numel() for p in subject.model.parameters()) / 1e6,
        "layer": layer,
        "layers": subject.layers,
        "latents": engine.parts.latents(reader.sae),
        "labels": len(engine.parts.labels(reader.sae).texts),
        "form": reader.mapper.card.form,
        "slots": reader.slots,
        "steps": reader.mapper.card.steps,
    }
