"""A wheel of the very code that runs here, so that a host without a network gets it too."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import investigator
from investigator.errors import BackendError

DISTRIBUTION = "investigator-bench"
PACKAGES = ("investigator", "screens", "backends", "sessions")
NAME = f"investigator_bench-{investigator.__version__}-py3-none-any.whl"
_STORED = (".safetensors", ".xz")
"""Ends of names of files that do not shrink."""
_TAG = "Wheel-Version: 1.0\nGenerator: investigator\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_EPOCH = (1980, 1, 1, 0, 0, 0)


def build() -> bytes:
    """Return the wheel; raise BackendError where the installation does not say what it depends on."""
    info = f"investigator_bench-{investigator.__version__}.dist-info"
    files = [*_sources(), *((f"{info}/{name}", text.encode()) for name, text in _metadata())]
    record = "".join(f"{name},sha256={_hash(content)},{len(content)}\n" for name, content in files)
    files.append((f"{info}/RECORD", f"{record}{info}/RECORD,,\n".encode()))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_STORED if name.endswith(_STORED) else zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return out.getvalue()


def _sources() -> Iterator[tuple[str, bytes]]:
    root = Path(investigator.__file__).parents[1]
    for package in PACKAGES:
        for file in sorted((root / package).rglob("*")):
            inside = file.relative_to(root)
            hidden = any(part.startswith(".") or part == "__pycache__" for part in inside.parts)
            if file.is_file() and not hidden and file.suffix != ".pyc":
                yield inside.as_posix(), file.read_bytes()


def _metadata() -> list[tuple[str, str]]:
    try:
        found = metadata.distribution(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        found = None
    about = found.read_text("METADATA") if found is not None and found.version == investigator.__version__ else None
    if found is None or about is None:
        raise BackendError(
            f"This Investigator is not installed as {investigator.__version__}, so what it depends on is not known.",
            "Install it here first, or give a wheel with --wheel.",
        )
    return [("METADATA", about), ("WHEEL", _TAG), ("entry_points.txt", found.read_text("entry_points.txt") or "")]


def _hash(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
