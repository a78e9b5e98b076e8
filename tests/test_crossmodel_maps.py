"""Maps between two models: fitted, measured, saved and carried through, against slow references."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_pair
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

import tiny
from backends.engine.crossmodel import alignment, fitting, lift, page, pairs, washout
from backends.engine.crossmodel.card import CARD, WEIGHTS, read_card
from backends.engine.crossmodel.pooling import pool
from backends.engine.crossmodel.sentences import Sentence, cut, from_files
from backends.engine.doctor.checkup import check_workbench
from investigator.errors import BadInput, WorkbenchError
from investigator.settings import Settings
from investigator.sources import Decoder, Difference, Mapped, Residual
from investigator.wire import RankLabels


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tiny.Tiny]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INVESTIGATOR_HOME", str(tmp_path_factory.mktemp("home")))
        yield tiny_pair.make_mapped_bench(tmp_path_factory.mktemp("pair"))


@pytest.fixture(scope="module")
def engine(bench: tiny.Tiny) -> Any:
    return tiny.make_engine(bench)


def clouds(count: int = 60, wide: int = 7, narrow: int = 5) -> tuple[Any, Any]:
    draw = np.random.default_rng(0)
    source = draw.normal(size=(count, wide)) + 3
    return source, source @ draw.normal(size=(wide, narrow)) + draw.normal(size=(count, narrow)) * 0.1 - 2


# Fitting


def test_a_ridge_is_the_closed_form_with_a_free_intercept() -> None:
    source, target = clouds()
    found = fitting.ridge(source, target, 10.0)
    away, there = source - source.mean(0), target - target.mean(0)
    slow = np.linalg.solve(away.T @ away + 10.0 * np.eye(7), away.T @ there).T
    assert np.allclose(found.matrix, slow)
    assert np.allclose(found.apply(source[:1]), slow @ (source[0] - source.mean(0)) + target.mean(0))


@pytest.mark.parametrize("shape", [(6, 6), (6, 4), (4, 6)])
def test_procrustes_finds_a_rotation_and_its_scale_between_any_widths(shape: tuple[int, int]) -> None:
    draw = np.random.default_rng(1)
    turn, _ = np.linalg.qr(draw.normal(size=(max(shape), max(shape))))
    source = draw.normal(size=(80, shape[0]))
    target = 2.5 * source @ turn[: shape[0], : shape[1]] + 7
    found = fitting.procrustes(source, target)
    if shape[0] <= shape[1]:
        assert np.allclose(found.apply(source), target, atol=0.5 if shape[0] != shape[1] else 1e-8)
    values = np.linalg.svd(found.matrix, compute_uv=False)
    assert values.max() <= values[0] + 1e-9
    if shape == (6, 6):
        assert np.allclose(values, 2.5)


def test_a_map_is_measured_on_pairs_that_it_has_not_seen_beside_what_knows_nothing() -> None:
    parts = fitting.split(*clouds(), heldout=0.2, seed=3)
    assert len(parts.source_held) == 12
    assert not any((parts.source == row).all(1).any() for row in parts.source_held)
    found, shuffled = fitting.ridge(parts.source, parts.target, 1.0), fitting.permuted("ridge", parts, 1.0, 3)
    worth = fitting.worth(found, shuffled, parts)
    mean, mapped = parts.target.mean(0), found.apply(parts.source_held)
    slow = 1 - sum(float(((a - b) ** 2).sum()) for a, b in zip(mapped, parts.target_held, strict=True)) / sum(
        float(((mean - b) ** 2).sum()) for b in parts.target_held
    )
    cosines = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in zip(mapped, parts.target_held, strict=True)]
    assert worth.variance == pytest.approx(slow)
    assert worth.cosine == pytest.approx(float(np.mean(cosines)))
    assert worth.variance > 0.9 > 0.5 > worth.permuted
    assert worth.centred_cosine > 0.9 > abs(worth.permuted_cosine) + 0.3


def test_too_few_sentences_are_refused_and_fewer_than_dimensions_are_said_to_be_underdetermined(
    bench: tiny.Tiny,
) -> None:
    source, target = clouds(count=19)
    with pytest.raises(BadInput, match="19 sentences are too few"):
        fitting.split(source, target, heldout=0.2, seed=0)
    with pytest.raises(BadInput, match="holds 0 of 60"):
        fitting.split(*clouds(), heldout=0.0, seed=0)
    _, said, _ = tiny_pair.fit(bench, sentences=30, out=str(bench.folder / "few"))
    card = read_card(bench.folder / "few")
    assert card.underdetermined
    assert card.sentences == 24 < 32
    assert said.startswith("Underdetermined: 24 sentences for 32 dimensions.")
    assert "Underdetermined" in (bench.folder / "few" / "map.md").read_text(encoding="utf-8")


# From the command to the files


def test_the_command_writes_a_map_with_its_card_and_figures(bench: tiny.Tiny) -> None:
    figures, said, steps = tiny_pair.fit(bench, out=str(bench.folder / "again"))
    card, first = read_card(bench.folder / "again"), read_card(bench.folder / "map")
    assert card == first  # the same question makes the same map
    assert load_file(bench.folder / "again" / WEIGHTS).keys() >= {"matrix", "permuted", "background"}
    assert all(
        torch.equal(value, load_file(bench.folder / "map" / WEIGHTS)[name])
        for name, value in load_file(bench.folder / "again" / WEIGHTS).items()
    )
    assert (card.source.subject, card.source.layer, card.source.width) == ("tiny", 2, 32)
    assert (card.target.subject, card.target.layer, card.target.width) == ("other", 1, 24)
    assert (card.sentences, card.heldout, card.penalty, card.seed) == (72, 18, 1.0, 0)
    assert [row.penalty for row in card.sweep] == list(fitting.SWEEP)
    assert card.background is not None
    assert card.background.sentences == 100
    assert figures["map_cosine"].value == pytest.approx(card.worth.cosine)
    assert "mean predictor" in figures["map_cosine"].compared_with
    assert "[maps.tiny-to-other]" in said
    assert steps
    assert "<- used" in (bench.folder / "again" / "map.md").read_text(encoding="utf-8")


def test_all_pairs_of_layers_are_a_table_and_a_heat_map(bench: tiny.Tiny) -> None:
    tiny_pair.fit(bench, all_pairs=True, out=str(bench.folder / "pairs"))
    found = json.loads((bench.folder / "pairs" / "pairs.json").read_text(encoding="utf-8"))
    assert {(row["source"], row["target"]) for row in found} == {(a, b) for a in range(4) for b in range(3)}
    here = next(row for row in found if (row["source"], row["target"]) == (2, 1))
    assert here["worth"]["variance"] == pytest.approx(read_card(bench.folder / "map").worth.variance)
    text = (bench.folder / "pairs" / "pairs.md").read_text(encoding="utf-8")
    assert f"{here['worth']['variance']:.3f}" in text
    assert page.heat([[0.0, 1.0]], [3], [0, 1]) == ["     L0  L1  ", "L3       ███ "]


def test_ends_that_are_not_there_are_sentences(bench: tiny.Tiny) -> None:
    for given, message in (
        ({"source": "whale:1"}, "no subject 'whale'"),
        ({"source": "tiny:9"}, "tiny has no layer 9"),
        ({"source": "tiny:x"}, "names no layer"),
        ({"target": "tiny:2"}, "the same place"),
    ):
        with pytest.raises(BadInput, match=message):
            tiny_pair.fit(bench, **given)


# Sentences, tokens and pooling


def hidden(bench: tiny.Tiny, folder: str, ids: list[int], layer: int) -> torch.Tensor:
    """Return one layer's hidden states from transformers itself, `[positions, d]`."""
    model = AutoModelForCausalLM.from_pretrained(bench.folder / folder, dtype=torch.float32)
    with torch.inference_mode():
        found: torch.Tensor = model(torch.tensor([ids]), output_hidden_states=True).hidden_states[layer + 1][0]
    return found


def last(steps: Iterator[Any]) -> torch.Tensor:
    *_, found = steps
    return found


def test_a_sentence_is_the_mean_over_its_tokens_without_special_ones(
    bench: tiny.Tiny, engine: Any, tmp_path: Path
) -> None:
    text = "The cat saw the capital before dawn."
    found = last(pool(engine.parts.subject("tiny"), [Sentence(text)], [2], tmp_path))
    ids = AutoTokenizer.from_pretrained(bench.subject)(text)["input_ids"]
    assert ids[0] == 0  # BOS
    assert torch.allclose(found[0, 0], hidden(bench, "subject", ids, 2)[1:].mean(0), atol=1e-5)


def test_a_span_is_the_mean_over_the_tokens_that_overlap_it(bench: tiny.Tiny, engine: Any, tmp_path: Path) -> None:
    text = "The cat saw the capital before dawn."
    start = text.index("capital")
    found = last(pool(engine.parts.subject("other"), [Sentence(text, start, start + 7)], [0, 1], tmp_path))
    tokenizer = AutoTokenizer.from_pretrained(bench.folder / "other")
    encoded = tokenizer(text, return_offsets_mapping=True)
    wanted = [at for at, (a, b) in enumerate(encoded["offset_mapping"]) if a < start + 7 and b > start + 0]
    wanted = [at for at in wanted if text[slice(*encoded["offset_mapping"][at])].strip()]
    assert 0 < len(wanted) < len(encoded["input_ids"])
    slow = hidden(bench, "other", encoded["input_ids"], 1)[wanted].mean(0)
    assert torch.allclose(found[0, 1], slow, atol=1e-5)


def test_pooling_goes_on_where_it_stopped(engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subject, sentences = engine.parts.subject("tiny"), [Sentence(text) for text in tiny_pair.sentences(12)]
    monkeypatch.setattr("backends.engine.crossmodel.pooling._SAVE_EVERY", 5)
    steps = pool(subject, sentences, [0], tmp_path)
    for _ in range(7):
        next(steps)
    steps.close()
    resumed = pool(subject, sentences, [0], tmp_path)
    assert next(resumed) == 5
    found = last(resumed)
    assert torch.equal(found, last(pool(subject, sentences, [0], tmp_path / "afresh")))


def test_sentences_that_align_to_no_token_are_named(bench: tiny.Tiny, engine: Any, tmp_path: Path) -> None:
    file = tmp_path / "some.jsonl"
    file.write_text('{"text": "The cat", "start": 3, "end": 4}\n{"text": "A dog"}\n', encoding="utf-8")
    sentences = from_files([str(file)])
    assert [(one.start, one.end) for one in sentences] == [(3, 4), (0, None)]
    with pytest.raises(BadInput, match=r"' ' \(some.jsonl:1\) aligns to no token of tiny"):
        last(pool(engine.parts.subject("tiny"), sentences, [0], tmp_path))
    file.write_text('{"text": "The cat", "start": 5, "end": 99}\n', encoding="utf-8")
    with pytest.raises(BadInput, match=r"some\.jsonl:1 has no characters 5 to 99"):
        from_files([str(file)])
    with pytest.raises(BadInput, match="cannot be read"):
        from_files([str(tmp_path / "none.txt")])


def test_documents_are_cut_into_sentences() -> None:
    document = 'Title\nThe first one ends here. "Is this the second?" And a third one, too!\nshort.'
    assert list(cut([document])) == ["The first one ends here.", '"Is this the second?', "And a third one, too!"]


def test_characters_lead_from_one_tokenizer_to_the_other(engine: Any) -> None:
    here, there = engine.parts.subject("tiny"), engine.parts.subject("other")
    text = "The capital of France is Paris. Whales surfaced near the harbour."
    left, right = alignment.spell(here, text), alignment.spell(there, text)
    assert left.ids != right.ids
    for position in range(1, len(left.ids)):
        span = left.characters(position, position + 1)
        first, end = alignment.same_place(left, position, position + 1, right)
        assert end == first + 1
        assert right.whole[first][0] < span[1] <= right.whole[first][1]
    with pytest.raises(BadInput, match="A special token holds no character"):
        alignment.same_place(left, 0, 1, right)
    with pytest.raises(BadInput, match="align to no token"):
        right.tokens((500, 501))
    assert alignment.spell_ids(here, left.ids) == left


# Washout


def test_washout_mixes_unit_vectors_and_keeps_the_length() -> None:
    direction, background = torch.tensor([3.0, 4.0, 0.0]), torch.tensor([0.0, 0.0, 0.5])
    mixed = 0.75 * direction / 5 + 0.25 * background
    assert torch.allclose(washout.washed(direction, background, 0.25), 5 * mixed / mixed.norm())
    assert washout.washed(direction, background, 0.0) is direction
    assert torch.allclose(washout.washed(direction, background, 1.0), torch.tensor([0.0, 0.0, 5.0]))


def test_the_background_is_the_mean_of_unit_last_token_activations(bench: tiny.Tiny, engine: Any) -> None:
    sentences = ("The cat saw the moon.", "A sailor sang.")
    found = last(washout.backgrounds(engine.parts.subject("other"), sentences))
    tokenizer = AutoTokenizer.from_pretrained(bench.folder / "other")
    lasts = [hidden(bench, "other", tokenizer(text)["input_ids"], 1)[-1] for text in sentences]
    assert torch.allclose(found[1], sum(one / one.norm() for one in lasts) / 2, atol=1e-5)
    assert len(set(washout.read_sentences())) == 100
    with pytest.raises(BadInput, match="cannot be read"):
        washout.read_sentences(Path("nowhere.txt"))


# Sources carried through a map


def parts_of(bench: tiny.Tiny) -> tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor]:
    stored = load_file(bench.folder / "map" / WEIGHTS)
    means = [
        load_file(bench.folder / name / "layers.safetensors")["mean"] for name in ("statistics", "other-statistics")
    ]
    return stored, means[0][2], means[1][1]


def test_an_activation_goes_from_mean_to_mean(bench: tiny.Tiny, engine: Any) -> None:
    stored, here, there = parts_of(bench)
    ids = tuple(engine.parts.subject("tiny").encode("The cat saw the capital."))
    source = Mapped(Residual("tiny", ids, 2, -1), "there")
    resolved = engine.resolve(RankLabels(source))[0].source
    assert resolved == Mapped(Residual("tiny", ids, 2, len(ids) - 1), "there")
    slow = there + stored["matrix"] @ (hidden(bench, "subject", list(ids), 2)[-1] - here)
    assert torch.allclose(engine.vector(resolved), slow, atol=1e-4)
    other = engine.vector(Mapped(resolved.source, "there/permuted"))
    assert torch.allclose(
        other,
        slow + (stored["permuted"] - stored["matrix"]) @ (hidden(bench, "subject", list(ids), 2)[-1] - here),
        atol=1e-4,
    )


def test_a_direction_passes_the_linear_part_at_its_median_activation(bench: tiny.Tiny, engine: Any) -> None:
    stored, _, there = parts_of(bench)
    row = load_file(bench.folder / "saes" / "L2" / "sae_weights.safetensors")["W_dec"][7]
    latents = load_file(bench.statistics / "L2" / "latents.safetensors")
    counts, edges = latents["histogram_counts"][7].numpy(), latents["histogram_edges"][7].numpy()
    values = np.repeat((edges[1:] + edges[:-1]) / 2, counts)
    median = float(np.sort(values)[(len(values) - 1) // 2])
    found = engine.vector(engine.resolve(RankLabels(Mapped(Decoder("L", 7), "")))[0].source) - there
    assert torch.allclose(found, stored["matrix"] @ (median * row), atol=1e-4)
    washed = engine.vector(Mapped(Decoder("L", 7), "there", 0.4)) - there
    unit = 0.6 * found / found.norm() + 0.4 * stored["background"]
    assert torch.allclose(washed, found.norm() * unit / unit.norm(), atol=1e-4)


def test_a_difference_is_carried_as_one(bench: tiny.Tiny, engine: Any) -> None:
    stored, _, there = parts_of(bench)
    ids = tuple(engine.parts.subject("tiny").encode("The cat saw the capital."))
    states = hidden(bench, "subject", list(ids), 2)
    source = Mapped(Difference(Residual("tiny", ids, 2, 3), Residual("tiny", ids, 2, 5)), "there")
    assert torch.allclose(engine.vector(source), there + stored["matrix"] @ (states[3] - states[5]), atol=1e-4)


def test_maps_that_do_not_meet_the_question_are_sentences(bench: tiny.Tiny, engine: Any) -> None:
    ids = tuple(engine.parts.subject("tiny").encode("The cat"))
    for source, message in (
        (Mapped(Residual("tiny", ids, 2, -1), "nowhere"), "no map 'nowhere'"),
        (Mapped(Residual("tiny", ids, 1, -1), "there"), "leads from layer 2 of tiny, not from layer 1"),
        (Mapped(Residual("tiny", ids, 1, -1), ""), "No map leads from layer 1 of tiny"),
        (Mapped(Residual("tiny", ids, 2, -1), "there", 1.5), "washout weight cannot be 1.5"),
        (Mapped(Residual("tiny", ids, 2, -1), "there", float("nan")), "washout weight cannot be nan"),
    ):
        with pytest.raises(BadInput, match=message):
            engine.resolve(RankLabels(source))


def broken(bench: tiny.Tiny, folder: Path, change: Any) -> Any:
    """Return an engine on a copy of the workbench whose map's card was changed."""
    text = bench.file.read_text(encoding="utf-8").replace('path = "map"', f'path = "{folder}"')
    file = bench.folder / f"{folder.name}.toml"
    file.write_text(text, encoding="utf-8")
    card = json.loads((bench.folder / "map" / CARD).read_text(encoding="utf-8"))
    change(card)
    folder.mkdir(exist_ok=True)
    (folder / CARD).write_text(json.dumps(card), encoding="utf-8")
    save_file(load_file(bench.folder / "map" / WEIGHTS), folder / WEIGHTS)
    return tiny.make_engine(tiny.Tiny(file, bench.subject, bench.sae, bench.labels, bench.statistics, 2, "llama"))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("width", 48, "fitted on other of width 48, but it has width 24"),
        ("fingerprint", "0123", "fitted on another revision of other"),
        ("layer", 8, "stands at layer 8 of other, whose layers are 0 to 2"),
    ],
)
def test_a_map_of_another_model_is_told_apart(
    bench: tiny.Tiny, tmp_path: Path, name: str, value: Any, message: str
) -> None:
    engine = broken(bench, tmp_path / "changed", lambda card: card["target"].update({name: value}))
    with pytest.raises(WorkbenchError, match=message):
        engine.resolve(RankLabels(Mapped(Decoder("L", 7), "there")))
    assert message.split(",")[0] in engine.summary().maps[0].note


def test_the_doctor_says_what_a_map_is_worth_and_what_is_wrong_with_it(bench: tiny.Tiny, tmp_path: Path) -> None:
    rows = {row.name: row for row in check_workbench(bench.file, Settings())}
    assert rows["map there"].status == "ok"
    worth = read_card(bench.folder / "map").worth
    said = f"held-out cosine {worth.cosine:.2f} (mean predictor {worth.mean_cosine:.2f})"
    assert f"from L2 of tiny to L1 of other, {said}" in rows["map there"].message
    engine = broken(bench, tmp_path / "other-bytes", lambda card: card["target"].update({"fingerprint": "0123"}))
    rows = {row.name: row for row in check_workbench(engine.file, Settings())}
    assert rows["map there"].status == "error"
    assert "another revision of other" in rows["map there"].message


def test_a_map_to_a_model_that_the_workbench_lacks_is_told(bench: tiny.Tiny, tmp_path: Path) -> None:
    engine = broken(
        bench, tmp_path / "gone", lambda card: card["target"].update({"subject": "whale", "fingerprint": "0"})
    )
    with pytest.raises(WorkbenchError, match="leads from or to whale, which the workbench does not have"):
        engine.resolve(RankLabels(Mapped(Decoder("L", 7), "there")))


def test_a_subject_of_another_name_is_found_by_its_fingerprint(bench: tiny.Tiny, tmp_path: Path) -> None:
    engine = broken(bench, tmp_path / "renamed", lambda card: card["target"].update({"subject": "formerly"}))
    assert engine.summary().maps[0].target == "other"


def test_a_map_whose_file_is_cut_short_is_told(bench: tiny.Tiny, tmp_path: Path) -> None:
    engine = broken(bench, tmp_path / "cut", lambda card: None)
    (tmp_path / "cut" / WEIGHTS).write_bytes(b"\x08")
    with pytest.raises(WorkbenchError, match="cannot be read"):
        engine.resolve(RankLabels(Mapped(Decoder("L", 7), "there")))
    save_file({"matrix": torch.zeros(3, 3)}, tmp_path / "cut" / WEIGHTS)
    with pytest.raises(WorkbenchError, match="needs matrix of shape 24x32, but has 3x3"):
        engine.resolve(RankLabels(Mapped(Decoder("L", 7), "there")))


def test_the_summary_names_the_map(engine: Any) -> None:
    found = engine.summary().maps[0]
    assert (found.name, found.source, found.source_layer, found.target, found.target_layer) == (
        "there", "tiny", 2, "other", 1,
    )  # fmt: skip
    assert found.note == ""


# Lift


def test_lift_is_the_own_cosine_minus_the_mean_of_all_others() -> None:
    table = np.random.default_rng(2).normal(size=(9, 9))
    slow = [table[i, i] - np.mean([table[i, j] for j in range(9) if j != i]) for i in range(9)]
    assert np.allclose(lift.lifts(table), slow)


def test_lift_of_true_pairs_stands_out_and_that_of_random_ones_does_not() -> None:
    from scipy.stats import wilcoxon

    draw = np.random.default_rng(4)
    own = draw.normal(size=(40, 12))
    cross = own + draw.normal(size=(40, 12))
    own, cross, random = (
        one / np.linalg.norm(one, axis=1, keepdims=True) for one in (own, cross, draw.normal(size=(40, 12)))
    )
    found = lift.measure(cross @ own.T, draws=2000)
    assert found.interval[0] < found.mean < found.interval[1]
    assert found.interval[0] > 0.3
    assert found.p == pytest.approx(1 / 2001)
    assert found.wilcoxon == pytest.approx(float(wilcoxon(lift.lifts(cross @ own.T), alternative="greater").pvalue))
    nothing = lift.measure(random @ own.T, draws=2000)
    assert nothing.p > 0.02
    assert nothing.interval[0] < 0.05
    assert lift.rank_p(0.5, [0.4, 0.5, 0.6]) == pytest.approx(3 / 4)


def test_every_pair_of_one_command_is_one_map_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    source, target = torch.randn(40, 2, 6, generator=generator), torch.randn(40, 3, 4, generator=generator)
    found = list(pairs.all_pairs(source, target, pairs.Choice(penalty=2.0)))
    assert [(one.source, one.target) for one in found] == [(a, b) for a in range(2) for b in range(3)]
    parts = fitting.split(pairs.floats(source[:, 1]), pairs.floats(target[:, 2]), heldout=0.2, seed=0)
    alone = fitting.worth(
        fitting.ridge(parts.source, parts.target, 2.0), fitting.permuted("ridge", parts, 2.0, 0), parts
    )
    assert found[-1].worth == alone
