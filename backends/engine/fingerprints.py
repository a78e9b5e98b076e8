"""Fingerprints: xxh3 of a part's bytes, remembered by path, size and time so that large files are read once."""

from __future__ import annotations

import json
import os
import tempfile
import threading
from pathlib import Path

from investigator import paths

_CHUNK = 1 << 22
_SMALL = 1 << 26
_WEIGHTS = (".safetensors", ".bin", ".npz", ".pt")
_CARDS = (
    "config.json cfg.json mapper.json nla_meta.yaml ao_config.json adapter_config.json ar_meta.json "
    "hybrid_sft_metadata.json"
)
_TOKENIZERS = "tokenizer.json tokenizer_config.json tokenizer.model vocab.json merges.txt"
_NAMES = frozenset(f"{_CARDS} {_TOKENIZERS}".split())
_lock = threading.Lock()


def of_text(text: str) -> str:
    """Return the fingerprint of a text's UTF-8 bytes, 16 hexadecimal digits."""
    import xxhash

    return xxhash.xxh3_64_hexdigest(text.encode("utf-8", "surrogatepass"))


def of_file(file: Path) -> str:
    """Return the fingerprint of a file's bytes; those of files above 64 MiB are remembered in the cache folder."""
    status = file.stat()
    if status.st_size <= _SMALL:
        return _digest(file)
    key = f"{file.resolve()}|{status.st_size}|{status.st_mtime_ns}"
    with _lock:
        known = _remembered()
        if key not in known:
            known[key] = _digest(file)
            _remember(known)
        return known[key]


def of_folder(folder: Path) -> str:
    """Return the fingerprint of a folder's weights, configuration and tokenizer; pages beside them do not count."""
    parts = [
        f"{file.relative_to(folder).as_posix()}={of_file(file)}"
        for file in sorted(folder.rglob("*"))
        if file.is_file() and (file.suffix in _WEIGHTS or file.name in _NAMES)
    ]
    return of_text("\n".join(parts))


def of(path: Path) -> str:
    """Return the fingerprint of a file or folder."""
    return of_folder(path) if path.is_dir() else of_file(path)


def _digest(file: Path) -> str:
    import xxhash

    digest = xxhash.xxh3_64()
    with file.open("rb") as opened:
        while chunk := opened.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _memory() -> Path:
    return paths.cache_folder() / "fingerprints.json"


def _remembered() -> dict[str, str]:
    try:
        known: dict[str, str] = json.loads(_memory().read_bytes())
    except (OSError, ValueError):
        return {}
    return known


def _remember(known: dict[str, str]) -> None:
    """Replace the memory in one step; a folder that cannot be written only costs the next start some reading."""
    try:
        _memory().parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=_memory().parent)
        with os.fdopen(handle, "w") as opened:
            json.dump(known, opened)
        Path(name).replace(_memory())
    except OSError:
        return
