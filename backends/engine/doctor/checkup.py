"""The whole checkup of one workbench file, line by line."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

from backends.engine.doctor.fitting import check_fit
from backends.engine.doctor.lines import Checks, guarded, ok
from backends.engine.doctor.machine import check_device, check_dtype, check_heldout
from backends.engine.doctor.readers import check_reader
from backends.engine.doctor.saes import check_sae
from backends.engine.doctor.subjects import check_subject
from backends.engine.facts import SubjectFacts, of_subject, wants_bos
from investigator import workbench as workbenches
from investigator.errors import InvestigatorError
from investigator.records import CheckRow
from investigator.settings import Settings
from investigator.workbench import Workbench


def check_workbench(file: Path, settings: Settings, *, loaded: bool = False) -> Checks:
    """Yield a line a check; never raises, also where the engine cannot load the workbench.

    loaded: whether this very process holds it already, so that what it takes counts as free.
    """
    books: list[Workbench] = []

    def read() -> list[CheckRow]:
        books.append(workbenches.load(file))
        found = books[0]
        named: dict[str, Iterable[str]] = {"subjects": found.subjects, "SAEs": found.saes, "readers": found.readers}
        counts = "; ".join(f"{kind}: {', '.join(table) or 'none'}" for kind, table in named.items())
        return [ok("workbench", f"{found.name}, {counts}.")]

    yield from guarded("workbench", read)
    for found in books:
        yield from _check_parts(found, file.parent, settings)
        fit = partial(check_fit, found, file.parent, settings.backend, loaded=loaded)
        yield from guarded("memory", fit)
    yield from guarded("device", lambda: check_device(settings.backend))
    yield from guarded("dtype speed", lambda: check_dtype(settings.backend))


def _check_parts(found: Workbench, base: Path, settings: Settings) -> Checks:
    facts: dict[str, SubjectFacts | None] = {name: _facts(found, name, base) for name in found.subjects}
    for name, subject in found.subjects.items():
        bos = any(_bos(found, key, base) for key, entry in found.saes.items() if entry.subject == name)
        check = partial(check_subject, name, subject, base, settings.backend, bos=bos)
        yield from guarded(f"subject {name}", check)
    for name, sae in found.saes.items():
        yield from guarded(f"SAE {name}", partial(check_sae, name, sae, base, facts[sae.subject]))
    for name, reader in found.readers.items():
        yield from guarded(
            f"reader {name}", partial(check_reader, name, reader, found, base, facts[reader.subject], settings.backend)
        )
    for name in found.maps:
        yield from guarded(f"map {name}", partial(_check_map, name, found, base, settings))
    yield from guarded("held-out documents", lambda: check_heldout(found.heldout, base))


def _check_map(name: str, found: Workbench, base: Path, settings: Settings) -> Checks:
    from backends.engine.doctor.maps import check_map

    yield from check_map(name, found, base, settings)


def _facts(found: Workbench, name: str, base: Path) -> SubjectFacts | None:
    """Return a subject's facts, None where they cannot be read: its own check then says why."""
    try:
        return of_subject(found.subjects[name], base)
    except InvestigatorError:
        return None


def _bos(found: Workbench, name: str, base: Path) -> bool:
    """Whether an SAE wants BOS; an SAE that cannot be read has a line of its own."""
    try:
        return wants_bos(found.saes[name], base)
    except InvestigatorError:
        return False
