"""What the tests of label indexes share: a tiny workbench with an index of its labels, built here or by a child."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import l2el_tools as l2el
import torch

import tiny
from backends.engine.index import label_parts
from backends.engine.index.build_labels import list_fingerprint
from backends.engine.index.label_build import Build
from backends.engine.index.label_index import LabelIndex, index_of
from backends.engine.readers import label_means
from backends.engine.readers.prepared import prepare, prepared_labels
from backends.engine.readers.reader import Reader, open_reader

ROOT = Path(__file__).parents[1]
CHILD = """
import sys
from pathlib import Path
import index_tools
index_tools.label_parts.SIZE = index_tools.PART
engine = index_tools.tiny.make_engine(type("Bench", (), {"file": Path(sys.argv[1])}))
for step in index_tools.building(engine).run():
    if step is not None:
        print(step.message, flush=True)
"""
PART = 8


def reader_of(engine: Any) -> Reader:
    return open_reader(engine, "mapper")


def fingerprint_of(engine: Any) -> str:
    found: str = engine.parts.labels("L").list_fingerprint
    return found


def building(engine: Any, *, exact: bool = False, **choices: Any) -> Build:
    """Return a build of the tiny workbench's labels, not yet begun; `exact` measures their background before."""
    reader, means = reader_of(engine), None
    if exact:
        means = label_means.label_means(engine, reader)
        assert means is not None
        for _ in means.fill():
            pass
    chosen = {"anchors": 3, "sources": 4, "heldout": 2} | choices
    return Build(engine, reader, prepared_labels(engine, reader), fingerprint_of(engine), means=means, **chosen)


def make_index(engine: Any, *, exact: bool = False, **choices: Any) -> LabelIndex:
    """Build the index and open it."""
    for _ in building(engine, exact=exact, **choices).run():
        pass
    found = index_of(engine, reader_of(engine), fingerprint_of(engine))
    assert found is not None
    return found


def make_engine(folder: Path) -> Any:
    return tiny.make_engine(l2el.make_bench(folder))


def child_building(file: Path) -> subprocess.Popen[str]:
    """Start a process that builds the index of a workbench in small parts and says what it does, line by line."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(file)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
    )


def lines(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stdout is not None
    for line in process.stdout:
        yield line.strip()


def sources(engine: Any, count: int) -> torch.Tensor:
    """Return background activations that no calibration of the tests uses, `[count, d]`."""
    found: torch.Tensor = engine.parts.layer_statistics("tiny").background[tiny.LAYER, 100 : 100 + count]
    return found


__all__ = [
    "PART",
    "Build",
    "building",
    "child_building",
    "index_of",
    "label_parts",
    "lines",
    "list_fingerprint",
    "make_engine",
    "make_index",
    "prepare",
    "reader_of",
]
