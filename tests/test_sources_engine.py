"""Sources of the algebra as vectors, against plain arithmetic on transformers' own hidden states."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import tiny
from backends.engine import vectors
from backends.engine.engine import WorkbenchEngine
from investigator import wire
from investigator.errors import BadInput, ScoreError
from investigator.expressions import parse
from investigator.sources import Decoder, Residual, Source, Stored, Sum, Weighted
from investigator.wire import ShowFeatures

TEXT, OTHER = "The capital of France is Paris", "Water boils when it is heated"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> tiny.Tiny:
    return tiny.make_workbench(tmp_path_factory.mktemp("algebra"))


@pytest.fixture(scope="module")
def engine(bench: tiny.Tiny) -> WorkbenchEngine:
    made: WorkbenchEngine = tiny.make_engine(bench)
    return made


@pytest.fixture(scope="module")
def hidden(engine: WorkbenchEngine) -> Callable[[str], Tensor]:
    def states(text: str, layer: int = tiny.LAYER) -> Tensor:
        subject = engine.parts.subject()
        with torch.inference_mode():
            output = subject.model(torch.tensor([subject.encode(text)]), output_hidden_states=True)
        found: Tensor = output.hidden_states[layer + 1][0]
        return found

    return states


def made(engine: WorkbenchEngine, line: str) -> Tensor:
    return engine.vector(vectors.resolve(engine, parse(line)))


def test_sums_are_reckoned_from_the_mean(engine: WorkbenchEngine, hidden: Any) -> None:
    a, b, mean = hidden(TEXT)[-1], hidden(OTHER)[3], engine.parts.layer_statistics("tiny").mean[tiny.LAYER]
    left, right = f'"{TEXT}"@-1/L2', f'"{OTHER}"@3/L2'
    expected = {
        left: a,
        f"{left} - {right}": mean + a - b,
        f"0.5 * {left} + 0.5 * {right}": (a + b) / 2,
        f"{left} - {right} - {right}": a - 2 * b + 2 * mean,
        f"2 * ({left} - {right})": mean + 2 * (a - b),
        f"-{left}": 2 * mean - a,
        f'"{OTHER}"@1..4/L2': hidden(OTHER)[1:4].mean(0),
        f'"{OTHER}"@2..': hidden(OTHER)[2:].mean(0),
    }
    for line, vector in expected.items():
        torch.testing.assert_close(made(engine, line), vector, atol=2e-5, rtol=1e-5)


def test_a_decoder_direction_in_a_sum_is_added_to_what_stands_beside_it(
    bench: tiny.Tiny, engine: WorkbenchEngine, hidden: Any
) -> None:
    statistics = load_file(bench.statistics / "layers.safetensors")
    row = load_file(bench.sae / "sae_weights.safetensors")["W_dec"][5]
    direction = row / row.norm() * statistics["background"][tiny.LAYER].norm(dim=-1).mean()
    torch.testing.assert_close(made(engine, "sae:L#5"), direction)
    torch.testing.assert_close(made(engine, f'"{TEXT}" + 0.1 * L#5'), hidden(TEXT)[-1] + 0.1 * direction)
    torch.testing.assert_close(made(engine, "1 * L#5"), statistics["mean"][tiny.LAYER] + direction)


def test_an_ablation_takes_each_latents_activation_times_its_row(
    bench: tiny.Tiny, engine: WorkbenchEngine, hidden: Any
) -> None:
    sae = {name: value.double() for name, value in load_file(bench.sae / "sae_weights.safetensors").items()}
    x = hidden(TEXT)[-1].double()
    pre = (x - sae["b_dec"]) @ sae["W_enc"] + sae["b_enc"]
    first, second = (int(latent) for latent in pre.topk(2).indices)
    quiet = int(pre.argmin())
    expected = x - pre[first] * sae["W_dec"][first] - pre[second] * sae["W_dec"][second]
    line = f'ablate("{TEXT}"@-1/L2, L#{first}, L#{second}, L#{quiet})'
    torch.testing.assert_close(made(engine, line).double(), expected, atol=1e-4, rtol=1e-4)


def test_rows_of_files_are_read_as_they_are(engine: WorkbenchEngine, tmp_path: Path) -> None:
    table = torch.randn(4, tiny.WIDTH)
    np.save(tmp_path / "v.npy", table.numpy())
    save_file({"a": table, "b": table[0].clone()}, tmp_path / "v.safetensors")
    for line, row in (
        (f'file("{tmp_path}/v.npy", 2)', 2),
        (f'file("{tmp_path}/v.npy", -1, tiny:L1)', 3),
        (f'file("{tmp_path}/v.safetensors", "a", 1)', 1),
        (f'file("{tmp_path}/v.safetensors", "b")', 0),
    ):
        assert torch.equal(made(engine, line), table[row])


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    np.save(folder / "wide.npy", np.zeros((2, 7), np.float32))
    np.save(folder / "nan.npy", np.full((2, tiny.WIDTH), np.nan, np.float32))
    np.save(folder / "deep.npy", np.zeros((2, 2, tiny.WIDTH), np.float32))
    np.save(folder / "whole.npy", np.zeros((2, tiny.WIDTH), np.int64))
    np.save(folder / "good.npy", np.zeros((2, tiny.WIDTH), np.float32))
    np.save(folder / "pickled.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    (folder / "short.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{}")
    (folder / "short.npy").write_bytes(b"\x93NUMPY")
    (folder / "weights.pt").write_bytes(b"\x80\x04.")
    save_file({"a": torch.zeros(tiny.WIDTH), "b": torch.zeros(3)}, folder / "two.safetensors")
    (folder / "folder.npy").mkdir()
    return folder


@pytest.mark.parametrize(
    ("name", "rest", "sentence"),
    [
        ("none.npy", "", "There is no file"),
        ("folder.npy", "", "There is no file"),
        ("wide.npy", "", "7 numbers, but the model has width 32"),
        ("nan.npy", ", 1", "Row 1 of nan.npy holds NaN"),
        ("deep.npy", "", "3 dimensions"),
        ("whole.npy", "", "numbers of type int64"),
        ("good.npy", ", 2", "no row 2"),
        ("good.npy", ', "a"', "no tensor called 'a'"),
        ("good.npy", ", L99", "no layer 99"),
        ("good.npy", ", other:L1", "no subject 'other'"),
        ("pickled.npy", "", "no .npy file of plain numbers"),
        ("short.npy", "", "no .npy file of plain numbers"),
        ("short.safetensors", "", "cut short|no safetensors file|cannot be read"),
        ("weights.pt", "", "pickles"),
        ("two.safetensors", "", "holds 2 tensors"),
        ("two.safetensors", ', "c"', "no tensor called 'c'"),
        ("two.safetensors", ', "b"', "3 numbers"),
        ("a\\u0000b.npy", "", "no file|cannot be looked for"),
        ("x" * 5000 + ".npy", "", "no file|cannot be looked for"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_files_that_hold_no_vector_are_refused_in_a_sentence(
    engine: WorkbenchEngine, broken: Path, name: str, rest: str, sentence: str
) -> None:
    with pytest.raises(BadInput) as raised:
        engine.resolve(ShowFeatures(parse(f'file("{broken}/{name}"{rest})')))
    assert re.search(sentence, str(raised.value))


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('"x"@99', "no token 99"),
        ('"x"@5..9', "no token 5|no span"),
        ('""', "prompt is empty"),
        ('"x"/L4', "no layer 4"),
        ('nobody:"x"', "no subject 'nobody'"),
        ("M#1", "no SAE 'M'"),
        ("L#96", "no latent 96"),
        ('ablate("x"/L1, L#1)', "reads layer 2 of tiny, not layer 1"),
        ('ablate("x"/L1, #1)', "No SAE reads layer 1"),
        ('"x"/L1 - "x"/L2', "one model and layer"),
        ('"x"/L1 + L#3', "one model and layer"),
        ('map(a-to-b, "x")', "no map"),
        ("[1, 2, 99999]", "not one of tiny's"),
        ("[]", "prompt is empty"),
        ('"' + "word " * 2_000 + '"', "reads at most"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_places_that_are_not_there_are_refused_in_a_sentence(engine: WorkbenchEngine, line: str, sentence: str) -> None:
    with pytest.raises(BadInput) as raised:
        engine.resolve(ShowFeatures(parse(line)))
    assert re.search(sentence, str(raised.value))


def test_sources_beyond_measure_are_refused(engine: WorkbenchEngine) -> None:
    deep: Source = Decoder("L", 1)
    for _ in range(40):
        deep = Sum((Weighted(1.0, deep),))
    wide = Sum(tuple(Weighted(1.0, Decoder("L", 1)) for _ in range(80)))
    for source in (deep, wide):
        with pytest.raises(BadInput, match="at most 64 parts"):
            engine.resolve(ShowFeatures(source))
    with pytest.raises(BadInput, match="at least one"):
        engine.resolve(ShowFeatures(Sum(())))


def test_a_sum_that_overflows_is_an_error_and_no_number(engine: WorkbenchEngine) -> None:
    with pytest.raises(ScoreError, match="NaN or infinity"):
        tiny.ask(engine, ShowFeatures(parse(f'1e300 * "{TEXT}"')))


def test_every_verb_takes_composed_sources(engine: WorkbenchEngine, tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.ones((1, tiny.WIDTH), np.float32))
    line = f'0.5 * ("{TEXT}" - "{OTHER}"@2) + 0.1 * L#3 + 0.1 * file("{tmp_path}/v.npy")'
    source = parse(line)
    resolved, provenance = engine.resolve(ShowFeatures(source))
    assert isinstance(resolved, ShowFeatures)
    assert provenance.parts["sae L"].fingerprint == engine.parts.sae("L").fingerprint
    assert any(name.startswith("row 0 of") for name in provenance.parts)
    assert tiny.ask(engine, ShowFeatures(source)).rows
    tested = tiny.ask(engine, wire.Test(("numbers and dates",), (source,), controls=False))
    assert tested.rows[0].score.score is not None


def test_a_prompt_as_text_is_accepted_as_its_tokens(engine: WorkbenchEngine) -> None:
    resolved, _ = engine.resolve(ShowFeatures(parse(f'"{TEXT}"@-1')))
    ids = tuple(engine.parts.subject().encode(TEXT))
    assert isinstance(resolved, ShowFeatures)
    assert resolved.source == Residual("tiny", ids, tiny.LAYER, len(ids) - 1)


def test_a_relative_path_is_relative_to_the_workbench(bench: tiny.Tiny, engine: WorkbenchEngine) -> None:
    save_file({"v": torch.ones(tiny.WIDTH)}, bench.folder / "mine.safetensors")
    found = vectors.resolve(engine, Stored("mine.safetensors"))
    assert torch.equal(engine.vector(found), torch.ones(tiny.WIDTH))
