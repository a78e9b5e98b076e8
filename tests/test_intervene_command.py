"""`intervene` and expressions from the command line and from Python, over canned answers and a real session file."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_tools import run

from fake_backend import EXAMPLE, FakeBackend
from investigator import api, wire
from investigator.records import DoseRow, Intervened, Likely, Mover, Result, Shift
from investigator.sources import Ablated, Decoder, Difference, Prompted, Residual, Stored
from investigator.wire import Intervene, Open, ShowFeatures, Verb
from sessions import open_store
from sessions.markdown import export_markdown
from sessions.reproduce import arguments


class Changing(FakeBackend):
    """The fake backend, answering interventions."""

    def _answer(self, verb: Verb) -> Result:
        if not isinstance(verb, Intervene):
            return super()._answer(verb)
        shifts = (Shift("ports", -3.0, -0.25, (-0.1, 0.1)),)
        up = (Mover(" ships", 0.1, 0.4),)
        row = DoseRow(1.0, 9.0, 0.5, (0.1, 0.3), up, (), "a | *pipe*", 2, ("alike",), (4, 5), shifts)
        failed = DoseRow(9.0, error="The edited pass gave NaN or infinity.")
        return Intervened(
            "pocket", 3, 1, 30.0, (Likely("x", 0.5),), "before", (row, failed), "l2el", 3, 5, (-2.75,), ""
        )


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Changing:
    fake = Changing()
    monkeypatch.setattr("backends.launch.Local", lambda *_, **__: fake)
    return fake


def test_an_intervention_is_asked_and_printed(backend: Changing, capsys: pytest.CaptureFixture[str]) -> None:
    code = run(
        "intervene", EXAMPLE, "--token", "2", "--layer", "3", "--ablate", "7", "--ablate", "l3#9", "--from-here",
        "--dose", "0", "--dose", "1.5", "--hypothesis", "ports", "--reader", "l2el", "--read-token", "-1",
        "--continue", "4", "--top", "2", "--randoms", "3", "--seed", "6",
    )  # fmt: skip
    assert code == 0
    [asked] = backend.verbs("intervene")
    assert isinstance(asked, Intervene) and isinstance(asked.source, Residual) and asked.source.position == 2
    rest = ((7, 9), "l3", None, True, (0.0, 1.5), ("ports",), "l2el", -1, 4, 3, 2, 6)
    assert asked == Intervene(asked.source, *rest)
    out = capsys.readouterr().out
    for words in ("0.200 (0.100 to 0.300)", "4.5 (4 to 5)", " ships", "-0.250", "0.000 (-0.100 to +0.100)", "failed"):
        assert words in out
    assert run("intervene", EXAMPLE, "--add", "l3#4", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["result"]["rows"][0]["kl"] == 0.5
    assert backend.verbs("intervene")[-1].add == Decoder("l3", 4)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["intervene", EXAMPLE, "--ablate", "x"], "alone is no source"),
        (["intervene", EXAMPLE, "--ablate", "mean(L3)"], "no latent"),
        (["intervene", EXAMPLE, "--ablate", "l3#1", "--ablate", "l2#2"], "two SAEs|2 SAEs"),
        (["intervene", EXAMPLE, "--add", "(" * 10_000], "too deep"),
        (["features", "--source", 'ablate("a", l3#1, l2#2)'], "two SAEs"),
        (["labels", "--source", '"a'], "no closing quote"),
        (["test", "--source", "", "ships"], "missing"),
        (["contrast", "a", "--source", "mean(L3)", "--other-source", "nonsense("], "no function"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_be_read_ends_with_code_2_and_a_caret(
    backend: Changing, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    import re

    assert run(*words) == 2
    error = capsys.readouterr().err
    assert re.search(said, error) and "Traceback" not in error
    if "SAEs." not in error and "no latent." not in error and '""' not in error and words[2]:
        assert error.rstrip().endswith("^") or "is missing" in error
    assert not backend.verbs("intervene")


def test_an_expression_opens_its_prompts_and_goes_as_it_was_written(backend: Changing) -> None:
    line = '"one two"@-1/L3 - ablate("three"@0/L3, l3#4)'
    assert run("features", "--source", line) == 0
    source = Difference(Prompted("one two", "", 3), Ablated(Prompted("three", "", 3, 0), "l3", (4,)))
    assert backend.verbs("features") == [ShowFeatures(source)]
    assert [verb.prompt for verb in backend.verbs("open") if isinstance(verb, Open)] == ["one two", "three"]


def test_a_single_place_is_its_residual_and_its_prompt_is_known(backend: Changing) -> None:
    assert run("lens", "--source", f'"{EXAMPLE}"@2/L3') == 0
    [asked] = backend.verbs("lens")
    assert isinstance(asked, wire.ShowLens) and (asked.source.position, len(asked.source.token_ids)) == (2, 10)


def test_a_file_here_is_found_wherever_the_backend_stands(
    backend: Changing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("v.npy", np.zeros((2, 4), np.float32))
    assert run("features", "--source", 'file("v.npy", 1, L3)') == 0
    assert run("features", "--source", 'file("elsewhere.npy", 1, L3)') == 0
    here, elsewhere = (verb.source for verb in backend.verbs("features") if isinstance(verb, ShowFeatures))
    assert here == Stored(str(tmp_path / "v.npy"), "", 1, "", 3)
    assert elsewhere == Stored("elsewhere.npy", "", 1, "", 3)


def test_the_printed_command_asks_the_same_again_and_the_export_is_inert(backend: Changing) -> None:
    asked = [
        ["intervene", EXAMPLE, "--token", "2", "--layer", "3", "--ablate", "7", "--from-here", "--dose", "0.1"],
        ["intervene", EXAMPLE, "--layer", "3", "--add", '"one"@-1/L3 - "two"@-1/L3', "--hypothesis", "-ports"],
        ["features", "--source", 'pocket:"one two"@1..3/L3 - 2 * l3#4 + file("/x.npy", 3, L3)'],
        ["test", "--source", "mean(L3)", "--source", '"one"@-1/L3 - "two"@-1/L3', "--hypothesis=a"],
    ]
    for words in asked:
        words = [f"--hypothesis={word}" if word == "-ports" else word for word in words if word != "--hypothesis"]
        assert run(*words) == 0
    store = open_store()
    session = store.session("notebook")
    saved = [one for one in store.answers(session) if one.kind in {"intervene", "features", "test"}]
    assert len(saved) == 4
    before = [*backend.verbs("intervene"), *backend.verbs("features"), *backend.verbs("test")]
    for one in saved:
        assert run(*arguments(one)) == 0
    after = [*backend.verbs("intervene"), *backend.verbs("features"), *backend.verbs("test")]
    assert [repr(verb) for verb in after] == [
        repr(verb) for kind in ("intervene", "features", "test") for verb in _twice(before, kind)
    ]
    page = export_markdown(store, session)
    assert 'at pocket:"one two"' in page.replace("\\", "") and "a \\| \\*pipe\\*" in page
    assert store.answers(session, "pipe") and store.answers(session, "latent 7")


def _twice(verbs: list[Any], kind: str) -> list[Any]:
    own = [verb for verb in verbs if verb.__struct_config__.tag == kind]
    return [*own, *own]


def test_python_asks_any_source(backend: Changing) -> None:
    with api.Investigator(backend) as bench:
        there = bench.at('"one two"@-1/L3 - l3#4')
        assert there.features(limit=2).rows and there.labels(labels=["ships"]).rows
        assert there.explain(samples=4).drawn == 4
        assert there.test("ships").rows[0].text == "ships"
        assert there.contrast("ships", "ports").difference == 1.0
        assert bench.test("ships", ['"one"@-1/L3']).rows
        place = bench.at(f'"{EXAMPLE}"@2/L3')
        assert isinstance(place.source, Residual) and place.prompt is not None
        found = place.intervene(ablate=[3], doses=(0, 1), hypotheses="ports", later=True, randoms=2)
        assert found.rows[0].kl == 0.5
        with pytest.raises(Exception, match="no closing quote") as raised:
            bench.at('"one')
    assert raised.value.__notes__ == ['  "one\n  ^']
    [asked] = backend.verbs("intervene")
    assert asked == Intervene(place.source, (3,), later=True, doses=(0, 1), hypotheses=("ports",), randoms=2)
