"""`intervene` against plain forward hooks written here, family by family."""

import re
from typing import Any

import l2el_tools as l2el
import msgspec
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

import tiny
from backends.engine import vectors
from backends.engine.engine import WorkbenchEngine
from investigator import wire
from investigator.errors import BadInput
from investigator.expressions import parse
from investigator.records import DoseRow, Intervened
from investigator.sources import Decoder, Mean, Prompted, Residual, Stored
from investigator.wire import Intervene

TEXT = "The capital of France is Paris"
PLACE = Prompted(TEXT, "", tiny.LAYER, 3)
SEA = ("references to capital cities", "numbers and dates")


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tiny.Tiny:
    return l2el.make_bench(tmp_path_factory.mktemp("intervene"), request.param)


@pytest.fixture(scope="module")
def engine(bench: tiny.Tiny) -> WorkbenchEngine:
    made: WorkbenchEngine = tiny.make_engine(bench)
    return made


def hooked(
    engine: WorkbenchEngine, ids: list[int], layer: int, change: Any, first: int, end: int | None
) -> tuple[Tensor, Tensor]:
    """Logits after the prompt and hidden states of a pass whose block output a plain hook changes."""
    subject = engine.parts.subject()

    def hook(_module: Any, _args: Any, output: Any) -> Any:
        hidden = output[0] if isinstance(output, tuple) else output
        hidden = hidden.clone()
        hidden[:, first:end] += change(hidden[:, first:end])
        return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

    handle = subject.blocks[layer].register_forward_hook(hook)
    try:
        with torch.inference_mode():
            output = subject.model(torch.tensor([ids]), use_cache=False)
            states = subject.capture(ids)
    finally:
        handle.remove()
    return output.logits[0, -1].double(), states


def kl(p: Tensor, q: Tensor) -> float:
    return float((p.softmax(-1) * (p.log_softmax(-1) - q.log_softmax(-1))).sum())


def strongest(bench: tiny.Tiny, x: Tensor) -> tuple[int, dict[str, Tensor]]:
    sae = load_file(bench.sae / "sae_weights.safetensors")
    return int(((x - sae["b_dec"]) @ sae["W_enc"] + sae["b_enc"]).argmax()), sae


@pytest.mark.parametrize("later", [False, True])
def test_a_direction_does_what_a_plain_hook_does(engine: WorkbenchEngine, later: bool) -> None:
    ids = engine.parts.subject().encode(TEXT)
    direction = vectors.direction(engine, Decoder("L", 7))
    found: Intervened = tiny.ask(
        engine, Intervene(PLACE, add=Decoder("L", 7), later=later, doses=(0.0, 0.4, 2.0), randoms=3, seed=5)
    )
    base, _ = hooked(engine, ids, tiny.LAYER, lambda h: 0 * h, 3, 4)
    for row in found.rows:
        after, _ = hooked(engine, ids, tiny.LAYER, lambda h, row=row: row.dose * direction, 3, None if later else 4)
        assert row.kl == pytest.approx(kl(base, after), rel=1e-3, abs=1e-9)
        assert row.norm == pytest.approx(row.dose * float(direction.norm()), rel=1e-5)
        for mover in row.up:
            assert mover.after > mover.before
    random = torch.nn.functional.normalize(torch.randn(tiny.WIDTH, generator=torch.Generator().manual_seed(6)), dim=-1)
    step = 2.0 * direction.norm() * random
    after, _ = hooked(engine, ids, tiny.LAYER, lambda h: step, 3, None if later else 4)
    assert found.rows[2].random[1] == pytest.approx(kl(base, after), rel=1e-3)
    assert len(found.rows[2].random) == 3


def test_an_ablation_takes_each_positions_own_activation(bench: tiny.Tiny, engine: WorkbenchEngine) -> None:
    ids = engine.parts.subject().encode(TEXT)
    latent, sae = strongest(bench, engine.parts.subject().capture(ids)[tiny.LAYER, 3])

    def change(hidden: Tensor) -> Tensor:
        pre = (hidden - sae["b_dec"]) @ sae["W_enc"] + sae["b_enc"]
        kept = torch.zeros_like(pre).scatter(-1, pre.topk(12).indices, pre.topk(12).values.relu())
        return -kept[..., latent : latent + 1] * sae["W_dec"][latent]

    found: Intervened = tiny.ask(engine, Intervene(PLACE, ablate=(latent,), later=True, doses=(1.0,), randoms=1))
    base, _ = hooked(engine, ids, tiny.LAYER, lambda h: 0 * h, 3, None)
    after, _ = hooked(engine, ids, tiny.LAYER, change, 3, None)
    assert found.rows[0].kl == pytest.approx(kl(base, after), rel=1e-3)
    assert found.rows[0].norm > 0 and not found.note


def test_dose_nothing_changes_nothing_to_the_bit(bench: tiny.Tiny, engine: WorkbenchEngine) -> None:
    ids = engine.parts.subject().encode(TEXT)
    latent, _ = strongest(bench, engine.parts.subject().capture(ids)[tiny.LAYER, 3])
    for verb in (
        Intervene(PLACE, ablate=(latent,), later=True, doses=(0.0, -0.0), hypotheses=SEA),
        Intervene(PLACE, add=Decoder("L", 7), doses=(0.0,), hypotheses=SEA),
    ):
        found: Intervened = tiny.ask(engine, verb)
        assert len(found.rows) == 1
        row = found.rows[0]
        assert (row.kl, row.norm, set(row.random), row.up, row.down) == (0.0, 0.0, {0.0}, (), ())
        assert row.continuation == found.continuation and row.random_continuations == (found.continuation,) * 5
        assert all(shift.change == 0.0 and set(shift.random) == {0.0} for shift in row.shifts)
        assert [shift.score for shift in row.shifts] == list(found.scores)


def test_the_continuation_is_what_greedy_passes_with_the_hook_write(engine: WorkbenchEngine) -> None:
    subject = engine.parts.subject()
    direction = vectors.direction(engine, Decoder("L", 7))
    found: Intervened = tiny.ask(
        engine, Intervene(PLACE, add=Decoder("L", 7), later=True, doses=(0.0, 1.5), continue_tokens=6)
    )
    for row in found.rows:
        ids: list[int] = subject.encode(TEXT)
        for _ in range(6):
            logits, _ = hooked(engine, ids, tiny.LAYER, lambda h, row=row: row.dose * direction, 3, None)
            if (token := int(logits.argmax())) in subject.stop_ids:
                break
            ids.append(token)
        assert row.continuation == subject.decode(ids[len(subject.encode(TEXT)) :])


def test_a_hypothesis_is_read_where_the_change_arrives(bench: tiny.Tiny, engine: WorkbenchEngine) -> None:
    """Changed at layer 1, read by the reader of layer 2 at the last token: scored here from the formulas."""
    ids = engine.parts.subject().encode(TEXT)
    place = Prompted(TEXT, "", l2el.SECOND_LAYER, 3)
    added = Mean("", l2el.SECOND_LAYER)
    verb = Intervene(place, add=parse('"Water boils"@-1/L1'), doses=(0.0, 1.0), hypotheses=SEA, reader="mapper")
    found: Intervened = tiny.ask(engine, verb)
    assert (found.reader, found.read_layer, found.read_at) == ("mapper", tiny.LAYER, len(ids) - 1)
    direction = vectors.direction(engine, vectors.resolve(engine, parse('"Water boils"@-1/L1')))
    _, states = hooked(engine, ids, l2el.SECOND_LAYER, lambda h: direction, 3, 4)
    _, plain = hooked(engine, ids, l2el.SECOND_LAYER, lambda h: 0 * h, 3, 4)
    test = tiny.ask(engine, _scored(states[tiny.LAYER, -1], bench))
    before = tiny.ask(engine, _scored(plain[tiny.LAYER, -1], bench))
    for shift, after, old in zip(found.rows[1].shifts, test.rows, before.rows, strict=True):
        assert shift.score == pytest.approx(after.score.score, abs=1e-4)
        assert shift.change == pytest.approx(after.score.score - old.score.score, abs=1e-4)
        assert len(shift.random) == 5 and all(value != 0 for value in shift.random)
    assert tiny.ask(engine, msgspec.structs.replace(verb, add=added)).rows[1].kl == 0.0


def _scored(vector: Tensor, bench: tiny.Tiny) -> Any:
    import numpy as np

    file = bench.folder / f"row{abs(hash(tuple(vector.tolist())))}.npy"
    np.save(file, vector.numpy())
    return wire.Test(SEA, (Stored(str(file), layer=tiny.LAYER),), "mapper", controls=False)


def test_the_same_layer_reads_at_the_changed_token(engine: WorkbenchEngine) -> None:
    resolved, _ = engine.resolve(Intervene(PLACE, add=Decoder("L", 1), hypotheses=SEA))
    assert isinstance(resolved, Intervene)
    assert (resolved.reader, resolved.read_at, resolved.doses) == ("mapper", 3, (0.0, 0.25, 0.5, 1.0))
    resolved, _ = engine.resolve(Intervene(Prompted(TEXT, "", 2, 1, 4), ablate=(3, 3)))
    assert isinstance(resolved, Intervene) and isinstance(resolved.source, Residual)
    assert (resolved.sae, resolved.ablate, resolved.doses) == ("L", (3,), (0.0, 0.5, 1.0, 2.0))


def test_latents_that_are_silent_are_said_to_be(engine: WorkbenchEngine, bench: tiny.Tiny) -> None:
    ids = engine.parts.subject().encode(TEXT)
    x = engine.parts.subject().capture(ids)[tiny.LAYER, 3]
    sae = load_file(bench.sae / "sae_weights.safetensors")
    quiet = int(((x - sae["b_dec"]) @ sae["W_enc"] + sae["b_enc"]).argmin())
    found: Intervened = tiny.ask(engine, Intervene(PLACE, ablate=(quiet,), doses=(1.0,)))
    assert found.rows[0].kl == 0.0 and "changes nothing" in found.note


def test_rows_stream_and_provenance_names_the_sae(engine: WorkbenchEngine) -> None:
    events, result, provenance = l2el.ask(engine, Intervene(PLACE, ablate=(3,), doses=(0.5, 1.0), seed=4))
    rows = l2el.partial_rows(events)
    assert tuple(rows) == result.rows and all(isinstance(row, DoseRow) for row in rows)
    assert provenance.parts["sae"].name == "L" and provenance.seed == 4


@pytest.mark.parametrize(
    ("verb", "sentence"),
    [
        (Intervene(PLACE), "either ablates latents or adds"),
        (Intervene(PLACE, ablate=(1,), add=Decoder("L", 1)), "either ablates latents or adds"),
        (Intervene(Decoder("L", 1), ablate=(1,)), "a place in a prompt"),
        (Intervene(Prompted(TEXT, "", 2, 99), ablate=(1,)), "no token 99"),
        (Intervene(Prompted(TEXT, "", 99), add=Decoder("L", 1)), "no layer 99"),
        (Intervene(PLACE, ablate=(96,)), "no latent 96"),
        (Intervene(PLACE, ablate=(1,), sae="M"), "no SAE 'M'"),
        (Intervene(Prompted(TEXT, "", 1), ablate=(1,)), "No SAE reads layer 1"),
        (Intervene(Prompted(TEXT, "", 1), ablate=(1,), sae="L"), "not layer 1"),
        (Intervene(PLACE, add=Decoder("L", 1), doses=(float("nan"),)), "A dose is a number"),
        (Intervene(PLACE, add=Decoder("L", 1), doses=tuple(range(65))), "65 doses"),
        (Intervene(PLACE, add=Decoder("L", 1), randoms=-1), "-1 random directions"),
        (Intervene(PLACE, add=Decoder("L", 1), seed=-1), "negative"),
        (Intervene(PLACE, add=Decoder("L", 1), hypotheses=("x",), reader="nobody"), "no reader 'nobody'"),
        (Intervene(PLACE, add=Decoder("L", 1), hypotheses=("x",), reader="paper"), "does not reach"),
        (Intervene(PLACE, add=Decoder("L", 1), hypotheses=("x",), read_at=50), "no token 50 to read at"),
        (Intervene(Prompted(TEXT, "", 3), add=Decoder("L", 1), hypotheses=("x",)), "or a later one"),
    ],
)
def test_what_cannot_be_asked_is_a_sentence(engine: WorkbenchEngine, verb: Intervene, sentence: str) -> None:
    with pytest.raises(BadInput) as raised:
        engine.resolve(verb)
    assert re.search(sentence, str(raised.value))


def test_a_dose_that_overflows_fails_alone(engine: WorkbenchEngine) -> None:
    found: Intervened = tiny.ask(engine, Intervene(PLACE, add=Decoder("L", 1), doses=(0.5, 1e38), continue_tokens=2))
    good, bad = found.rows
    assert good.error is None and good.kl is not None
    assert bad.kl is None and bad.error and bad.error.endswith(".")
