"""From an entry of the workbench to its InjectionSpec: what each kind's files say, then what the entry changes."""

from __future__ import annotations

from pathlib import Path

from backends.engine import files
from backends.engine.readers.sidecar import NAME as NLA_CARD
from backends.engine.readers.sidecar import read_sidecar, verbalizer_spec
from backends.engine.readers.spec import (
    LATENTQA,
    ORACLE,
    PATCHSCOPES,
    SAE_EXPLAINER,
    SELFIE,
    SELFIE_PLAIN,
    InjectionSpec,
    changed,
)
from investigator.errors import WorkbenchError
from investigator.workbench import ReaderEntry

ORACLE_CARD = "ao_config.json"
EXPLAINER_CARD = "hybrid_sft_metadata.json"
_PLACEHOLDERS = "{special_token} * {num_positions}"


def spec_of(name: str, entry: ReaderEntry, folder: Path | None, *, chat: bool) -> InjectionSpec:
    """Return a reader's spec, from its files and its entry; raise WorkbenchError where they do not make one.

    `chat` says whether what speaks has a chat template.
    """
    match entry.kind:
        case "nla":
            spec = verbalizer_spec(name, _folder(name, folder))
        case "oracle":
            spec = _oracle(name, _folder(name, folder))
        case "latentqa":
            spec = LATENTQA
        case "selfie":
            spec = SELFIE if chat else SELFIE_PLAIN
        case _:
            spec = PATCHSCOPES
    where = f"`injection` in [readers.{name}]"
    return changed(spec, entry.injection, where) if entry.injection else spec


def trained_at(entry: ReaderEntry, folder: Path | None) -> int:
    """Return the layer that a reader's files say it was trained at; -1 where they name none, or several."""
    if folder is not None and (folder / NLA_CARD).is_file():
        return read_sidecar(folder).layer
    return -1


def _folder(name: str, folder: Path | None) -> Path:
    if folder is None:
        raise WorkbenchError(f"[readers.{name}] names no path.", "Give its folder, or a hub id.")
    return folder


def _oracle(name: str, folder: Path) -> InjectionSpec:
    """Read what an oracle's or SAE explainer's files say; an oracle without ao_config.json has the usual recipe."""
    if (folder / EXPLAINER_CARD).is_file():
        card = files.read_json(folder / EXPLAINER_CARD)
        said = {"block": card.get("inject_layer"), "scale": card.get("steering_coefficient")}
        if card.get("has_feature_projector"):
            said["vector_map"] = str(folder / "feature_projector.pt")
        return changed(SAE_EXPLAINER, _known(said), str(folder / EXPLAINER_CARD))
    if not (folder / ORACLE_CARD).is_file():
        return ORACLE
    card = files.read_json(folder / ORACLE_CARD)
    said = {
        "block": card.get("hook_onto_layer"),
        "scale": card.get("steering_coefficient"),
        "marker": card.get("special_token"),
        "max_tokens": (card.get("generation_kwargs") or {}).get("max_new_tokens"),
    }
    if template := card.get("prefix_template"):
        said["prompt"] = _prefix(str(template)) + "{question}"
    return changed(ORACLE, _known(said), str(folder / ORACLE_CARD))


def _prefix(template: str) -> str:
    """Return an oracle's prefix template, in which line ends are spelt and the placeholders are a product."""
    return template.replace("\\n", "\n").replace(_PLACEHOLDERS, "{marker}").replace("{special_token}", "{marker}")


def _known(said: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in said.items() if value is not None}
