"""`features`: numbers against numpy over transformers' own hidden states; order, filter, spans and lanes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file

import tiny
from backends.engine.engine import WorkbenchEngine
from backends.engine.subject import Subject
from investigator.errors import BadInput
from investigator.sources import Decoder, Difference, Mean, Random, Residual
from investigator.wire import Open, ShowFeatures


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> tiny.Tiny:
    return tiny.make_workbench(tmp_path_factory.mktemp("bench"))


@pytest.fixture(scope="module")
def engine(bench: tiny.Tiny) -> WorkbenchEngine:
    made: WorkbenchEngine = tiny.make_engine(bench)
    return made


@pytest.fixture(scope="module")
def ids(engine: WorkbenchEngine) -> tuple[int, ...]:
    return tuple(engine.parts.subject().encode("The capital of France is Paris"))


def at(ids: tuple[int, ...], position: int = -1, end: int | None = None, layer: int = -1) -> Residual:
    return Residual("", ids, layer, position, end)


def hidden_states(engine: WorkbenchEngine, ids: tuple[int, ...], layer: int = tiny.LAYER) -> NDArray[Any]:
    with torch.inference_mode():
        output = engine.parts.subject().model(torch.tensor([ids]), output_hidden_states=True)
    states: NDArray[Any] = output.hidden_states[layer + 1][0].numpy()
    return states


def slow_features(bench: tiny.Tiny, vector: NDArray[Any]) -> dict[int, tuple[float, float, float]]:
    """Activation, robust z and rate of each of the 12 strongest latents, in numpy float64."""
    sae = {key: value.astype(np.float64) for key, value in load_file(bench.sae / "sae_weights.safetensors").items()}
    known = load_file(bench.statistics / "L2" / "latents.safetensors")
    pre = (vector - sae["b_dec"]) @ sae["W_enc"] + sae["b_enc"]
    sigma = np.maximum(known["iqr"] / 1.349, 1e-6)
    z = (pre - known["median"]) / sigma
    return {int(j): (pre[j], z[j], float(known["rate"][j])) for j in np.argsort(-pre)[:12] if pre[j] > 0}


@pytest.mark.parametrize(("position", "end"), [(-1, None), (0, None), (3, None), (1, 4), (-3, 7)])
def test_rows_are_what_numpy_computes(
    bench: tiny.Tiny, engine: WorkbenchEngine, ids: tuple[int, ...], position: int, end: int | None
) -> None:
    found = tiny.ask(engine, ShowFeatures(at(ids, position, end)))
    states = hidden_states(engine, ids)
    start = position % len(ids)
    expected = slow_features(bench, states[start : end or start + 1].mean(0))
    assert {row.latent for row in found.rows} == set(expected) and found.active == len(expected)
    for row in found.rows:
        activation, z, rate = expected[row.latent]
        assert row.activation == pytest.approx(activation, abs=1e-4)
        assert row.z == pytest.approx(z, abs=1e-2, rel=1e-3)
        assert row.rate == pytest.approx(rate)
        assert row.labels == engine.parts.labels("L").labels_of(row.latent)
    assert found.unlabelled == sum(latent % 3 == 0 for latent in expected)


@pytest.mark.parametrize(("order", "key"), [("activation", "activation"), ("z", "z"), ("rate", "rate")])
def test_order_is_the_asked_one(engine: WorkbenchEngine, ids: tuple[int, ...], order: Any, key: str) -> None:
    values = [getattr(row, key) for row in tiny.ask(engine, ShowFeatures(at(ids), order=order)).rows]
    assert values == sorted(values, reverse=order != "rate") and len(values) > 5


def test_the_filter_keeps_what_it_says(engine: WorkbenchEngine, ids: tuple[int, ...]) -> None:
    def rows(text: str, **more: Any) -> Any:
        return tiny.ask(engine, ShowFeatures(at(ids), filter=text, **more)).rows

    everything = rows("")
    some = everything[2]
    assert [row.latent for row in rows(str(some.latent))] == [some.latent]
    assert rows("z>3 act>=1") == tuple(row for row in everything if row.z > 3 and row.activation >= 1)
    assert rows("rate<=0.01") == tuple(row for row in everything if row.rate <= 0.01)
    labelled = next(row for row in everything if row.labels)
    word = labelled.labels[0].split()[-1]
    assert labelled in rows(word.upper()) and labelled in rows(f'"{labelled.labels[0]}"')
    assert rows("no-such-word-in-any-label") == ()
    assert rows("", unlabelled=False) == tuple(row for row in everything if row.labels)
    assert rows("", limit=2) == everything[:2]


@pytest.mark.parametrize("text", ["speed>3", "z>three", "rate<", "act>nan"])
def test_a_bound_that_cannot_be_read_says_the_grammar(engine: WorkbenchEngine, ids: tuple[int, ...], text: str) -> None:
    with pytest.raises(BadInput, match="cannot be read") as raised:
        engine.resolve(ShowFeatures(at(ids), filter=text))
    assert "rate, z, act" in raised.value.mend


def test_an_open_quote_is_only_a_word_being_typed(engine: WorkbenchEngine, ids: tuple[int, ...]) -> None:
    assert (
        tiny.ask(engine, ShowFeatures(at(ids), filter='"the wo')).rows
        == tiny.ask(engine, ShowFeatures(at(ids), filter="the wo")).rows
    )


def test_moving_the_cursor_never_runs_the_model_again(bench: tiny.Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = tiny.make_engine(bench)
    passes: list[int] = []
    plain = Subject.capture
    monkeypatch.setattr(Subject, "capture", lambda self, ids: passes.append(1) or plain(self, ids))
    ids = tuple(engine.parts.subject().encode("Water boils when it is heated"))
    moved, _ = engine.resolve(ShowFeatures(at(ids, 2)))
    assert engine.lane(moved) == "model"
    resolved, _ = engine.resolve(Open(prompt="Water boils when it is heated"))
    assert engine.lane(resolved) == "model"
    list(engine.run(resolved))
    assert engine.lane(resolved) == "fast" and engine.lane(moved) == "fast"
    for position in range(len(ids)):
        tiny.ask(engine, ShowFeatures(at(ids, position)))
    assert passes == [1]


def test_a_capture_that_was_dropped_is_made_again(bench: tiny.Tiny) -> None:
    from backends.engine.captures import Captures

    engine = tiny.make_engine(bench)
    engine.captures = Captures(1)
    one, other = (tuple(engine.parts.subject().encode(text)) for text in ("cat and dog", "horse and bird"))
    first = tiny.ask(engine, ShowFeatures(at(one)))
    tiny.ask(engine, ShowFeatures(at(other)))
    assert engine.captures.held("tiny", one) is None and engine.captures.held("tiny", other) is not None
    assert tiny.ask(engine, ShowFeatures(at(one))) == first


def test_captures_are_bounded_by_bytes_too(engine: WorkbenchEngine) -> None:
    from backends.engine.captures import Captures

    subject = engine.parts.subject()
    one_prompt = tiny.LAYERS * 4 * tiny.WIDTH * 4
    captures = Captures(100, most_bytes=2 * one_prompt)
    keys = [(0, 10 + n, 20, 30) for n in range(5)]
    for ids in keys:
        captures.get(subject, ids)
    assert [captures.held("tiny", ids) is not None for ids in keys] == [False, False, False, True, True]


def test_other_sources_are_encoded_as_the_vectors_they_are(
    bench: tiny.Tiny, engine: WorkbenchEngine, ids: tuple[int, ...]
) -> None:
    layers = load_file(bench.statistics / "layers.safetensors")
    mean = layers["mean"][tiny.LAYER]
    states = hidden_states(engine, ids)
    decoder = load_file(bench.sae / "sae_weights.safetensors")["W_dec"][5]
    scale = np.linalg.norm(layers["background"][tiny.LAYER], axis=1).mean() / np.linalg.norm(decoder)
    expected = {
        Mean("", -1): mean,
        Difference(at(ids, 2), at(ids, 4)): mean + states[2] - states[4],
        Decoder("", 5): decoder * scale,
    }
    for source, vector in expected.items():
        found = {row.latent: row.activation for row in tiny.ask(engine, ShowFeatures(source)).rows}
        slow = {latent: value[0] for latent, value in slow_features(bench, vector).items()}
        assert found == pytest.approx(slow, abs=1e-4)


def test_a_random_source_has_the_layers_mean_and_covariance(bench: tiny.Tiny, engine: WorkbenchEngine) -> None:
    layers = load_file(bench.statistics / "layers.safetensors")
    drawn = torch.stack([engine.vector(Random("tiny", tiny.LAYER, seed)) for seed in range(3000)]).numpy()
    assert np.array_equal(engine.vector(Random("tiny", tiny.LAYER, 7)).numpy(), drawn[7])
    assert np.allclose(drawn.mean(0), layers["mean"][tiny.LAYER], atol=0.1)
    assert np.allclose(np.cov(drawn.T, bias=True), layers["covariance"][tiny.LAYER], atol=0.2)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (lambda ids: at(ids, 99), r"no token 99\. The prompt's tokens are 0 to 6, or -7 to -1"),
        (lambda ids: at(ids, -8), "no token -8"),
        (lambda ids: at(ids, 3, 3), "no span 3:3"),
        (lambda ids: at(ids, 3, 99), "no span 3:99"),
        (lambda ids: at(ids, layer=99), r"no layer 99\. Its layers are 0 to 3"),
        (lambda ids: at(ids, layer=-2), "no layer -2"),
        (lambda ids: at(ids, layer=1), r"No SAE reads layer 1 of tiny\. Ask at another layer: L at layer 2"),
        (lambda ids: at(()), "The prompt is empty"),
        (lambda ids: at((0, 99_999)), "token id is not one of"),
        (lambda ids: at((5,) * 65), "65 tokens, but tiny reads at most 64"),
        (lambda ids: Residual("other", ids, -1, -1), "no subject 'other'. It has: tiny"),
        (lambda ids: Decoder("L", 96), r"no latent 96\. Latents are 0 to 95"),
        (lambda ids: Decoder("M", 0), "no SAE 'M'. It has: L"),
        (lambda ids: Difference(at(ids, layer=1), at(ids, layer=2)), "one model and layer"),
    ],
)
def test_a_place_that_does_not_exist_names_those_that_do(
    engine: WorkbenchEngine, ids: tuple[int, ...], source: Any, said: str
) -> None:
    with pytest.raises(BadInput) as raised:
        engine.resolve(ShowFeatures(source(ids)))
    import re

    assert re.search(said, str(raised.value))


def test_without_statistics_and_labels_there_are_still_rows(tmp_path: Path) -> None:
    bench = tiny.make_workbench(tmp_path, statistics=False, reader=False)
    engine = tiny.make_engine(bench)
    ids = tuple(engine.parts.subject().encode("The capital"))
    rows = tiny.ask(engine, ShowFeatures(at(ids), order="activation")).rows
    assert rows and all(row.z == 0 and row.rate == 0 for row in rows)


def test_the_same_question_has_the_same_bits(bench: tiny.Tiny) -> None:
    answers = []
    for _ in range(2):
        engine = tiny.make_engine(bench)
        ids = tuple(engine.parts.subject().encode("The fourth president of the United States was James Madison"))
        answers.append([tiny.ask(engine, ShowFeatures(at(ids, position))) for position in range(len(ids))])
    assert answers[0] == answers[1]
