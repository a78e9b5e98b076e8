"""`sweep` from the command line and from Python, over canned answers and a real session file."""

from __future__ import annotations

import json
import re

import pytest
from cli_tools import run

from fake_backend import EXAMPLE, FakeBackend
from investigator import api, sweep_tables
from investigator.commands.sweep import parse_layers
from investigator.errors import BadInput
from investigator.records import Result, Score, SweepCell, SweepRow, Swept
from investigator.sources import Residual
from investigator.wire import Open, Sweep, Verb
from sessions import open_store
from sessions.markdown import export_markdown
from sessions.reproduce import arguments

FAILED = SweepCell(Score(error="A special token stands here."))


class Sweeping(FakeBackend):
    """The fake backend, answering sweeps of two layers, one more of which cannot be read."""

    def _answer(self, verb: Verb) -> Result:
        if not isinstance(verb, Sweep):
            return super()._answer(verb)
        assert isinstance(verb.source, Residual)
        end = verb.source.end or verb.source.position + 1
        if verb.latent is not None:
            cells = tuple(SweepCell(activation=float(at)) for at in range(end))
            return Swept("pocket", "", 0, end, (SweepRow(3, "", "activation", 0, cells),), "l3", verb.latent)
        score = [Score(-2.0 + 0.1 * at, 0.1 * at, 0.01, 4, 512) for at in range(end)]
        said = "" if verb.text else "a | *pipe*"
        cells = (FAILED, *(SweepCell(one, said) for one in score[1:]))
        method = "score" if verb.text else "labels"
        rows = [SweepRow(layer, "mapper", method, 0, cells) for layer in (1, 3)]
        rows.append(SweepRow(5, "selfie", error="It says the same whatever is injected."))
        return Swept("pocket", verb.text, 0, end, tuple(rows))


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Sweeping:
    fake = Sweeping()
    monkeypatch.setattr("backends.launch.Local", lambda *_, **__: fake)
    return fake


def test_a_text_is_swept_and_printed_tokens_down_and_layers_across(
    backend: Sweeping, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--text", "ports", "--reader", "selfie", "--layers", "1,3-5", "--token", "0:6")
    assert run("sweep", EXAMPLE, *words) == 0
    [asked] = backend.verbs("sweep")
    assert isinstance(asked, Sweep) and isinstance(asked.source, Residual)
    assert asked == Sweep(
        Residual("pocket", asked.source.token_ids, -1, 0, 6), "ports", "selfie", (1, 3, 4, 5), "auto", None, ""
    )
    out = capsys.readouterr().out
    assert re.search(r"position\s+token\s+L1\s+L3\n", out)
    assert re.search(r"2\s+whales\s+\+0\.20\s+\+0\.20\n", out)
    assert re.search(r"0 L1, 0 L3\s+A special token stands here\.", out)
    assert re.search(r"L5\s+selfie\s.*It says the same", out)


def test_readers_words_and_latents_are_printed(backend: Sweeping, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("sweep", EXAMPLE, "--method", "labels") == 0
    out = capsys.readouterr().out
    assert "Layer 1" in out and "Layer 3" in out and "a | *pipe*" in out and "0.200" in out
    assert run("sweep", EXAMPLE, "--latent", "l3#12", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["result"]["rows"][0]["cells"][4]["activation"] == 4.0
    asked = backend.verbs("sweep")
    assert [(one.method, one.latent, one.sae) for one in asked if isinstance(one, Sweep)] == [
        ("labels", None, ""),
        ("auto", 12, "l3"),
    ]
    assert isinstance(asked[0], Sweep) and isinstance(asked[0].source, Residual)
    assert (asked[0].source.position, asked[0].source.end) == (0, len(asked[0].source.token_ids))


def test_as_many_layers_stand_beside_each_other_as_fit() -> None:
    rows = [SweepRow(layer, "r", cells=(SweepCell(Score(-1.0, 0.5)),)) for layer in range(5)]
    columns = [table.columns for table in sweep_tables.of_rows(rows, ["a"], across=2)]
    assert [one[2:] for one in columns[:3]] == [(">L0", ">L1"), (">L2", ">L3"), (">L4",)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sweep"], "no prompt"),
        (["sweep", EXAMPLE, "--text", " "], "no text to sweep"),
        (["sweep", EXAMPLE, "--layers", "x"], "no list of layers"),
        (["sweep", EXAMPLE, "--layers", "5-3"], "no range of layers"),
        (["sweep", EXAMPLE, "--token", "5:5"], "holds no token"),
        (["sweep", EXAMPLE, "--latent", "x"], "alone is no source"),
        (["sweep", EXAMPLE, "--latent", "mean(L3)"], "no latent"),
        (["sweep", EXAMPLE, "--latent", "l3#1", "--sae", "l2"], "of l3, not of l2"),
        (["sweep", EXAMPLE, "--method", "best"], "invalid choice"),
    ],
)
def test_what_cannot_be_read_ends_with_code_2_and_a_sentence(
    backend: Sweeping, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert run(*words) == 2
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error and not backend.verbs("sweep")


def test_layers_are_read() -> None:
    assert parse_layers("0, 2-4,3") == (0, 2, 3, 4)
    with pytest.raises(BadInput):
        parse_layers("0-99999999")


def test_the_printed_command_asks_the_same_again_and_the_export_is_inert(backend: Sweeping) -> None:
    asked = [
        ["sweep", EXAMPLE, "--text=-ports", "--layers", "1,3"],
        ["sweep", EXAMPLE, "--reader", "selfie", "--token", "2:5", "--layers", "3", "--method", "greedy"],
        ["sweep", EXAMPLE, "--latent", "7", "--sae", "l3", "--token", "2"],
    ]
    for words in asked:
        assert run(*words) == 0
    store = open_store()
    session = store.session("notebook")
    saved = [one for one in store.answers(session) if one.kind == "sweep"]
    before = list(backend.verbs("sweep"))
    for one in saved:
        assert run(*arguments(one)) == 0
    assert sorted(map(repr, backend.verbs("sweep")[3:])) == sorted(map(repr, before))
    page = export_markdown(store, session)
    assert "over tokens 0:10" in page and "a \\| \\*pipe\\*" in page and "A special token stands here" in page
    assert store.answers(session, "pipe") and store.answers(session, "latent 7")


def test_python_sweeps_a_prompt(backend: Sweeping) -> None:
    seen: list[int] = []
    with api.Investigator(backend) as bench:
        prompt = bench.open(EXAMPLE)
        found = bench.sweep(prompt, "ports", layers=[1, 3], tokens=slice(0, 4), watch=lambda one: seen.append(1))
        assert found.rows[0].cell(2).value == pytest.approx(0.2)  # type: ignore[union-attr]
        assert found.rows[0].cell(9) is None and found.rows[2].error and seen
        assert bench.sweep(EXAMPLE, latent=3, sae="l3").latent == 3
        with pytest.raises(BadInput, match="holds no token"):
            bench.sweep(prompt, "ports", tokens=(4, 4))
    assert len(backend.verbs("open")) == 2 and isinstance(backend.verbs("open")[1], Open)
