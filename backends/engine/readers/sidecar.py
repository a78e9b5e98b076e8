"""`nla_meta.yaml`: what a released NLA directory says of itself, in both key styles (formats.md, section 1.2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from backends.engine.readers.spec import NLA, NLA_BLOCK, InjectionSpec, changed
from backends.engine.readers.weights import is_adapter
from investigator.errors import WorkbenchError

NAME = "nla_meta.yaml"
_VERBALIZER = ("av", "actor", "verbalizer")
_RECONSTRUCTOR = ("ar", "critic", "reconstructor")
_PLACES = ("{injection_char}", "<INJECT>")
_AGAIN = "Copy the whole directory again, its nla_meta.yaml too."


class Sidecar(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of an `nla_meta.yaml` that decide anything here."""

    role: str
    base: str
    width: int
    layer: int
    """Block whose output is read; -1 where the file does not say."""
    scale: float | None
    """Length of the injected vector; None where the file gives none."""
    raw: bool
    """Whether the vector is injected as it is."""
    mse_scale: float
    marker: str
    marker_id: int
    left: int
    right: int
    verbalizer: str
    """The prompt, marker as `{marker}`."""
    reconstructor: str
    suffix: tuple[int, ...]
    """Last tokens of every reconstructor prompt; empty where the file does not say."""
    injection: dict[str, Any]
    """Fields of the InjectionSpec that the file sets; released files have none."""
    subject: str
    """Fingerprint of the subject that it was trained on, where the file says it."""


def read_sidecar(folder: Path) -> Sidecar:
    """Read a directory's sidecar; raise WorkbenchError where it is missing or lacks a part."""
    file = folder / NAME
    try:
        found = msgspec.yaml.decode(file.read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise WorkbenchError(f"{file} cannot be read: {error}.", _AGAIN) from error
    if not isinstance(found, dict):
        raise WorkbenchError(f"{file} holds no table.", _AGAIN)
    try:
        return _sidecar(found)
    except (KeyError, TypeError, ValueError) as error:
        raise WorkbenchError(f"{file} lacks {error}, or holds something else there.", _AGAIN) from error


def _sidecar(found: dict[str, Any]) -> Sidecar:
    tokens, extraction = found.get("tokens") or {}, found.get("extraction") or {}
    templates = found.get("prompt_templates") or {}
    width = int(found.get("d_model") or extraction["d_model"])
    scale = extraction.get("injection_scale")
    char = str(tokens.get("injection_char") or "")
    av = _first(templates, _VERBALIZER)
    for place in (*_PLACES, *([char] if char else [])):
        av = av.replace(place, "{marker}")
    return Sidecar(
        role="ar" if str(found.get("role", "")) in _RECONSTRUCTOR else "av",
        base=str(found.get("base_checkpoint") or ""),
        width=width,
        layer=_layer(found, extraction),
        scale=_scale(scale, width),
        raw=scale == "raw",
        mse_scale=_scale(extraction.get("mse_scale"), width) or width**0.5,
        marker=char,
        marker_id=_id(tokens, "injection_token_id"),
        left=_id(tokens, "injection_left_neighbor_id"),
        right=_id(tokens, "injection_right_neighbor_id"),
        verbalizer=av,
        reconstructor=_first(templates, _RECONSTRUCTOR),
        suffix=tuple(map(int, tokens.get("critic_suffix_ids") or ())),
        injection=dict(found.get("injection") or {}),
        subject=str(found.get("subject_fingerprint") or ""),
    )


def _first(table: dict[str, Any], keys: tuple[str, ...]) -> str:
    return next((str(table[key]) for key in keys if table.get(key)), "")


def _id(tokens: dict[str, Any], key: str) -> int:
    return -1 if tokens.get(key) is None else int(tokens[key])


def _scale(value: object, width: int) -> float | None:
    if value is None or value == "raw":
        return None
    return width**0.5 if value == "sqrt_d_model" else float(str(value))


def _layer(found: dict[str, Any], extraction: dict[str, Any]) -> int:
    """Return the block that is read, wherever this version of the file says it."""
    critic = found.get("critic") or {}
    key = "extraction_layer_index"
    for value in (found.get(key), critic.get(key), extraction.get("layer_index")):
        if value is not None:
            return int(value)
    blocks = critic.get("num_hidden_layers") or (found.get("ar") or {}).get("num_hidden_layers")
    return int(blocks) - 1 if blocks is not None else -1


def verbalizer_spec(name: str, folder: Path) -> InjectionSpec:
    """Return an NLA verbalizer's spec; raise WorkbenchError without an injection scale, marker or prompt.

    Whole weights take the vector in place of the marker's embedding, adapters add it after block 1 (the sidecar of
    either is the same); `injection` in the sidecar or the workbench says otherwise.
    """
    sidecar = read_sidecar(folder)
    if not sidecar.marker or not sidecar.verbalizer:
        raise WorkbenchError(f"The sidecar of {name} names no marker or no prompt of a verbalizer.", _AGAIN)
    start = NLA_BLOCK if is_adapter(folder) else NLA
    said = changed(start, sidecar.injection, f"`injection` in {folder / NAME}")
    if said.norm == "fixed" and not sidecar.raw and sidecar.scale is None:
        raise WorkbenchError(
            f"The sidecar of {name} gives no injection_scale, so how long the injected vector must be is not known.",
            "Copy the nla_meta.yaml that was released with it; there is no default.",
        )
    fields: dict[str, Any] = {
        "prompt": sidecar.verbalizer,
        "marker": sidecar.marker,
        "marker_id": sidecar.marker_id,
        "left": sidecar.left,
        "right": sidecar.right,
    }
    if said.norm == "fixed":
        fields |= {"norm": "raw"} if sidecar.raw else {"scale": sidecar.scale}
    return changed(said, fields | sidecar.injection, f"`injection` in {folder / NAME}")
