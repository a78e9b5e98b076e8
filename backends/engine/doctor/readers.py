"""Checks of a reader: does its mapper belong to this subject, layer and label set?"""

from __future__ import annotations

from pathlib import Path

from backends.engine import fingerprints
from backends.engine.doctor.lines import Checks, error, ok, warning
from backends.engine.facts import SubjectFacts
from investigator.workbench import ReaderEntry, Workbench


def check_reader(name: str, entry: ReaderEntry, workbench: Workbench, base: Path, facts: SubjectFacts | None) -> Checks:
    """Check one reader against its subject (None where that could not be read)."""
    from backends.engine import files
    from backends.engine.readers import soft_prompt

    title, folder = f"reader {name}", base / entry.path
    card = soft_prompt.read_card(folder)
    files.header(folder / soft_prompt.WEIGHTS)
    wrong = _misfit(entry, facts, card.width, card.layer)
    if wrong:
        yield error(title, wrong, f"Mend [readers.{name}], or train it anew with `investigator train mapper`.")
        return
    yield ok(title, f"A {card.form} mapper of {card.slots} slots at layer {card.layer}.")
    if facts and card.subject_fingerprint and card.subject_fingerprint != fingerprints.of(facts.folder):
        yield warning(
            f"{title}: subject",
            f"It was trained on other bytes than {entry.subject} has now.",
            "Train it anew with `investigator train mapper`, or open the model it was trained on.",
        )
    yield from _means(name, entry, workbench, folder)


def _misfit(entry: ReaderEntry, facts: SubjectFacts | None, width: int, layer: int) -> str:
    if facts and width != facts.width:
        return f"It maps vectors of width {width}, but {entry.subject} has width {facts.width}."
    if layer != entry.layer:
        return f"It was trained at layer {layer}, but the workbench says layer {entry.layer}."
    return ""


def _means(name: str, entry: ReaderEntry, workbench: Workbench, folder: Path) -> Checks:
    title = f"reader {name}: label means"
    if not entry.sae or not workbench.saes[entry.sae].labels:
        return
    if (folder / "label_means.safetensors").is_file():
        yield ok(title, "Every label's mean score over the background is stored.")
        return
    yield warning(
        title,
        "Every label's mean score over the background is not stored, so the first ranking by gap computes it.",
        "Store it with `investigator train mapper`.",
    )
