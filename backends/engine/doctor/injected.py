"""Checks of readers that inject: files, spec, memory before loading, reconstructor, and the test of a loaded one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from backends.engine.doctor.lines import Checks, error, ok, warning
from backends.engine.facts import SubjectFacts
from investigator.errors import WorkbenchError
from investigator.records import CheckRow
from investigator.settings import Backend
from investigator.workbench import ReaderEntry

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine
    from backends.engine.readers.sidecar import Sidecar
    from backends.engine.readers.spec import InjectionSpec

_WHERE = {"embedding": "in place of an embedding", "block_in": "at the input of block", "block_out": "after block"}


def check_injected(name: str, entry: ReaderEntry, base: Path, facts: SubjectFacts | None, settings: Backend) -> Checks:
    """Check one reader without loading it; raise WorkbenchError where its files do not make a reader."""
    from backends.engine.readers.kinds import spec_of
    from backends.engine.readers.sidecar import read_sidecar
    from backends.engine.readers.weights import folder_of

    title = f"reader {name}"
    folder = folder_of(entry.path, entry.revision, base, download=False) if entry.path else None
    spec = spec_of(name, entry, folder, chat=bool(facts and facts.chat))
    if entry.kind == "nla" and folder is not None:
        sidecar = read_sidecar(folder)
        wrong = _misfit(sidecar, "av", entry, facts)
        if wrong:
            yield error(title, wrong, f"Mend [readers.{name}], or give a verbalizer of this model and layer.")
            return
    yield ok(title, f"{entry.kind}, {_said(spec)}, at {'any layer' if entry.layer == -1 else f'layer {entry.layer}'}.")
    if folder is not None:
        yield from _memory(name, entry, folder, base, settings)
    if entry.reconstructor:
        yield from _reconstructor(name, entry, base, facts)
    else:
        yield ok(f"reader {name}: fidelity", "It has no reconstructor, so its texts carry no fidelity.")


def _said(spec: InjectionSpec) -> str:
    number = "" if spec.site == "embedding" else " of the layer it reads" if spec.block == -1 else f" {spec.block}"
    length = {"raw": "as long as it is", "fixed": f"at length {spec.scale:g}"}.get(
        spec.norm, "as long as what is there"
    )
    return f"{spec.operation} {_WHERE[spec.site]}{number}, {length}"


def _misfit(sidecar: Sidecar, role: str, entry: ReaderEntry, facts: SubjectFacts | None) -> str:
    if sidecar.role != role:
        return f"Its sidecar says role {sidecar.role}, not {role}."
    if facts and sidecar.width != facts.width:
        return f"It is made for vectors of width {sidecar.width}, but {entry.subject} has width {facts.width}."
    if sidecar.layer not in (-1, entry.layer) and entry.layer != -1:
        return f"It was trained at layer {sidecar.layer}, but the workbench says layer {entry.layer}."
    return ""


def _memory(name: str, entry: ReaderEntry, folder: Path, base: Path, settings: Backend) -> Checks:
    """Say what loading takes: of whole weights as the dtype it will have, of an adapter next to nothing."""
    from backends.engine import loading
    from backends.engine.readers.weights import folder_of, is_adapter, needed

    title, device = f"reader {name}: memory", loading.pick_device(settings.device)
    adapter = is_adapter(folder)
    if adapter:
        need = needed(folder, "float32", device)
        yield ok(title, f"An adapter: {need.said} It shares its base's weights.")
    whole = folder if not adapter else folder_of(entry.base, entry.revision, base, download=False)
    if adapter and not entry.base:
        return
    need = needed(whole, entry.dtype or settings.dtype, device)
    try:
        need.check(f"The model in {whole}")
    except WorkbenchError as failure:
        yield error(f"{title} of its model", failure.message, failure.mend)
        return
    yield ok(f"{title} of its model", need.said)


def _reconstructor(name: str, entry: ReaderEntry, base: Path, facts: SubjectFacts | None) -> Checks:
    from backends.engine.readers.sidecar import read_sidecar
    from backends.engine.readers.weights import folder_of, size

    title = f"reader {name}: reconstructor"
    folder = folder_of(entry.reconstructor, entry.revision, base, download=False)
    wrong = _misfit(read_sidecar(folder), "ar", entry, facts)
    if wrong:
        yield error(title, wrong, f"Mend `reconstructor` in [readers.{name}].")
        return
    stored = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    yield ok(title, f"Every text it writes is turned back into an activation ({size(stored)} on disk).")


def check_loaded(engine: WorkbenchEngine, name: str) -> CheckRow:
    """Test a reader that is loaded, or that loads within moments; a failure is a line too."""
    from backends.engine.readers.announcing import loads_weights
    from backends.engine.readers.injecting import InjectionReader
    from backends.engine.readers.reader import open_reader
    from backends.engine.readers.self_test import check_itself

    title = f"reader {name}: self-test"
    if loads_weights(engine, name):
        return warning(title, "It is not loaded, so it has not tested itself.", "Ask it something, then look again.")
    try:
        reader = open_reader(engine, _at(engine, name))
        assert isinstance(reader, InjectionReader)
        return ok(title, check_itself(reader).said)
    except WorkbenchError as failure:
        return error(title, failure.message, failure.mend)


def _at(engine: WorkbenchEngine, name: str) -> str:
    """Return the name of a reader at the layer that it, or else its subject, opens at."""
    entry = engine.parts.reader_entry(name)
    if entry.layer != -1:
        return name
    return engine.parts.reader_at(name, entry.subject, engine.parts.default_layer(entry.subject))
