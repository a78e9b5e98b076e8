"""Every test runs in a home of its own, offline, with no colour or theme leaking in from the shell."""

# ruff: noqa: E402 - the environment has to be set before anything that reads it is imported
import os

for name in ("NO_COLOR", "TEXTUAL_THEME", "COLUMNS", "LINES", "FORCE_COLOR"):
    os.environ.pop(name, None)
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TEXTUAL_ANIMATIONS"] = "none"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
# As backends.engine sets it, for tests that import torch first: two workers on two cores would spin on each other.
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Settings, data, sockets and logs in a short-named temporary folder (a unix socket's path holds 107 bytes)."""
    home = Path(tempfile.mkdtemp(prefix="inv-"))
    monkeypatch.setenv("INVESTIGATOR_HOME", str(home))
    yield home
    shutil.rmtree(home, ignore_errors=True)
