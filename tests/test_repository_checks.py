"""Lint, types, and what the wheel holds."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
MOST_BYTES_OF_POCKET = 90_000_000


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


def test_ruff_finds_nothing() -> None:
    done = run(str(BIN / "ruff"), "check", "--no-cache", ".")
    assert done.returncode == 0, done.stdout


def test_ruff_would_format_nothing() -> None:
    done = run(str(BIN / "ruff"), "format", "--no-cache", "--check", ".")
    assert done.returncode == 0, done.stdout


def test_mypy_strict_finds_nothing(tmp_path: Path) -> None:
    done = run(str(BIN / "mypy"), "--cache-dir", str(tmp_path))
    assert done.returncode == 0, done.stdout


def test_the_wheel_holds_four_packages_and_their_data(tmp_path: Path) -> None:
    done = run(str(BIN / "hatchling"), "build", "-t", "wheel", "-d", str(tmp_path))
    assert done.returncode == 0, done.stderr
    names = zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"investigator", "screens", "backends", "sessions"}
    pocket = {f"backends/pocket/{name}" for name in ("workbench.toml", "README.md", "subject/model.safetensors")}
    missing = {*pocket, "screens/bench.tcss", "screens/help/bench.md"} - set(names)
    assert not missing


def test_pocket_stays_small() -> None:
    total = sum(file.stat().st_size for file in (ROOT / "backends/pocket").rglob("*") if file.is_file())
    assert total <= MOST_BYTES_OF_POCKET


def test_no_page_installs_the_name_of_another_project() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        assert not re.search(r"(pip|pipx|uv tool|uvx)\s+(install\s+)?investigator(\s|$)", page.read_text()), page


def test_every_runtime_dependency_says_why() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    block = text.split("dependencies = [", 1)[1].split("\n]", 1)[0]
    assert all("#" in line for line in block.splitlines() if line.strip())
