"""`feature` and `lens`, each against a slow computation of its own."""

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

import tiny
from backends.engine.engine import WorkbenchEngine
from investigator.errors import BadInput
from investigator.records import Feature, Lens
from investigator.sources import Residual
from investigator.wire import ShowFeature, ShowLens


@pytest.fixture(scope="module", params=["llama", "gpt2", "gemma2"])
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tiny.Tiny:
    return tiny.make_workbench(tmp_path_factory.mktemp("bench"), request.param)


@pytest.fixture(scope="module")
def engine(bench: tiny.Tiny) -> WorkbenchEngine:
    made: WorkbenchEngine = tiny.make_engine(bench)
    return made


def test_a_page_holds_what_the_files_hold(bench: tiny.Tiny, engine: WorkbenchEngine) -> None:
    page: Feature = tiny.ask(engine, ShowFeature(7))
    known = load_file(bench.statistics / "L2" / "latents.safetensors")
    assert (page.sae, page.latent) == ("L", 7)
    assert [note.text for note in page.labels] == ["references to capital cities"] or page.labels
    for name in ("rate", "median", "iqr", "maximum"):
        assert getattr(page, name) == pytest.approx(float(known[name][7]))
    assert page.histogram_counts == tuple(known["histogram_counts"][7].tolist())
    assert page.histogram_edges == pytest.approx(known["histogram_edges"][7].tolist())
    subject = engine.parts.subject()
    assert page.contexts[0].tokens == tuple(subject.tokenizer.decode([id]) for id in (5, 6, 7, 8))
    assert page.contexts[0].activations == (0.0, 1.5, 0.25, 0.0)


def test_nearest_latents_are_by_cosine(bench: tiny.Tiny, engine: WorkbenchEngine) -> None:
    decoder = load_file(bench.sae / "sae_weights.safetensors")["W_dec"].astype(np.float64)
    unit = decoder / np.linalg.norm(decoder, axis=1, keepdims=True)
    cosines = unit @ unit[7]
    expected = [int(j) for j in np.argsort(-cosines) if j != 7][:10]
    page = tiny.ask(engine, ShowFeature(7))
    assert [near.latent for near in page.nearest] == expected
    assert [near.cosine for near in page.nearest] == pytest.approx(cosines[expected].tolist(), abs=1e-5)


def test_logits_are_the_direct_effect_of_the_direction(bench: tiny.Tiny, engine: WorkbenchEngine) -> None:
    """The norm's weight on the centred (LayerNorm) or plain direction, over its own scale, times the unembedding."""
    subject = engine.parts.subject()
    direction = load_file(bench.sae / "sae_weights.safetensors")["W_dec"][7].astype(np.float64)
    weight = subject.norm.weight.numpy().astype(np.float64)
    if bench.family == "gpt2":
        direction = direction - direction.mean()
    if bench.family == "gemma2":
        weight = 1 + weight
    normed = weight * direction / np.sqrt((direction**2).mean() + 1e-5)
    effect = subject.model.get_output_embeddings().weight.numpy() @ normed
    page = tiny.ask(engine, ShowFeature(7))
    assert [one.value for one in page.top_logits] == pytest.approx(sorted(effect)[::-1][:10], abs=1e-3)
    assert [one.value for one in page.bottom_logits] == pytest.approx(sorted(effect)[:10], abs=1e-3)


def test_the_last_row_of_the_lens_is_the_models_own_prediction(engine: WorkbenchEngine) -> None:
    subject = engine.parts.subject()
    ids = tuple(subject.encode("The capital of France is"))
    lens: Lens = tiny.ask(engine, ShowLens(Residual("", ids, -1, 2), k=4))
    assert [row.layer for row in lens.rows] == list(range(tiny.LAYERS))
    with torch.inference_mode():
        output = subject.model(torch.tensor([ids]), output_hidden_states=True)
        layer_one = subject.model.lm_head(subject.norm(output.hidden_states[2][0, 2]))
        cap = getattr(subject.config, "final_logit_softcapping", None)
        layer_one = torch.tanh(layer_one / cap) * cap if cap else layer_one
    for row, logits in ((lens.rows[-1], output.logits[0, 2]), (lens.rows[1], layer_one)):
        best = logits.softmax(-1).topk(4)
        assert [one.text for one in row.tokens] == [subject.piece(id) for id in best.indices.tolist()]
        assert [one.value for one in row.tokens] == pytest.approx(best.values.tolist(), abs=1e-5)


def test_pages_and_lenses_that_do_not_exist(engine: WorkbenchEngine) -> None:
    with pytest.raises(BadInput, match=r"no latent 96\. Latents are 0 to 95"):
        engine.resolve(ShowFeature(96))
    with pytest.raises(BadInput, match="no SAE 'M'"):
        engine.resolve(ShowFeature(1, sae="M"))
    with pytest.raises(BadInput, match="reads one position"):
        engine.resolve(ShowLens(Residual("", (5, 6, 7), -1, 0, end=3)))
    with pytest.raises(BadInput, match="0 tokens a layer"):
        engine.resolve(ShowLens(Residual("", (5, 6, 7), -1, 0), k=0))
