"""Checks of a reader: does its mapper belong to this subject, layer and label set?"""

from __future__ import annotations

from pathlib import Path

from backends.engine import fingerprints
from backends.engine.doctor.injected import check_injected
from backends.engine.doctor.lines import Checks, error, ok, warning
from backends.engine.facts import SubjectFacts
from investigator.settings import Backend
from investigator.workbench import ReaderEntry, Workbench

# Beyond so many labels, scoring all of them takes longer than anybody likes to look at an empty pane.
_MANY_LABELS = 4096


def check_reader(
    name: str, entry: ReaderEntry, workbench: Workbench, base: Path, facts: SubjectFacts | None, settings: Backend
) -> Checks:
    """Check one reader against its subject (None where that could not be read)."""
    if entry.kind != "soft_prompt":
        yield from check_injected(name, entry, base, facts, settings)
        return
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
    yield from _index(name, entry, workbench, base)


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


def _index(name: str, entry: ReaderEntry, workbench: Workbench, base: Path) -> Checks:
    """Check the label index; few labels need none, because all of them are scored within seconds."""
    from backends.engine import labels
    from backends.engine.index import label_card
    from backends.engine.readers import soft_prompt

    title, statistics = f"reader {name}: label index", workbench.subjects[entry.subject].statistics
    if not entry.sae or not workbench.saes[entry.sae].labels or not statistics:
        return
    found = labels.read(base / workbench.saes[entry.sae].labels)
    prints = fingerprints.of_file(base / entry.path / soft_prompt.WEIGHTS), fingerprints.of_file(base / statistics)
    key = label_card.key(prints[0], found.list_fingerprint, prints[1])
    for folder in filter(Path.is_dir, label_card.places(base / entry.path, key)):
        card = label_card.read_card(folder)
        if card is None:
            yield warning(title, f"It is only half-built, in {folder}.", label_card.AGAIN)
            return
        share = f"{100 * card.gap.rescored:.0f} % of the best {card.gap.top} by gap"
        yield ok(title, f"{card.identity.texts} labels; {card.gap.candidates} exact scores find {share}.")
        return
    if len(found.texts) > _MANY_LABELS:
        yield warning(
            title,
            f"There is none, so a ranking shows nothing before it has scored some of {len(found.texts)} labels.",
            "Make it with `investigator index labels`.",
        )
