"""The command line over canned answers: places, input, output, sessions, exit codes, Ctrl-C."""

import csv
import io
import json
import os
import signal
import sys
import threading
from pathlib import Path

import pytest
from cli_tools import run
from session_tools import HOSTILE

from fake_backend import EXAMPLE, FakeBackend
from investigator import cli, wire
from investigator.errors import BackendError, BadInput, Disconnected, ScoreError, WorkbenchError
from investigator.records import Control, HypothesisRow, Score, Wording
from investigator.sources import Mean, Residual
from investigator.text import inert
from investigator.wire import Explain, Open, Question, RankLabels, ShowFeatures
from sessions import open_store


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> FakeBackend:
    fake = FakeBackend()
    monkeypatch.setattr("backends.launch.Local", lambda *_, **__: fake)
    return fake


QUESTIONS = {
    "open": ["open", EXAMPLE],
    "features": ["features", EXAMPLE, "--token", "-1"],
    "feature": ["feature", "12"],
    "labels": ["labels", EXAMPLE, "--limit", "5"],
    "explain": ["explain", EXAMPLE, "--samples", "8"],
    "test": ["test", EXAMPLE, "ships", "ports", "--scope", "positions"],
    "contrast": ["contrast", "ships", "ports", EXAMPLE],
    "lens": ["lens", EXAMPLE, "--top", "2"],
    "doctor": ["doctor"],
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_question_answers_as_json_and_as_a_table(
    backend: FakeBackend, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert run(*QUESTIONS[name], "--json") == 0
    out, said = capsys.readouterr()
    document = json.loads(out)
    assert document["result"]["result"] == name
    assert document["verb"]["verb"] == name
    assert document["provenance"]["dtype"] == "float32"
    assert said == ""
    assert run(*QUESTIONS[name]) == 0
    table, said = capsys.readouterr()
    assert "pocket-l3 8899aabb" in table and said == ""
    for row in document["result"].get("rows", ()):
        assert next(str(row[name]) for name in ("text", "latent", "layer", "message") if name in row) in table


@pytest.mark.parametrize(
    ("token", "position", "end"),
    [("-1", 9, None), ("0", 0, None), ("3:7", 3, 7), ("-3:-1", 7, 9), (":2", 0, 2), ("8:", 8, 10)],
)
def test_a_place_is_written_alike_everywhere(backend: FakeBackend, token: str, position: int, end: int | None) -> None:
    for command in ("features", "labels", "explain", "lens"):
        assert run(command, EXAMPLE, "--token", token, "--layer", "2") == 0
    assert run("test", EXAMPLE, "--token", token, "--layer", "2", "ships") == 0
    for verb in [*backend.verbs("features"), *backend.verbs("labels"), *backend.verbs("lens"), *backend.verbs("test")]:
        source = verb.sources[0] if isinstance(verb, wire.Test) else getattr(verb, "source", None)
        assert isinstance(source, Residual)
        assert (source.layer, source.position, source.end) == (2, position, end)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["features"], "There is no prompt."),
        (["features", EXAMPLE, "--token", "99"], "There is no token 99."),
        (["features", EXAMPLE, "--token", "x"], "is no token."),
        (["features", EXAMPLE, "--token", "5:5"], "holds no token."),
        (["features", EXAMPLE, "--layer", "6"], "There is no layer 6. pocket has layers 0 to 5."),
        (["features", EXAMPLE, "--layer", "six"], "invalid int value"),
        (["features", EXAMPLE, "--order", "size"], "invalid choice"),
        (["features", EXAMPLE, "--nonsense"], "unrecognized arguments: --nonsense"),
        (["features", "--ids", "1,x"], "is no list of token ids."),
        (["labels", "--source", "{}"], "describes no source"),
        (["labels", EXAMPLE, "--labels", "nowhere.txt"], "cannot be read: No such file or directory."),
        (["test", EXAMPLE], "There is no hypothesis to test."),
        (["test"], "There is no prompt."),
        (["test", EXAMPLE, "ships", "--template", "about it"], "has no {}."),
        (["test", EXAMPLE, "ships", "--template", "{}", "--as-typed"], "exclude each other"),
        (["test", EXAMPLE, "ships", "ports", "--wording", "boats"], "names no hypothesis"),
        (["contrast", "ships"], "There is no prompt."),
        (["contrast", "ships", EXAMPLE], "A contrast takes two hypotheses, not 1."),
        (["contrast", "ships", "ports", "boats", EXAMPLE], "A contrast takes two hypotheses, not 3."),
        (["contrast", "a", "b", EXAMPLE, "--other", "99"], "There is no token 99."),
        (["contrast", "a", "--source", '{"kind": "mean", "subject": "p", "layer": 3}', "--other", "1"], "no prompt"),
        (["lens", "--source", '{"kind": "mean", "subject": "pocket", "layer": 3}'], "not this source"),
        (["bogus"], "invalid choice"),
        (["sessions", "nowhere"], "There is no session called 'nowhere'."),
        (["sessions", "--answer", "zz"], "0 stored answers"),
        (["export", "nowhere"], "There is no session called 'nowhere'."),
        (["train", "sae", "--corpus", "nowhere", "--out", "x"], "There is no folder"),
        (["train", "sea", "--corpus", ".", "--out", "x"], "invalid choice"),
        (["bench", "speed"], "invalid choice"),
        (["app"], "The app needs a terminal."),
        ([], "The app needs a terminal."),
        (["features", "caf\udce9"], "not UTF-8"),
    ],
    ids=lambda value: " ".join(value).encode("utf-8", "replace").decode() if isinstance(value, list) else "",
)
def test_bad_input_is_a_sentence_and_two(
    backend: FakeBackend, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert run(*arguments) == BadInput.exit_code
    out, said = capsys.readouterr()
    assert sentence in said and "Traceback" not in said and out == ""


def test_every_kind_of_failure_has_its_exit_code(backend: FakeBackend, capsys: pytest.CaptureFixture[str]) -> None:
    for error in (ScoreError("It is nan."), WorkbenchError("It does not fit."), BackendError("It is gone.")):
        backend.fail["features"] = error
        assert run("features", EXAMPLE) == error.exit_code
        assert capsys.readouterr().err == f"{error}\n"
    backend.kill()
    assert run("features", EXAMPLE) == Disconnected.exit_code
    assert "Traceback" not in capsys.readouterr().err


def test_a_failure_that_nobody_foresaw_is_a_sentence_too(
    backend: FakeBackend, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("\x1b[31m")

    monkeypatch.setattr(FakeBackend, "ask", broken)
    assert run("features", EXAMPLE) == cli.UNEXPECTED
    said = capsys.readouterr().err
    assert "ZeroDivisionError: ⟨1b⟩[31m" in said and "Traceback" not in said


def piped(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_a_dash_reads_standard_input(backend: FakeBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    piped(monkeypatch, "two\nlines é\n".encode())
    assert run("features", "-") == 0
    assert backend.verbs("open") == [Open("two\nlines é")]


def test_standard_input_that_is_not_utf_8_is_a_sentence(
    backend: FakeBackend, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    piped(monkeypatch, b"abc\xff\x1b")
    assert run("features", "-") == BadInput.exit_code
    assert "not UTF-8 text: byte 3 is 0xff" in capsys.readouterr().err


def test_flags_reach_the_question(backend: FakeBackend) -> None:
    run("features", EXAMPLE, "--sae", "s", "--order", "rate", "--filter", "rate<0.01", "--limit", "3", "--labelled")
    run("labels", EXAMPLE, "--reader", "r", "--order", "score", "--filter", "f", "--limit", "4", "--subject", "pocket")
    run("explain", EXAMPLE, "--samples", "9", "--temperature", "0.5", "--top-p", "0.8", "--max-tokens", "7",
        "--beta", "0.3", "--keep", "4", "--seed", "5")  # fmt: skip
    run("open", EXAMPLE, "--chat", "--continue", "3", "--seed", "2")
    source = Residual("pocket", tuple(t.id for t in backend._prompts[next(iter(backend._prompts))]), 3, 9)
    assert backend.verbs("features") == [ShowFeatures(source, "s", "rate", "rate<0.01", False, 3)]
    assert backend.verbs("labels") == [RankLabels(source, "r", "score", None, 4, "f")]
    assert backend.verbs("explain") == [Explain(source, "", 9, 0.5, 0.8, 7, 0.3, 4, 5)]
    assert backend.verbs("open")[-1] == Open(EXAMPLE, None, "", True, 3, 2)


def test_judging_flags_reach_the_question(backend: FakeBackend) -> None:
    run("labels", EXAMPLE, "--method", "proven", "--no-controls")
    run("explain", EXAMPLE, "--no-controls")
    run("test", EXAMPLE, "ships", "--no-controls", "--template", "{}", "--template", "about {}", "--wording", "boats",
        "--wording", "ships=vessels", "--tried", "4", "--drawn", "--seed", "9")  # fmt: skip
    run("test", EXAMPLE, "ships", "ports", "--as-typed", "--wording", "ports=harbours")
    labels, explain = backend.verbs("labels")[0], backend.verbs("explain")[0]
    assert isinstance(labels, RankLabels) and (labels.method, labels.controls) == ("proven", False)
    assert isinstance(explain, Explain) and not explain.controls
    one, two = (verb for verb in backend.verbs("test") if isinstance(verb, wire.Test))
    assert (one.controls, one.templates, one.wordings) == (False, ("{}", "about {}"), {"ships": ("boats", "vessels")})
    assert (one.tried, one.drawn, one.seed) == (4, True, 9)
    assert (two.controls, two.templates, two.wordings) == (True, (), {"ports": ("harbours",)})


def test_a_contrast_stands_at_one_place_or_at_two(backend: FakeBackend) -> None:
    mean = '{"kind": "mean", "subject": "pocket", "layer": 3}'
    run("contrast", "ships", "ports", EXAMPLE, "--token", "-3:-1", "--layer", "2", "--as-typed", "--seed", "4")
    run("contrast", "ships", EXAMPLE, "--token", "4", "--other", "-2:")
    run("contrast", "ships", EXAMPLE, "--other-layer", "2")
    run("contrast", "ships", EXAMPLE, "--other-prompt", "a b")
    run("contrast", "--source", mean, "--hypothesis=-a", "b", "--reader", "r", "--other-source", mean)
    asked = [verb for verb in backend.verbs("contrast") if isinstance(verb, wire.Contrast)]
    ids = tuple(token.id for token in next(iter(backend._prompts.values())))

    def at(position: int, end: int | None = None, layer: int = 3) -> Residual:
        return Residual("pocket", ids, layer, position, end)

    short = asked[3].other
    assert isinstance(short, Residual) and (len(short.token_ids), short.position, short.layer) == (3, 2, 3)
    assert asked == [
        wire.Contrast("ships", "ports", at(7, 9, 2), None, "", (), 4),
        wire.Contrast("ships", "ships", at(4), at(8, 10)),
        wire.Contrast("ships", "ships", at(9), at(9, layer=2)),
        wire.Contrast("ships", "ships", at(9), short),
        wire.Contrast("b", "-a", Mean("pocket", 3), Mean("pocket", 3), "r"),
    ]


def test_wordings_tried_in_the_session_are_counted_by_themselves(backend: FakeBackend) -> None:
    run("test", EXAMPLE, "ships", "ports", "--session", "s")
    run("test", EXAMPLE, "ports", "boats", "--session", "s")
    run("test", EXAMPLE, "ships", "--session", "s", "--token", "2")
    run("test", EXAMPLE, "ships", "--session", "another")
    run("test", EXAMPLE, "whales", "--session", "s", "--no-save")
    run("contrast", "cities", "ports", EXAMPLE, "--session", "s")
    run("test", EXAMPLE, "whales", "--session", "s")
    tried = [verb.tried for verb in backend.verbs("test") if isinstance(verb, wire.Test)]
    assert tried == [0, 1, 0, 0, 0, 4]


def test_a_judged_hypothesis_is_printed_with_what_stands_behind_it(
    backend: FakeBackend, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = Score(
        -0.95, 1.27, 0.002, 5, 512, (Control("random covariance", -2.2, 0.02, (), 256),), (1.0, 1.5), "supported",
        why="Its gap of 1.27 is above 0.40.", note="Also readable from the text.", estimate=True, tried=3,
    )  # fmt: skip
    row = HypothesisRow(
        "ships", judged, wordings=(Wording("ships", -0.9, 1.3), Wording("about ships", -1.1)), wording_spread=0.4
    )
    monkeypatch.setattr(FakeBackend, "_hypothesis", lambda *_: row)
    assert run("test", EXAMPLE, "ships", "--no-save") == 0
    out = capsys.readouterr().out
    for words in ("~+1.270", "+1.00 to +1.50", "~-0.950", "±0.400", "✓ supported", "about ships", "random covariance",
                  "Its gap of 1.27 is above 0.40. Also readable from the text.", "256", "tried"):  # fmt: skip
        assert words in out, words
    assert run("test", EXAMPLE, "ships", "--no-save", "--csv") == 0
    line = next(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert (line["low"], line["high"], line["verdict"], line["tried"]) == ("1.0", "1.5", "supported", "3")
    assert run("contrast", "ships", "ports", EXAMPLE, "--no-save") == 0
    out = capsys.readouterr().out
    assert "+0.80 to +1.20" in out and "The left one fits better" in out


def test_the_settings_give_the_explaining_constants(backend: FakeBackend, own_home: Path) -> None:
    (own_home / "config").mkdir()
    (own_home / "config" / "settings.toml").write_text("[explain]\nsamples = 7\nseed = 3\n")
    run("explain", EXAMPLE, "--seed", "4")
    verb = backend.verbs("explain")[0]
    assert isinstance(verb, Explain) and (verb.samples, verb.seed) == (7, 4)


def test_own_labels_come_from_a_file_or_from_flags(backend: FakeBackend, tmp_path: Path) -> None:
    file = tmp_path / "labels.txt"
    file.write_text('\ufeffships\n\n  ports  \n{"description": "names  of\\tcities", "index": "3"}\nships\n', "utf-8")
    assert run("labels", EXAMPLE, "--labels", str(file), "--label", "typed") == 0
    verb = backend.verbs("labels")[0]
    assert isinstance(verb, RankLabels) and verb.labels == ("typed", "ships", "ports", "names of cities")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\n\n", "holds no sentence"),
        (b"ships\n\xff\xfe", "not UTF-8 text: byte 6 is 0xff"),
        (b'ok\n{"label": "x"}', "no text called `description` in line 2"),
        (b'{"description": ', "broken JSON in line 1"),
    ],
)
def test_a_bad_file_of_labels_is_a_sentence_that_names_the_line(
    backend: FakeBackend, capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes, sentence: str
) -> None:
    (tmp_path / "labels.txt").write_bytes(content)
    assert run("labels", EXAMPLE, "--labels", str(tmp_path / "labels.txt")) == BadInput.exit_code
    assert sentence in capsys.readouterr().err


def test_tables_of_prompts_and_hypotheses_write_one_line_each(
    backend: FakeBackend, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "prompts").write_text("a b c\nd e\n")
    (tmp_path / "hypotheses").write_text("ships\nports\n")
    files = ["--prompts", str(tmp_path / "prompts"), "--hypotheses", str(tmp_path / "hypotheses")]
    assert run("test", *files, "typed", "--csv") == 0
    verb = backend.verbs("test")[0]
    assert isinstance(verb, wire.Test)
    assert verb.hypotheses == ("typed", "ships", "ports")
    assert [len(source.token_ids) for source in verb.sources if isinstance(source, Residual)] == [4, 3]
    lines = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [line["hypothesis"] for line in lines] == ["typed", "ships", "ports"]
    assert lines[0]["prompt"] == "a b c" and float(lines[0]["gap"]) == 1.27


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_printed_inert_and_whole(
    backend: FakeBackend, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    words = text.encode("utf-8", "replace").decode()
    monkeypatch.setattr(backend, "labels", (words,))
    assert run("features", words) == 0
    printed, said = capsys.readouterr()
    assert inert(words) in printed and said == ""
    assert run("features", words, "--json") == 0
    written = capsys.readouterr().out
    for out in (printed, written):
        assert all(char == "\n" or inert(char) == char for char in out)
    assert json.loads(written)["result"]["rows"][0]["labels"] == [words]


def test_answers_are_recorded_in_the_named_session_unless_told_not_to(
    backend: FakeBackend, capsys: pytest.CaptureFixture[str]
) -> None:
    run("features", EXAMPLE, "--session", "whales")
    run("features", EXAMPLE, "--session", "ghosts", "--no-save")
    run("lens", EXAMPLE)
    with open_store() as store:
        kinds = {one.name: [saved.kind for saved in store.answers(one)] for one in store.sessions()}
        assert kinds == {"whales": ["open", "features"], "notebook": ["open", "lens"]}
        saved = store.answers(store.session("whales"))[1]
        store.keep(store.session("whales"), saved.id, row_key="900", title="A port", tags=("geo",))
    capsys.readouterr()
    assert run("sessions", "--json") == 0
    assert [one["name"] for one in json.loads(capsys.readouterr().out)["sessions"]] == ["notebook", "whales"]
    assert run("sessions", "whales", "--search", "port geo") == 0
    assert "A port" in capsys.readouterr().out
    assert run("sessions", "--answer", saved.id[:14]) == 0
    shown = capsys.readouterr().out
    assert "features at token 9 “Lisbon”, layer 3" in shown and "investigator features" in shown
    assert run("sessions", "--answer", saved.id, "--json") == 0
    assert json.loads(capsys.readouterr().out)["result"]["result"] == "features"


def test_an_export_goes_to_standard_output_or_to_a_file_whole(
    backend: FakeBackend, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run("labels", EXAMPLE, "--session", "whales", "--json")
    id = json.loads(capsys.readouterr().out)["question"]
    assert run("export", "whales") == 0
    assert capsys.readouterr().out.startswith("# whales\n")
    assert run("export", "whales", "--json", "--out", str(tmp_path / "a.json")) == 0
    assert json.loads((tmp_path / "a.json").read_text())["session"]["name"] == "whales"
    assert run("export", "whales", "--plot", id, "--out", str(tmp_path / "a.svg")) == 0
    assert (tmp_path / "a.svg").read_text().lstrip().startswith("<svg")
    (tmp_path / "old.md").write_text("old")
    assert run("export", "whales", "--out", str(tmp_path / "nowhere" / "a.md")) == 6
    assert "could not be written" in capsys.readouterr().err
    assert run("export", "whales", "--plot", "zz") == 2
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.json", "a.svg", "old.md"]


def test_a_session_that_cannot_be_saved_is_told_and_the_answer_printed(
    backend: FakeBackend, capsys: pytest.CaptureFixture[str], own_home: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (own_home / "data").write_text("a file where the folder should be")
    assert run("features", EXAMPLE, "--json") == 0
    out, said = capsys.readouterr()
    assert json.loads(out)["result"]["active"] == 6
    assert "Answers cannot be saved" in said


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_cancels_the_question_keeps_its_rows_and_ends_with_its_code(
    backend: FakeBackend, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, number: int, code: int
) -> None:
    handler = signal.getsignal(number)
    gate = backend.hold("explain")
    ask = backend.ask

    def watched(question: Question, *, start: int = 0) -> object:
        if isinstance(question.verb, Explain):
            threading.Thread(target=os.kill, args=(os.getpid(), number)).start()
        return ask(question, start=start)

    monkeypatch.setattr(backend, "ask", watched)
    assert run("explain", EXAMPLE) == code
    assert signal.getsignal(number) is handler
    assert backend.cancelled == [backend.asked[-1].id]
    assert capsys.readouterr().err == "Stopped.\n"
    assert not gate.is_set() and backend.closed == 1
