"""`investigator machine`: what is there is said without torch, with the GPUs as nvidia-smi says them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from backends import machine
from backends.build import build_id
from investigator import paths
from investigator.cli import main

ROOT = Path(__file__).parents[1]


@pytest.fixture
def nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "nvidia-smi"
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    return program


def _says(program: Path, script: str) -> None:
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)


def test_gpus_are_listed_with_their_free_memory(nvidia_smi: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = "NVIDIA H100 80GB HBM3, 81559, 81004\\nOdd, name \\033[31m, 24576, 1\\nnot a line\\n"
    _says(nvidia_smi, f"printf '{lines}'")
    (paths.config_folder() / "workbenches").mkdir(parents=True)
    (paths.config_folder() / "workbenches" / "gemma.toml").write_text("")
    assert main(["machine", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["gpus"][0] == {"name": "NVIDIA H100 80GB HBM3", "memory": 81559 * 2**20, "free": 81004 * 2**20}
    assert [gpu["free"] for gpu in found["gpus"]] == [81004 * 2**20, 2**20]
    assert found["workbenches"] == ["pocket", "gemma"] and found["build"] == build_id()
    assert 0 < found["free"] <= found["memory"]
    assert main(["machine"]) == 0
    shown = capsys.readouterr().out
    assert "79.1 of 79.6 GiB free" in shown and "\x1b" not in shown
    assert "NVIDIA H100 80GB HBM3 (79.1 GiB of 79.6 GiB free)" in machine.words(machine.look())


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'Driver/library version mismatch'; exit 18", "nvidia-smi: Driver/library version mismatch"),
        ("exit 9", "nvidia-smi: status 9"),
    ],
)
def test_a_driver_that_fails_is_said(nvidia_smi: Path, script: str, said: str) -> None:
    _says(nvidia_smi, script)
    found = machine.look()
    assert found.gpus == () and found.gpu_trouble == said
    assert said in machine.words(found)


def test_a_machine_without_gpu_is_no_trouble(nvidia_smi: Path) -> None:
    found = machine.look()
    assert (found.gpus, found.gpu_trouble) == ((), "")
    assert machine.words(found).startswith("no GPU; ")


def test_it_takes_no_library_of_models() -> None:
    code = "import sys\nfrom investigator.cli import main\nmain(['machine'])\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert not {"torch", "transformers", "numpy", "httpx"} & set(done.stdout.split())
