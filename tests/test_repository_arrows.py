"""The arrows between the four packages, checked by what is imported when a program really runs."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

HEAVY = {
    "investigator.cli": {"torch", "textual", "sqlite3", "httpx", "numpy", "transformers"},
    "investigator.wire": {"torch", "textual", "sqlite3", "httpx", "screens", "backends", "sessions"},
    "screens.app": {"torch", "transformers", "sae_lens", "numpy", "httpx", "starlette", "uvicorn"},
    "backends.client": {"torch", "textual", "sqlite3", "transformers"},
    "backends.launch": {"torch", "textual", "sqlite3", "transformers", "httpx"},
    "backends.engine.engine": {"textual", "sqlite_utils", "screens", "sessions", "sae_lens", "sentence_transformers"},
    "sessions": {"torch", "textual", "transformers", "screens", "backends"},
}


@pytest.mark.parametrize("module", HEAVY)
def test_importing_a_room_loads_none_of_the_others_weight(module: str) -> None:
    code = f"import sys, {module}; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert not HEAVY[module] & set(done.stdout.split())


def test_import_linter_keeps_the_contracts() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout
