"""Provenance: what is needed to ask a question again and get the same bits."""

from __future__ import annotations

import datetime
import platform
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import torch

import investigator
from backends.build import build_id
from backends.engine import agreement, fingerprints, source_parts, vectors
from investigator.provenance import Part, Provenance
from investigator.sources import Mapped, Residual, Source, everything
from investigator.wire import (
    PROTOCOL,
    Agree,
    Compare,
    Contrast,
    Explain,
    Fetch,
    Find,
    Intervene,
    Open,
    RankLabels,
    ShowFeature,
    ShowFeatures,
    ShowLens,
    Sweep,
    Test,
    Verb,
)

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

_LIBRARIES = ("torch", "transformers", "tokenizers", "safetensors", "numpy")


def of(engine: WorkbenchEngine, verb: Verb) -> Provenance:
    """Return the provenance of a resolved verb: only the parts that it uses."""
    subject = engine.parts.subject(subject_of(engine, verb)) if engine.loaded else None
    return Provenance(
        protocol=PROTOCOL,
        version=investigator.__version__,
        build=build_id(),
        workbench=engine.name,
        parts=parts_of(engine, verb) if subject else {},
        device=str(subject.device) if subject else "",
        dtype=str(subject.dtype).removeprefix("torch.") if subject else "",
        threads=torch.get_num_threads(),
        seed=getattr(verb, "seed", None),
        libraries=libraries(),
        machine=machine(),
        asked_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
    )


def subject_of(engine: WorkbenchEngine, verb: Verb) -> str:
    """Return the name of the subject that a resolved verb asks about."""
    match verb:
        case Open() | Fetch():
            return verb.subject
        case ShowFeature():
            return engine.workbench.saes[verb.sae].subject
        case ShowFeatures() | RankLabels() | Explain() | ShowLens() | Contrast() | Compare() | Intervene() | Sweep():
            return vectors.place(verb.source, engine)[0]
        case Find():
            return engine.parts.reader_entry(verb.reader).subject
        case Test():
            return vectors.place(verb.sources[0], engine)[0]
    return engine.parts.subject_name()


def parts_of(engine: WorkbenchEngine, verb: Verb) -> dict[str, Part]:
    """Return the fingerprints of the model, SAE, labels, statistics and reader behind a resolved verb."""
    subject = engine.parts.subject(subject_of(engine, verb))
    parts = {"subject": Part(subject.name, subject.fingerprint, subject.revision)}
    sae = getattr(verb, "sae", "")
    reader = getattr(verb, "reader", "")
    if reader:
        entry = engine.parts.reader_entry(reader)
        parts["reader"] = Part(reader, engine.parts.once("print", f"reader {reader}", lambda: _print(engine, reader)))
        if entry.reconstructor:
            parts["reconstructor"] = Part(entry.reconstructor, _reconstructor(engine, reader))
        sae = sae or entry.sae
    if sae:
        parts |= _sae_parts(engine, sae)
    file = engine.workbench.subjects[subject.name].statistics
    if file and ("reader" in parts or any(not isinstance(source, Residual) for source in sources_of(verb))):
        parts["statistics"] = Part(file, engine.parts.layer_statistics(subject.name).fingerprint)
    if "reader" in parts and getattr(verb, "controls", isinstance(verb, Contrast)):
        parts |= _controls_parts(engine, reader)
    if isinstance(verb, Sweep):
        parts |= _sweep_parts(engine, verb)
    parts |= source_parts.of(engine, sources_of(verb))
    parts |= _map_parts(engine, verb)
    parts |= agreement.parts(engine, verb) if isinstance(verb, Agree) else {}
    if isinstance(verb, Find):
        parts["corpus"] = Part(verb.corpus, _corpus(engine, verb))
    return parts


def _sweep_parts(engine: WorkbenchEngine, verb: Sweep) -> dict[str, Part]:
    from backends.engine.sweeping import layers

    def prints(name: str) -> str:
        return engine.parts.once("print", f"reader {name}", lambda: _print(engine, name))

    return dict(layers.parts_of(engine, verb, prints))


def _map_parts(engine: WorkbenchEngine, verb: Verb) -> dict[str, Part]:
    """Return what a verb uses of another model: maps, that model, and its readers."""
    found = tuple(part for source in sources_of(verb) for part in everything(source))
    if not isinstance(verb, Compare) and not any(isinstance(part, Mapped) for part in found):
        return {}
    from backends.engine.crossmodel import origins

    return origins.parts(engine, verb, found)


def _controls_parts(engine: WorkbenchEngine, reader: str) -> dict[str, Part]:
    from backends.engine.controls.artefacts import artefacts_of
    from backends.engine.readers.announcing import loads_weights
    from backends.engine.readers.reader import open_reader

    if loads_weights(engine, reader):
        return {}
    found = artefacts_of(engine, open_reader(engine, reader))
    return {"controls": Part(reader, found.fingerprint)} if found else {}


def _corpus(engine: WorkbenchEngine, verb: Find) -> str:
    from backends.engine.index import corpora

    return corpora.fingerprint(engine, verb.corpus, engine.parts.reader_entry(verb.reader).layer)


def sources_of(verb: Verb) -> tuple[Source, ...]:
    """Return the sources that a verb asks about."""
    match verb:
        case ShowFeatures() | RankLabels() | Explain() | ShowLens() | Compare() | Sweep():
            return (verb.source,)
        case Contrast():
            return (verb.source, verb.other) if verb.other else (verb.source,)
        case Test():
            return verb.sources
        case Intervene():
            return (verb.source, verb.add) if verb.add is not None else (verb.source,)
    return ()


def _print(engine: WorkbenchEngine, reader: str) -> str:
    """Return the fingerprint of a reader's files and of what its entry changes, without loading any weights."""
    from backends.engine.readers.weights import folder_of

    entry = engine.parts.reader_entry(reader)
    own = fingerprints.of(folder_of(entry.path, entry.revision, engine.folder)) if entry.path else entry.kind
    return fingerprints.of_text(f"{own} {sorted(entry.injection.items())}") if entry.kind != "soft_prompt" else own


def _reconstructor(engine: WorkbenchEngine, reader: str) -> str:
    from backends.engine.readers.weights import folder_of

    entry = engine.parts.reader_entry(reader)
    folder = folder_of(entry.reconstructor, entry.revision, engine.folder)
    return engine.parts.once("print", f"reconstructor {folder}", lambda: fingerprints.of(folder))


def _sae_parts(engine: WorkbenchEngine, name: str) -> dict[str, Part]:
    entry = engine.workbench.saes[name]
    parts = {"sae": Part(name, engine.parts.sae(name).fingerprint)}
    if entry.labels:
        parts["labels"] = Part(entry.labels, engine.parts.labels(name).fingerprint)
    if entry.statistics:
        parts["latents"] = Part(entry.statistics, engine.parts.latent_statistics(name).fingerprint)
    return parts


@cache
def libraries() -> dict[str, str]:
    """Return the versions of Python and of the libraries that make numbers."""
    return {"python": platform.python_version()} | {name: _version(name) for name in _LIBRARIES}


def _version(name: str) -> str:
    """Return an imported module's own version, which costs no search of the installed packages."""
    found = getattr(sys.modules.get(name), "__version__", None)
    return str(found) if found else metadata.version(name)


@cache
def machine() -> str:
    """Return the processor, its threads and the system, in one line."""
    return f"{_processor()}, {torch.get_num_threads()} threads, {platform.system()} {platform.machine()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
