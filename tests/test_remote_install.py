"""`investigator install --on HOST` through a real sshd: put there, left alone the second time, told to the settings."""

from __future__ import annotations

import json
import shlex
import site
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from ssh_tools import SSHD, far_host

from backends.ssh import wheel
from investigator import __version__, settings, settings_edit
from investigator.cli import main
from investigator.commands.faults.loopback import Loopback
from investigator.errors import BackendError, BadInput

pytestmark = pytest.mark.skipif(SSHD is None, reason="there is no sshd here to reach: install openssh-server")


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Loopback]:
    with far_host(tmp_path) as host:
        yield host


def _python_with_libraries(folder: Path) -> Path:
    """A Python as a cluster has one: its environments see its libraries, and Investigator is not among them."""
    folder.mkdir()
    libraries = folder / "libraries"
    libraries.mkdir()
    for library in Path(site.getsitepackages()[0]).iterdir():
        if "investigator" not in library.name.lower() and library.suffix != ".pth":
            (libraries / library.name).symlink_to(library)
    program = folder / "python"
    inside = f"lib/python3.{sys.version_info.minor}/site-packages/host.pth"
    program.write_text(
        f'#!/bin/sh\n{shlex.quote(sys.executable)} "$@" || exit\n'
        f'for last; do :; done\n[ "$2" != venv ] || echo {shlex.quote(str(libraries))} > "$last/{inside}"\n'
    )
    program.chmod(0o700)
    return program


def test_it_is_installed_once_and_the_settings_name_it(
    far: Loopback, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    python, folder = _python_with_libraries(tmp_path / "conda"), tmp_path / "a folder"
    words = ["install", "--on", "far", "--to", str(folder), "--python", str(python), "--json"]
    words += ["--offline", "--system-site-packages"]
    assert main(words) == 0
    first = json.loads(capsys.readouterr().out)
    assert first["installed"] and first["machine"]["workbenches"] == ["pocket"]
    program = folder / "venv" / "bin" / "investigator"
    assert first["command"] == str(program)
    assert settings.load().hosts["far"].command == shlex.quote(str(program))
    assert main(["machine", "--on", "far"]) == 0
    assert "Its version is this machine's." in capsys.readouterr().out
    assert main(words) == 0
    assert not json.loads(capsys.readouterr().out)["installed"]
    assert not (folder / "wheels").exists()


def test_what_keeps_it_from_being_installed_is_a_sentence(
    far: Loopback, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["install", "--on", "far", "--python", "/no/such/python", "--to", str(tmp_path / "x")]) == 5
    assert "/no/such/python is no Python 3.11 or newer" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert main(["install", "--on", "far", "--to", str(tmp_path / "file" / "x")]) == 5
    assert "cannot be made" in capsys.readouterr().err
    assert main(["install", "--on", "no-such-host.invalid"]) == 5
    assert "no-such-host.invalid cannot be reached" in capsys.readouterr().err
    assert main(["install", "--on", "far", "--wheels", str(tmp_path)]) == 2
    assert main(["machine", "--on", "far"]) == 5
    assert "`investigator install --on far`" in capsys.readouterr().err
    assert "far" not in settings.load().hosts


def test_the_wheel_holds_the_code_that_runs_here_and_installs(tmp_path: Path) -> None:
    file = tmp_path / wheel.NAME
    file.write_bytes(wheel.build())
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
    assert {"investigator/cli.py", "backends/ssh/install.sh", "backends/pocket/workbench.toml"} <= set(names)
    assert not [name for name in names if "__pycache__" in name]
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(tmp_path / "t")]
    subprocess.run([*command, "--disable-pip-version-check", str(file)], check=True)
    assert (tmp_path / "t" / "bin" / "investigator").exists()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", '[hosts.gpu1]\ncommand = "x"\n'),
        ("# mine\n[app]\ntheme = 'a'", "# mine\n[app]\ntheme = 'a'\n\n[hosts.gpu1]\ncommand = \"x\"\n"),
        (
            "[hosts.gpu1] # the box\nssh = 'a'\ncommand = 'old'\n[hosts.b]\ncommand = 'b'\n",
            "[hosts.gpu1] # the box\nssh = 'a'\ncommand = \"x\"\n[hosts.b]\ncommand = 'b'\n",
        ),
        ('[hosts."gpu1"]\nssh = "a"\n', '[hosts."gpu1"]\ncommand = "x"\nssh = "a"\n'),
    ],
)
def test_one_key_of_the_settings_is_written_and_the_rest_left_alone(tmp_path: Path, before: str, after: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(before)
    settings_edit.set_command("gpu1", "x", file)
    assert file.read_text() == after


def test_settings_that_a_program_should_not_touch_are_left_with_the_line_to_write(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("hosts = {gpu1 = {command = 'old'}}\n")
    with pytest.raises(BadInput, match=r'Write command = "x" into \[hosts.gpu1\] by hand'):
        settings_edit.set_command("gpu1", "x", file)
    assert file.read_text() == "hosts = {gpu1 = {command = 'old'}}\n"


def test_an_installation_without_metadata_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel, "DISTRIBUTION", "no-such-distribution")
    with pytest.raises(BackendError, match="give a wheel with --wheel"):
        wheel.build()


def _light_wheel(folder: Path) -> Path:
    """The code alone, in a wheel that asks for nothing."""
    whole, light = folder / "whole.whl", folder / wheel.NAME
    whole.write_bytes(wheel.build())
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(light, "w") as made:
        for name in old.namelist():
            if name.endswith((".py", ".sh", "workbench.toml", "entry_points.txt", "WHEEL", "METADATA", "RECORD")):
                text = old.read(name).decode()
                kept = [line for line in text.splitlines(True) if not line.startswith("Requires-Dist")]
                made.writestr(name, "".join(kept) if name.endswith("METADATA") else text)
    return light


def test_uv_is_used_where_the_host_has_it(far: Loopback, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    python, said = _python_with_libraries(tmp_path / "conda"), tmp_path / "said"
    uv = tmp_path / "bin" / "uv"
    uv.parent.mkdir()
    packages = f"lib/python3.{sys.version_info.minor}/site-packages"
    run = "import sys; from investigator.cli import main; sys.exit(main())"
    uv.write_text(
        f'#!/bin/sh\necho "$@" >> {said}\nfor last; do :; done\ncase $1 in\n'
        f'venv) exec {python} -m venv --without-pip "$last" ;;\n'
        f'pip) at=$(dirname "$5"); "$5" -m zipfile -e "$last" "$at/../{packages}"\n'
        f'printf "#!%s\\n{run}\\n" "$5" > "$at/investigator"; chmod 700 "$at/investigator" ;;\nesac\n'
    )
    uv.chmod(0o700)
    with (far.folder / "sshd_config").open("a") as config:
        config.write(f"SetEnv PATH={uv.parent}:/usr/bin:/bin\n")
    words = ["install", "--on", "far", "--to", str(tmp_path / "there"), "--python", str(python), "--offline", "--json"]
    assert main([*words, "--wheel", str(_light_wheel(tmp_path))]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["installed"] and found["machine"]["investigator"] == __version__
    made, installed = said.read_text().splitlines()
    assert made.startswith("venv ") and "--no-index --find-links" in installed and installed.endswith(wheel.NAME)
