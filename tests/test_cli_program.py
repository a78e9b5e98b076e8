"""The command line as a program: start, help, completion, guard, a real backend, a real child."""

import argparse
import asyncio
import importlib
import inspect
import json
import os
import re
import subprocess
import sys
import typing
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec
import pytest
from session_tools import ROOT, script

from backends import launch
from investigator import api, cli, records, settings, wire, workbench
from investigator.commands import work
from investigator.commands.printing import lines_of
from investigator.commands.progress import bar
from investigator.commands.serve import serve_command
from investigator.errors import BackendError, BadInput
from investigator.tables import Table, tables_of

TESTS = ROOT / "tests"


def options(parser: object) -> dict[str, list[str]]:
    """Return every sub-command's flags, as the parser has them; those of its own sub-commands with them."""
    return {name: list(flags_of(sub)) for name, sub in rooms_of(parser).items()}


def rooms_of(parser: object) -> dict[str, object]:
    """Return a parser's sub-commands."""
    found = [action.choices for action in parser._actions if action.nargs == argparse.PARSER]  # type: ignore[attr-defined]
    return found[0] if found else {}


def flags_of(parser: object) -> Iterator[str]:
    for action in parser._actions:  # type: ignore[attr-defined]
        yield from (flag for flag in action.option_strings if flag.startswith("--"))
    for sub in rooms_of(parser).values():
        yield from flags_of(sub)


def test_help_opens_no_room(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom investigator.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit as left:\n    assert not left.code\n"
        "rooms = ('httpx', 'textual', 'torch', 'sqlite_utils', 'asyncio', 'starlette', 'shtab', 'numpy')\n"
        "print([name for name in rooms if name in sys.modules], file=sys.stderr)"
    )
    for arguments in (["--help"], ["labels", "--help"]):
        out, said = script(code, *arguments).communicate(timeout=240)
        assert said == "[]\n"
        assert "investigator" in out


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_help_with_an_example_that_it_understands(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main([name, "--help"])
    assert left.value.code == 0
    example = cli.command(name).EXAMPLE
    assert example in capsys.readouterr().out
    words = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {example.split(' > ')[0]}"], capture_output=True, check=True
    ).stdout
    assert cli.parse(words.decode().split("\0")[1:-1]).command == name


def test_questions_share_their_flags() -> None:
    flags = options(cli.build_parser())
    for name in ("open", "features", "feature", "labels", "explain", "test", "contrast", "lens", "doctor"):
        assert {"--json", "--workbench", "--device", "--dtype", "--session", "--no-save"} <= set(flags[name])
    for name in ("features", "labels", "explain", "test", "contrast", "lens"):
        assert {"--token", "--layer", "--source", "--ids", "--subject", "--chat"} <= set(flags[name])
    for name in ("train", "evaluate", "index", "bench", "sessions", "replay", "export"):
        assert "--json" in flags[name]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_name_every_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["completion", shell]) == 0
    written = capsys.readouterr().out
    assert all(name in written for name in cli.COMMANDS)
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=written, text=True, check=True)


def test_a_folder_of_the_users_in_a_rooms_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "screens").mkdir()
    (tmp_path / "screens" / "__init__.py").write_text("raise SystemExit('the wrong room')")
    found = subprocess.run(
        [sys.executable, "-c", "import sys; from investigator.cli import main; sys.exit(main(['doctor']))"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert found.returncode == BackendError.exit_code
    assert found.stderr.startswith("The package 'screens' is found at ") and str(tmp_path) in found.stderr


def test_python_m_and_version(tmp_path: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-m", "investigator", "--version"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.startswith("investigator ")


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    line = f"{sys.executable} -m investigator completion bash | head -n 1; echo ${{PIPESTATUS[0]}}"
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    found = subprocess.run(["bash", "-c", line], cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    assert found.stderr == "" and found.stdout.splitlines()[-1] in {"0", "141"}


def test_progress_is_drawn_on_a_terminal_only(tmp_path: Path) -> None:
    code = (
        "import sys; from fake_backend import FakeBackend; import backends.launch\n"
        "from investigator.commands import progress; progress.EVERY = 0\n"
        "backends.launch.Local = lambda *_, **__: FakeBackend()\n"
        "from investigator.cli import main; sys.exit(main(['explain', 'a b', '--no-save']))"
    )
    out, said = script(code).communicate(timeout=240)
    assert said == "" and "names of places" in out
    terminal, other = os.openpty()
    env = os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT), str(TESTS)))}
    process = subprocess.Popen([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, stderr=other)
    os.close(other)
    drawn = b""
    try:
        while block := os.read(terminal, 4096):
            drawn += block
    except OSError:  # Linux says so when the last writer has closed
        pass
    assert process.communicate()[0].decode() == out
    os.close(terminal)
    assert f"{bar(12, 50)} drawing".encode() in drawn
    assert drawn.endswith(b"\r")


def test_tables_fit_the_terminal_and_numbers_stand_to_the_right() -> None:
    table = Table("T", (">n", "label"), (("1", "a" * 50), ("-10", "日本語の長い説明です" * 3)))
    lines = lines_of(table, 30)
    assert lines[1].startswith("    1  aaa") and lines[2].startswith("  -10  日")
    assert all(sum(2 if ord(char) > 0x2E7F else 1 for char in line) <= 30 for line in lines)
    assert lines_of(table, None)[1].endswith("a" * 50)
    assert lines_of(Table("T", (">n",), ()), 20) == ["  n"]
    assert tables_of(None) == []


def test_serve_becomes_the_backend_on_another_socket() -> None:
    command = ["python", "-m", "backends.server", "--socket=/a", "--log=/l", "--workbench=w"]
    assert serve_command(command, "/b") == ["python", "-m", "backends.server", "--socket=/b", "--workbench=w"]
    assert serve_command(command, "")[3] == "--socket=/a"


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands start a real backend process over the fake engine, which leaves soon."""
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    monkeypatch.setenv("INVESTIGATOR_BACKEND_LINGER", "0.1")
    monkeypatch.setattr(launch, "Local", partial(launch.Local, engine="fake_engine:FakeEngine"))


def test_a_killed_command_leaves_no_question_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(TESTS))  # whoever of the two comes first starts the backend
    code = (
        "import sys, backends.launch as launch\nfrom functools import partial\n"
        "launch.Local = partial(launch.Local, engine='fake_engine:FakeEngine')\n"
        "from investigator.cli import main\nsys.exit(main(sys.argv[1:]))"
    )
    (tmp_path / "tiny.toml").touch()
    book = str(tmp_path / "tiny.toml")
    source = '{"kind": "decoder", "sae": "s", "latent": 3}'
    many = ["--samples", "1000000000"]
    env = {"INVESTIGATOR_BACKEND_LINGER": "60", "INVESTIGATOR_BACKEND_LEASE": "600"}
    command = script(code, "explain", "--source", source, *many, "--workbench", book, "--no-save", **env)
    chosen = settings.Settings(backend=msgspec.structs.replace(settings.Backend(), linger=60.0, lease=600.0))

    async def asked() -> None:
        other = await launch.connect(book, chosen, engine="fake_engine:FakeEngine")
        try:
            while not any(one.state == "running" for one in (await other.status()).questions):
                assert command.poll() is None, command.communicate()
                await asyncio.sleep(0.02)
            command.terminate()
            await asyncio.to_thread(command.wait, 60)
            # With a lease of ten minutes only a cancel can have ended it.
            assert all(one.state == "ended" for one in (await other.status()).questions)
        finally:
            await other.shut_down(force=True)
            await other.aclose()

    asyncio.run(asyncio.wait_for(asked(), 240))
    out, said = command.communicate(timeout=60)
    assert (command.returncode, out, said) == (143, "", "Stopped.\n")


@pytest.mark.usefixtures("real")
def test_a_question_travels_over_a_real_socket(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tiny.toml").touch()
    workbench = ["--workbench", str(tmp_path / "tiny.toml"), "--json"]
    source = '{"kind": "decoder", "sae": "s", "latent": 3}'
    assert cli.main(["features", "--source", source, *workbench]) == 0
    assert json.loads(capsys.readouterr().out)["result"]["rows"][0]["latent"] == 7
    assert cli.main(["open", "hello", *workbench]) == 0
    assert json.loads(capsys.readouterr().out)["result"]["tokens"][0]["text"] == "hello"


def test_long_work_is_done_by_a_child_and_its_errors_are_sentences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INVESTIGATOR_BACKEND_LINGER", "0.1")
    with pytest.raises(BadInput, match="There is no stage 'nothing' of training"):
        work.do("train nothing", {"corpus": str(tmp_path), "out": str(tmp_path / "out")}, folder=tmp_path)
    with pytest.raises(BadInput, match="only trains, evaluates and indexes"):
        work.do("dance", {}, folder=tmp_path)


def test_work_turns_steps_and_figures_into_events() -> None:
    from backends.engine import work as engine_work
    from investigator.records import Figure, Worked

    class Step(msgspec.Struct):
        done: int
        total: int
        message: str
        figures: dict[str, float]

    def steps(name: str, given: object) -> list[object]:
        return [Step(1, 2, name, {"loss": 3.0}), Figure("gain", 0.4, "nats"), Step(2, 2, "end", {"loss": float("nan")})]

    engine_work._COMMANDS["try"] = steps
    try:
        engine = engine_work.WorkEngine(Path("x.toml"), settings.Settings())
        verb, known = engine.resolve(wire.Work("try it", {"out": "there", "seed": 3}))
        events = list(engine.run(verb))
    finally:
        del engine_work._COMMANDS["try"]
    assert (known.workbench, known.seed) == ("there", 3)
    last = events[-1]
    assert isinstance(last, wire.Finished) and isinstance(last.result, Worked)
    assert [(one.name, one.value) for one in last.result.rows] == [("loss", None), ("gain", 0.4)]
    assert [type(event).__name__ for event in events] == ["Progress", "Partial", "Progress", "Finished"]


# -- what the documentation says ------------------------------------------------------------------------------------


def section(text: str, heading: str) -> str:
    return text.split(f"\n{heading}\n", 1)[1].split("\n## ", 1)[0]


def test_every_command_and_flag_is_documented_in_its_section() -> None:
    text = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    shared = section(text, "## What every command shares")
    for name, flags in options(cli.build_parser()).items():
        own = section(text, f"## `investigator {name}`")
        assert cli.command(name).EXAMPLE in own
        missing = [flag for flag in flags if flag != "--help" and f"`{flag}" not in own and f"`{flag}" not in shared]
        assert missing == [], name


def test_every_setting_is_documented_with_its_default() -> None:
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    for part in msgspec.structs.fields(settings.Settings):
        by_name = typing.get_origin(part.type) is dict
        table = section(text, f"## `[{part.name}{'.NAME' if by_name else ''}]`")
        for field in msgspec.structs.fields(typing.get_args(part.type)[1] if by_name else part.type):
            line = next(line for line in table.splitlines() if line.startswith(f"| `{field.name}` |"))
            assert f"`{json.dumps(field.default)}`" in line


def test_every_key_of_a_workbench_is_documented() -> None:
    text = section((ROOT / "docs" / "workbench.md").read_text(encoding="utf-8"), "## Keys")
    table = ""
    keys: dict[str, str] = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) > 3:
            table = cells[1] or table
            keys[table] = keys.get(table, "") + cells[2]
    for field in msgspec.structs.fields(workbench.Workbench):
        if typing.get_origin(field.type) is not dict:
            assert f"`{field.name}`" in keys["top"]
            continue
        own = keys[f"`[{field.name}.NAME]`"]
        entry = typing.get_args(field.type)[1]
        assert [one.name for one in msgspec.structs.fields(entry) if f"`{one.name}`" not in own] == []


def test_a_flag_before_the_sub_command_holds_for_a_nested_one_too() -> None:
    before = cli.parse(["--workbench", "mine", "index", "controls"])
    assert before.workbench == "mine"
    assert cli.parse(["--workbench", "mine", "index", "controls", "--workbench", "other"]).workbench == "other"
    assert cli.parse(["index", "controls"]).workbench == ""


def test_every_verb_is_documented_with_every_field_and_the_examples_can_be_asked() -> None:
    text = section((ROOT / "docs" / "protocol.md").read_text(encoding="utf-8"), "## Verbs")
    for verb in typing.get_args(wire.Verb):
        line = next(line for line in text.splitlines() if line.startswith(f"| `{verb.__struct_config__.tag}` |"))
        missing = [field.name for field in msgspec.structs.fields(verb) if f"`{field.name}`" not in line]
        assert missing == [], verb
    results = {result.__struct_config__.tag for result in typing.get_args(records.Result)}
    rows = [line for line in text.splitlines() if line.startswith("| `") and "| `verb` |" not in line]
    assert results == {line.rsplit("`", 2)[1] for line in rows}
    examples = re.findall(r"^\{.*?\}$", text.split("```json\n", 1)[1].split("```", 1)[0], re.DOTALL | re.MULTILINE)
    assert len(examples) == 5
    for example in examples:
        msgspec.json.decode(example, type=wire.Verb)
    score = text.split("A score on the wire", 1)[1]
    assert [one.name for one in msgspec.structs.fields(records.Score) if f"`{one.name}`" not in score] == []


def test_every_call_of_the_api_is_documented_with_its_arguments() -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    for name, owner in (("bench", api.Investigator), ("prompt", api.Prompt)):
        for call, function in inspect.getmembers(owner, inspect.isfunction):
            if call.startswith("_") or call == "close":
                continue
            line = next(line for line in text.splitlines() if f"`{name}.{call}(" in line)
            if f"{call}(...)" in line or ", ...)" in line:
                continue  # the same arguments as another call's
            named = [one for one in inspect.signature(function).parameters if one not in {"self", "watch", "arguments"}]
            assert [one for one in named if one not in line] == [], call


@pytest.mark.parametrize("module", cli.COMMANDS.values())
def test_command_modules_open_no_room_when_imported(module: str) -> None:
    found = importlib.import_module(f"investigator.commands.{module}")
    assert found.NAME in cli.COMMANDS and found.HELP and found.EXAMPLE.startswith("investigator")
