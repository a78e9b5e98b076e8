"""Checks of an SAE: width, hook point, labels and latent statistics."""

from __future__ import annotations

from pathlib import Path

from backends.engine import files, labels
from backends.engine import saes as reading
from backends.engine.doctor.lines import Checks, error, ok, warning
from backends.engine.facts import SubjectFacts, of_sae
from investigator.records import CheckRow
from investigator.workbench import SaeEntry


def check_sae(name: str, entry: SaeEntry, base: Path, facts: SubjectFacts | None) -> Checks:
    """Check one SAE against its subject (None where that could not be read)."""
    title = f"SAE {name}"
    found = of_sae(entry, base)
    if found is None:
        yield warning(
            title,
            f"It is {entry.release}/{entry.id}, which sae-lens loads when it is first asked for.",
            "Nothing need be done where the machine reaches the hub.",
        )
        return
    if facts and found.width != facts.width:
        yield error(
            title,
            f"It reads vectors of width {found.width}, but {entry.subject} has width {facts.width}.",
            "Give an SAE that was trained on this model.",
        )
    else:
        how = "read directly" if found.plain else "read by sae-lens"
        yield ok(title, f"{found.kind}, {found.latents:,} latents, {how}.")
    yield _hook(name, entry, base, facts)
    yield from _labels(name, entry, base, found.latents)
    yield from _statistics(name, entry, base, found.latents)


def _hook(name: str, entry: SaeEntry, base: Path, facts: SubjectFacts | None) -> CheckRow:
    title = f"SAE {name}: hook point"
    if facts and not 0 <= entry.layer < facts.layers:
        return error(
            title, f"Layer {entry.layer} does not exist.", f"Set `layer` to 0 to {facts.layers - 1} in [saes.{name}]."
        )
    card = base / entry.path / reading.CARD
    hook, layer = reading.hook_layer(files.read_json(card)) if card.is_file() else ("", None)
    if layer is None:
        said = f"Its card names {hook or 'no hook point'}; the output of block {entry.layer} is taken."
        return ok(title, said) if not hook else warning(title, said, "Check that it reads the residual stream.")
    if layer != entry.layer:
        return error(
            title,
            f"Its card says {hook}, which is the output of block {layer}, but the workbench says layer {entry.layer}.",
            f"Set `layer = {layer}` in [saes.{name}].",
        )
    if "resid" not in hook:
        return error(title, f"Its card says {hook}, which is not the residual stream.", "Give a residual-stream SAE.")
    return ok(title, f"{hook}, the output of block {layer}.")


def _labels(name: str, entry: SaeEntry, base: Path, latents: int) -> Checks:
    title = f"SAE {name}: labels"
    if not entry.labels:
        yield warning(title, "It has none, so latents are numbers only.", f"Name a label file in [saes.{name}].")
        return
    found = labels.read(base / entry.labels)
    if found.largest >= latents:
        yield error(
            title,
            f"They name latent {found.largest}, but there are {latents}.",
            "Give the label file that was made for this SAE.",
        )
        return
    share = found.labelled / max(latents, 1)
    said = f"{found.labelled:,} of {latents:,} latents ({share:.0%}) have one; {len(found.texts):,} are distinct."
    yield ok(title, said) if found.labelled else warning(title, said, "Give a label file that was made for this SAE.")


def _statistics(name: str, entry: SaeEntry, base: Path, latents: int) -> Checks:
    title = f"SAE {name}: statistics"
    if not entry.statistics:
        yield warning(
            title,
            "There are none, so z and firing rate are shown as 0 and pages have no excerpts.",
            "Measure them with `investigator train statistics`.",
        )
        return
    shapes = {
        key: value["shape"] for key, value in files.header(base / entry.statistics / "latents.safetensors").items()
    }
    wrong = [key for key in ("rate", "median", "iqr", "maximum") if shapes.get(key) != [latents]]
    if wrong:
        yield error(
            title,
            f"{', '.join(wrong)} are not there for {latents} latents.",
            "Measure them on this SAE with `investigator train statistics`.",
        )
        return
    excerpts = any((base / entry.statistics).glob("contexts.jsonl.*"))
    yield ok(title, "Rate, median, IQR" + (" and top excerpts." if excerpts else "; no excerpts."))
