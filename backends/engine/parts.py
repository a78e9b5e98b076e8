"""The parts of an open workbench, each loaded when it is first needed and kept."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from backends.engine import facts, labels, loading, saes
from backends.engine.labels import LabelSet
from backends.engine.saes import Sae
from backends.engine.statistics import LatentStatistics, LayerStatistics
from backends.engine.subject import Subject
from investigator.errors import BadInput, WorkbenchError
from investigator.settings import Settings
from investigator.workbench import UNTRAINED, ReaderEntry, SaeEntry, Workbench

T = TypeVar("T")


class Parts:
    """Subjects, SAEs, labels and statistics by their names in the workbench file."""

    def __init__(self, workbench: Workbench, folder: Path, settings: Settings) -> None:
        self.workbench = workbench
        self.folder = folder
        """The workbench file's folder, to which its paths are relative."""
        self.settings = settings
        self._kept: dict[tuple[str, str], Any] = {}
        self._lock = threading.RLock()

    def once(self, kind: str, name: str, make: Callable[[], T]) -> T:
        """Return what `make` made for this kind and name the first time; a failure is not kept."""
        key = (kind, name)
        if key in self._kept:
            found: T = self._kept[key]
            return found
        with self._lock:
            if key not in self._kept:
                self._kept[key] = make()
            kept: T = self._kept[key]
            return kept

    def known(self, kind: str, name: str) -> bool:
        """Return whether `once` has made this already, so that asking for it costs nothing."""
        return (kind, name) in self._kept

    def path(self, relative: str) -> Path:
        """Return a path that the workbench file names."""
        return self.folder / Path(relative).expanduser()

    # Names and defaults

    def subject_name(self, name: str = "") -> str:
        """Return a subject's name, the first where none is given; raise BadInput for an unknown one."""
        if name and name not in self.workbench.subjects:
            raise BadInput(f"The workbench has no subject {name!r}.", f"It has: {', '.join(self.workbench.subjects)}.")
        return name or next(iter(self.workbench.subjects))

    def default_layer(self, name: str) -> int:
        """Return the layer that a subject opens at: its entry's, its first SAE's, else two thirds of its depth."""
        named = self.workbench.subjects[name].layer
        if named >= 0:
            return named
        own = [entry.layer for entry in self.workbench.saes.values() if entry.subject == name]
        return own[0] if own else (2 * facts.of_subject(self.workbench.subjects[name], self.folder).layers) // 3

    def sae_name(self, name: str, subject: str, layer: int) -> str:
        """Return an SAE's name, the first at the layer where none is given; raise BadInput where there is none."""
        if name:
            if name not in self.workbench.saes:
                known = ", ".join(self.workbench.saes) or "none"
                raise BadInput(f"The workbench has no SAE {name!r}.", f"It has: {known}.")
            return name
        own = {key: entry.layer for key, entry in self.workbench.saes.items() if entry.subject == subject}
        found = next((key for key, at in own.items() if at == layer), None)
        if found is None:
            others = ", ".join(f"{key} at layer {at}" for key, at in own.items())
            raise BadInput(
                f"No SAE reads layer {layer} of {subject}.",
                f"Ask at another layer: {others}." if others else "Add a [saes.NAME] table to the workbench.",
            )
        return found

    def reader_entry(self, name: str) -> ReaderEntry:
        """Return a reader's entry, its subject and layer filled in where the name says them (`NAME@SUBJECT/LAYER`)."""
        base, _, place = name.partition("@")
        if base not in self.workbench.readers and base not in UNTRAINED:
            raise BadInput(f"The workbench has no reader {base!r}.", f"It has: {self._readers()}.")
        entry = self.workbench.readers.get(base) or ReaderEntry(self.subject_name(), -1, kind=base)  # type: ignore[arg-type]
        subject, _, layer = place.rpartition("/")
        return msgspec.structs.replace(entry, subject=subject, layer=int(layer)) if place else entry

    def _readers(self) -> str:
        return ", ".join(dict.fromkeys((*self.workbench.readers, *UNTRAINED)))

    def reader_at(self, name: str, subject: str, layer: int) -> str:
        """Return the whole name of a reader at a place; raise BadInput where it does not read there."""
        entry = self.reader_entry(name)
        if "@" not in name and entry.layer == -1:
            if entry.kind not in UNTRAINED and entry.subject != subject:
                raise BadInput(f"{name} reads {entry.subject}, not {subject}.", f"Ask about {entry.subject}.")
            return f"{name}@{subject}/{layer}"
        if (entry.subject, entry.layer) != (subject, layer):
            raise BadInput(
                f"{name} reads layer {entry.layer} of {entry.subject}, not layer {layer} of {subject}.",
                f"Ask at layer {entry.layer}.",
            )
        return name

    # The parts themselves

    def subject(self, name: str = "") -> Subject:
        """Return a subject, loaded."""
        name = self.subject_name(name)
        return self.once("subject", name, lambda: self._load_subject(name))

    def _load_subject(self, name: str) -> Subject:
        subject = loading.load_subject(name, self.workbench.subjects[name], self.folder, self.settings.backend)
        entries: dict[str, SaeEntry | ReaderEntry] = {**self.workbench.readers, **self.workbench.saes}
        for key, entry in entries.items():
            anywhere = isinstance(entry, ReaderEntry) and entry.layer == -1
            if entry.subject == name and not anywhere and not 0 <= entry.layer < subject.layers:
                raise WorkbenchError(
                    f"{key} stands at layer {entry.layer}, but {name} has layers 0 to {subject.layers - 1}.",
                    f"Mend `layer` of {key} in the workbench.",
                )
        own = [entry for entry in self.workbench.saes.values() if entry.subject == name]
        subject.prepend_bos = any(facts.wants_bos(entry, self.folder) for entry in own)
        return subject

    def sae(self, name: str) -> Sae:
        """Return an SAE, loaded and found to fit its subject."""
        return self.once("sae", name, lambda: self._load_sae(name))

    def _load_sae(self, name: str) -> Sae:
        entry = self.workbench.saes[name]
        names = {"name": name, "subject": entry.subject}
        if entry.path:
            sae = saes.load(self.path(entry.path), layer=entry.layer, **names)
        elif entry.release:
            sae = saes.load_release(entry.release, entry.id, layer=entry.layer, **names)
        else:
            raise WorkbenchError(f"[saes.{name}] names neither a path nor a release.", "Add one of them.")
        self._check_sae(sae, entry.path or f"{entry.release}/{entry.id}")
        return sae

    def _check_sae(self, sae: Sae, where: str) -> None:
        width = self.subject(sae.subject).width
        if sae.width != width:
            raise WorkbenchError(
                f"The SAE {where} reads vectors of width {sae.width}, but {sae.subject} has width {width}.",
                f"Give [saes.{sae.name}] an SAE that was trained on this model.",
            )

    def latents(self, sae: str) -> int:
        """Return how many latents an SAE has, from its files' headers where they say it."""
        found = self.once("facts", sae, lambda: facts.of_sae(self.workbench.saes[sae], self.folder))
        return found.latents if found else self.sae(sae).latents

    def labels(self, sae: str) -> LabelSet:
        """Return an SAE's labels, empty where the workbench names none."""
        return self.once("labels", sae, lambda: self._load_labels(sae))

    def label_counts(self, sae: str) -> tuple[int, int]:
        """Return how many latents of an SAE have a label and how many labels differ, without keeping them."""
        file = self.workbench.saes[sae].labels
        if self.known("labels", sae) or not file:
            found = self.labels(sae)
            return found.labelled, len(found.texts)
        return self.once("label counts", sae, lambda: labels.count(self.path(file)))

    def _load_labels(self, name: str) -> LabelSet:
        file = self.workbench.saes[name].labels
        found = labels.read(self.path(file)) if file else LabelSet(())
        if found.labelled and found.largest >= self.latents(name):
            raise WorkbenchError(
                f"The labels {self.path(file)} name latent {found.largest}, but {name} has {self.latents(name)}.",
                "Give the label file that was made for this SAE.",
            )
        return found

    def latent_statistics(self, sae: str) -> LatentStatistics:
        """Return an SAE's statistics, zeros where the workbench names none."""
        folder = self.workbench.saes[sae].statistics
        return self.once(
            "latents", sae, lambda: LatentStatistics(self.latents(sae), self.path(folder) if folder else None)
        )

    def layer_statistics(self, subject: str) -> LayerStatistics:
        """Return a subject's layer statistics; raise WorkbenchError where the workbench names none."""
        return self.once("layers", subject, lambda: self._load_layers(subject))

    def _load_layers(self, name: str) -> LayerStatistics:
        file = self.workbench.subjects[name].statistics
        if not file:
            raise WorkbenchError(
                f"The workbench has no layer statistics for {name}, and this question needs them.",
                f"Measure them with `investigator train statistics` and name them in [subjects.{name}].",
            )
        subject = self.subject(name)
        return LayerStatistics.read(self.path(file), layers=subject.layers, width=subject.width)
