"""`evaluate crossmodel` and `evaluate bridge` on two tiny models: every figure against its slow reckoning."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_pair
import torch

import tiny
from backends.engine.crossmodel import carry, maps
from backends.engine.evaluating.crossmodel import conditions, page, run, setting, speaking
from backends.engine.readers.drawn import Drawing
from backends.engine.training.progress import Progress
from investigator.errors import BadInput
from investigator.records import Figure
from investigator.sources import Decoder, Mapped, Sum, Weighted

NAMES = {
    "lift_c1", "lift_c2", "lift_random", "lift_random_own", "lift_permuted_map", "lift_ceiling", "lift_native_washed",
    "lift_label_read", "lift_c1_label", "lift_c2_label", "lift_own_label", "washout_gain", "map_cosine", "map_variance",
    "procrustes_gain", "roundtrip_gain", "roundtrip_variance", "lift_c1_turned",
}  # fmt: skip


class Letters:
    """An embedder that a test can follow: shares of letters, as unit vectors."""

    name = "letters"

    def embed(self, texts: Any) -> Any:
        found = np.zeros((len(texts), 128), np.float32)
        for row, text in zip(found, texts, strict=True):
            for letter in text:
                row[ord(letter) % 128] += 1
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tiny.Tiny]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INVESTIGATOR_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setattr("backends.engine.embedding.reference", lambda folder: Letters())
        patch.setattr("backends.engine.evaluating.crossmodel.speaking._LONGEST", 6)
        made = tiny_pair.make_mapped_bench(tmp_path_factory.mktemp("pair"))
        for name, given in (
            ("turned", {"kind": "procrustes"}),
            ("back", {"source": "other:1", "target": "tiny:2"}),
        ):
            tiny_pair.fit(made, out=str(made.folder / name), **given)
            tiny_pair.add_map(made, name, name)
        yield made


@pytest.fixture(scope="module")
def found(bench: tiny.Tiny) -> tuple[run.Evaluation, dict[str, Figure]]:
    *steps, last = run.evaluation(tiny.make_engine(bench), "there", seed=3, scale=0.04)
    assert isinstance(last, run.Evaluation)
    assert any(isinstance(step, Progress) for step in steps)
    return last, {step.name: step for step in steps if isinstance(step, Figure)}


def test_every_figure_is_there_with_its_interval_and_its_control(found: Any) -> None:
    whole, figures = found
    assert figures.keys() == NAMES
    assert [one.name for one in whole.figures] == list(figures)
    for name, one in figures.items():
        assert one.value is not None
        assert np.isfinite(one.value)
        assert one.compared_with
        if name.startswith("lift") or name.endswith("gain"):
            assert one.interval is not None
            assert one.interval[0] <= one.value <= one.interval[1]
    assert "letters" in figures["lift_c1"].compared_with
    assert "shuffling" in figures["lift_c2"].compared_with


def test_lifts_are_those_of_the_texts_pair_by_pair(found: Any) -> None:
    whole, figures = found
    texts, embed = whole.heard.texts, Letters().embed
    for name, cross, own in (("lift_c1", "mapped", "own"), ("lift_random_own", "random", "random own")):
        count = len(texts[own])
        table = np.array(
            [[np.mean(embed(texts[cross][i]) @ embed(texts[own][j]).T) for j in range(count)] for i in range(count)]
        )
        slow = [table[i, i] - np.mean([table[i, j] for j in range(count) if j != i]) for i in range(count)]
        assert figures[name].value == pytest.approx(np.mean(slow), abs=1e-6)
    gain = whole.heard.values("washed") - whole.heard.values("mapped")
    assert figures["washout_gain"].value == pytest.approx(gain.mean())


def test_the_way_back_is_measured_in_vectors_too(found: Any) -> None:
    whole, figures = found
    at = whole.at
    back = maps.open_map(at.engine, "back")
    rows = at.engine.parts.layer_statistics(at.own.subject.name).background[at.own.layer]
    mean = rows.mean(0)
    there = torch.stack([at.map.matrix @ (row - mean) for row in rows])
    again = torch.stack([back.matrix @ row for row in there]) + mean
    wanted = 1 - float((rows - again).square().sum() / (rows - mean).square().sum())
    assert figures["roundtrip_variance"].value == pytest.approx(wanted, abs=1e-4)
    assert "mean predictor 0" in figures["roundtrip_variance"].compared_with


def test_tested_latents_have_distinct_labels_and_are_not_those_tuned_on(found: Any) -> None:
    at = found[0].at
    assert len({at.label(latent) for latent in at.tested}) == len(at.tested) == 8
    assert not set(at.tested) & set(at.tuned)
    assert len(at.tuned) >= 4
    assert at.unseen == 0
    assert found[0].weight in (0.1, 0.3, 0.5, 0.7, 0.9)


def test_the_vectors_are_those_that_the_same_question_reads(found: Any) -> None:
    at = found[0].at
    latent = at.tested[0]
    engine, directions = at.engine, at.directions((latent,))
    mapped = engine.vector(Mapped(Decoder(at.sae, latent), "there"))
    assert torch.allclose(at.at_there(at.map.linear(directions))[0], mapped, atol=1e-4)
    # Its own reader reads the same direction from the same mean; only how far off it stands is another.
    own, asked = at.at_own(directions)[0], engine.vector(Sum((Weighted(1.0, Decoder(at.sae, latent)),)))
    assert torch.nn.functional.cosine_similarity(own - at.means[0], asked - at.means[0], dim=0) == pytest.approx(1.0)
    assert torch.equal(directions[0], carry.direction(engine, Decoder(at.sae, latent)))


def test_texts_drawn_together_are_those_drawn_alone(found: Any) -> None:
    """With one vector a batch, the batch is what the reader's own drawing gives with the same seed."""
    at = found[0].at
    vector = at.at_own(at.directions(at.tested))[:1]
    *_, texts = speaking.speak(at.own, vector, seed=9, samples=3)

    class How:
        samples, temperature, top_p, max_tokens, beta, keep = 3, 0.7, 0.9, 6, 1.0, 3

    drawing = Drawing(at.own, vector[0])
    for _ in drawing.draw(How(), 9):
        pass
    assert sorted(drawing.counts.elements()) == sorted(texts[0])


def test_the_page_holds_the_investigation_and_the_paper_s_numbers(found: Any, tmp_path: Path) -> None:
    text = page.page(found[0])
    for words in (
        "# From one model to another",
        "investigator train map --from tiny:2 --to other:1",
        "investigator compare",
        "+0.163 [+0.118, +0.207], p 3.9e-9",
        "0.868",
        "control: permuted map",
        "A direction has no text",
    ):
        assert words in text, words
    assert text.endswith("\n")
    assert "\x1b" not in text
    rows = [line for line in text.splitlines() if line.startswith("| ") and " | " in line]
    assert len(rows) > 30


def test_what_cannot_be_evaluated_is_a_sentence(tmp_path: Path) -> None:
    engine = tiny.make_engine(tiny.make_workbench(tmp_path))
    with pytest.raises(BadInput, match="no map between models"):
        setting.first_map(engine)


def test_conditions_draw_with_seeds_of_their_own(found: Any) -> None:
    """The same vectors read twice by one reader: where a condition shared its seed, they would say the very same."""
    texts = found[0].heard.texts
    assert texts["own"] != texts["own again"]
    assert conditions.own_seed(1, "own") != conditions.own_seed(1, "mapped") != conditions.own_seed(2, "mapped")
