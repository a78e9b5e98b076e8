"""`sweep` against cells scored one by one, from formulas and plain passes written here."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import index_tools
import l2el_tools as l2el
import msgspec
import pytest
import reader_tools
import torch
from safetensors.torch import load_file

import tiny
from backends.engine.engine import WorkbenchEngine
from backends.engine.likelihood import grid, states
from investigator import wire
from investigator.errors import BadInput
from investigator.records import SweepRow, Swept
from investigator.sources import Decoder, Prompted, Residual
from investigator.wire import Explain, Partial, RankLabels, Sweep

TEXT = "references to capital cities"
WHOLE = Prompted(l2el.PROMPT, position=0, end=0)


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tiny.Tiny:
    return l2el.make_bench(tmp_path_factory.mktemp("sweep"), request.param)


@pytest.fixture(scope="module")
def engine(bench: tiny.Tiny) -> WorkbenchEngine:
    made: WorkbenchEngine = tiny.make_engine(bench)
    return made


@pytest.fixture(scope="module")
def injected(tmp_path_factory: pytest.TempPathFactory) -> WorkbenchEngine:
    """A workbench that also has a reader of any layer, with and without labels."""
    bench = reader_tools.make_bench(tmp_path_factory.mktemp("sweep-injected"))
    reader_tools.add_reader(bench, "anywhere", "patchscopes", layer=-1, injection={"max_tokens": 6})
    reader_tools.add_reader(bench, "ranks", "selfie", layer=-1, sae="L")
    made: WorkbenchEngine = tiny.make_engine(bench)
    return made


def behind(engine: WorkbenchEngine, bench: tiny.Tiny, text: str, count: int, reader: str) -> list[float]:
    """Return a text's scores at the first background positions, from one plain pass over all of them."""
    layer = tiny.LAYER if reader == "mapper" else l2el.SECOND_LAYER
    vectors = load_file(bench.statistics / "layers.safetensors")["background"][layer, :count]
    soft = torch.stack([l2el.slow_soft(bench, vector, reader=reader) for vector in vectors])
    subject = engine.parts.subject()
    ids = subject.tokenizer.encode(text, add_special_tokens=False)
    target = torch.tensor([*ids, subject.eos_id])
    with torch.inference_mode():
        embedded = subject.model.get_input_embeddings()(torch.tensor([ids])).expand(count, -1, -1)
        logits = subject.model(inputs_embeds=torch.cat([soft, embedded], 1)).logits[:, soft.shape[1] - 1 :]
    found: list[float] = logits.double().log_softmax(-1)[:, torch.arange(len(target)), target].mean(1).tolist()
    return found


def counting(counted: list[str], done: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that does the same and notes that it was called."""

    def called(*rest: Any) -> Any:
        counted.append(done.__name__)
        return done(*rest)

    return called


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def test_every_cell_of_a_text_is_its_score_alone_minus_its_background(
    bench: tiny.Tiny, engine: WorkbenchEngine
) -> None:
    found: Swept = tiny.ask(engine, Sweep(WHOLE, TEXT))
    readers = {l2el.SECOND_LAYER: "paper", tiny.LAYER: "mapper"}
    assert [(row.layer, row.reader, row.method) for row in found.rows] == [
        (layer, name, "score") for layer, name in readers.items()
    ]
    ids = l2el.ids_of(engine)
    assert (found.first, found.end, found.text) == (0, len(ids), TEXT)
    for row in found.rows:
        hidden = l2el.slow_hidden(engine, row.layer)
        background = behind(engine, bench, TEXT, 512, row.reader)
        assert len(row.cells) == len(ids)
        for at in range(1, len(ids)):
            alone = l2el.slow_score(engine, l2el.slow_soft(bench, hidden[at], reader=row.reader), TEXT)
            score = row.cells[at].score
            assert score.score == pytest.approx(alone, abs=1e-4)
            assert score.gap == pytest.approx(alone - mean(background), abs=1e-4)
            assert score.p == pytest.approx((1 + sum(one >= alone for one in background)) / 513, abs=3 / 513)
            assert score.background == 512 and score.error is None


def test_a_special_token_is_a_sentence_and_no_number(engine: WorkbenchEngine) -> None:
    found: Swept = tiny.ask(engine, Sweep(WHOLE, TEXT))
    for row in found.rows:
        first = row.cells[0]
        assert first.value is None and first.score.score is None and first.score.gap is None
        assert first.score.error is not None and "special token" in first.score.error


def test_the_sweep_says_what_a_test_as_typed_says(engine: WorkbenchEngine) -> None:
    source = l2el.at(engine)
    swept: Swept = tiny.ask(engine, Sweep(WHOLE, TEXT))
    tested = tiny.ask(engine, wire.Test((TEXT,), (source,), scope="layers", templates=(), controls=False))
    layers = dict(tested.rows[0].layers)
    for row in swept.rows:
        assert [cell.score for cell in row.cells] == list(layers[row.layer])


def test_tokens_share_their_passes(engine: WorkbenchEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the model runs grows with what a step holds, not with the tokens; the background is measured once."""
    counted: list[str] = []
    for module, name in ((grid, "_walk"), (states, "one_prefix")):
        monkeypatch.setattr(module, name, counting(counted, getattr(module, name)))
    long = " ".join([l2el.PROMPT] * 3)
    passes = []
    for prompt in (l2el.PROMPT, long):
        tiny.ask(engine, Sweep(Prompted(prompt, position=0, end=0), "the word France"))  # measures the background
        counted.clear()
        found: Swept = tiny.ask(engine, Sweep(Prompted(prompt, position=0, end=0), "the word France"))
        passes.append((len(found.rows[0].cells), len(counted)))
    (few, first), (many, second) = passes
    assert many >= 2.5 * few and first == second == 2 * len(found.rows)


def test_rows_arrive_layer_by_layer_with_progress_and_stop_between_steps(engine: WorkbenchEngine) -> None:
    events, result, provenance = l2el.ask(engine, Sweep(WHOLE, TEXT))
    partial = [event.rows for event in events if isinstance(event, Partial)]
    assert partial == [(row,) for row in result.rows]
    steps = l2el.progress(events)
    assert {re.match(r"layer \d+", step.message).group() for step in steps} == {"layer 1", "layer 2"}  # type: ignore[union-attr]
    cells = sum(len(row.cells) for row in result.rows)
    assert {step.total for step in steps} == {cells} and all(step.done <= cells for step in steps)
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert provenance.parts["reader of layer 1"].name == "paper"
    assert provenance.parts["reader of layer 2"].name == "mapper"
    assert provenance.parts["reader of layer 1"].fingerprint != provenance.parts["reader of layer 2"].fingerprint
    assert "statistics" in provenance.parts and provenance.dtype == "float32" and provenance.plan
    resolved, _ = engine.resolve(Sweep(WHOLE, "another text"))
    running = engine.run(resolved)
    assert next(running) is None
    running.close()  # type: ignore[attr-defined]


def test_a_span_and_layers_are_what_is_swept(engine: WorkbenchEngine) -> None:
    whole: Swept = tiny.ask(engine, Sweep(WHOLE, TEXT))
    part: Swept = tiny.ask(engine, Sweep(Prompted(l2el.PROMPT, position=2, end=5), TEXT, layers=(2, 2)))
    assert (part.first, part.end, [row.layer for row in part.rows]) == (2, 5, [2])
    for at, cell in enumerate(part.rows[0].cells, 2):
        assert cell.score.score == pytest.approx(whole.rows[1].cells[at].score.score, abs=1e-5)
        assert part.rows[0].cell(at) is cell
    assert part.rows[0].cell(1) is None and part.rows[0].cell(5) is None


def test_without_a_text_a_cell_holds_the_best_label_of_all_by_exact_gap(
    bench: tiny.Tiny, engine: WorkbenchEngine
) -> None:
    found: Swept = tiny.ask(engine, Sweep(WHOLE, layers=(tiny.LAYER,)))
    [row] = found.rows
    assert (row.method, row.stage, row.recall) == ("labels", "exact", None)
    texts = engine.parts.labels("L").texts
    hidden = l2el.slow_hidden(engine)
    means = {text: mean(behind(engine, bench, text, 64, "mapper")) for text in texts}
    for at in (1, len(row.cells) - 1):
        soft = l2el.slow_soft(bench, hidden[at])
        gaps = {text: l2el.slow_score(engine, soft, text) - means[text] for text in texts}
        cell = row.cells[at]
        assert gaps[cell.text] == pytest.approx(max(gaps.values()), abs=1e-4)
        assert cell.score.gap == pytest.approx(gaps[cell.text], abs=1e-4)


def test_an_index_chooses_labels_whose_numbers_are_exact(tmp_path: Path) -> None:
    engine = index_tools.make_engine(tmp_path)
    index = index_tools.make_index(engine, sources=8)
    found: Swept = tiny.ask(engine, Sweep(Prompted(l2el.PROMPT, position=1, end=6), layers=(tiny.LAYER,)))
    [row] = found.rows
    assert (row.method, row.stage, row.recall) == ("labels", "estimate", index.card.gap.estimate)
    chosen: list[float] = []
    for at, cell in enumerate(row.cells, 1):
        verb = RankLabels(l2el.at(engine, at), limit=100, method="exact", controls=False)
        exact = {one.text: one.score for one in tiny.ask(engine, verb).rows}
        best = max(one.gap for one in exact.values())
        assert cell.score.score == pytest.approx(exact[cell.text].score, abs=1e-4)
        assert cell.score.gap == pytest.approx(exact[cell.text].gap, abs=1e-4)
        assert cell.score.background == 64 and not cell.score.estimate
        chosen.append(best - cell.score.gap)
    assert sorted(chosen)[len(chosen) // 2] < 0.05, "most cells hold the best label of all, or one like it"


def test_an_index_that_cannot_be_used_is_named_and_done_without(tmp_path: Path) -> None:
    engine = index_tools.make_engine(tmp_path)
    folder = index_tools.make_index(engine).folder
    (folder / "card.json").unlink()
    fresh = tiny.make_engine(type("Bench", (), {"file": engine.file}))
    found: Swept = tiny.ask(fresh, Sweep(Prompted(l2el.PROMPT, position=2, end=3), layers=(tiny.LAYER,)))
    [row] = found.rows
    assert row.stage == "exact" and "only half-built" in row.note and row.cells[0].score.gap is not None


def test_a_reader_without_labels_says_its_likeliest_words(injected: WorkbenchEngine) -> None:
    found: Swept = tiny.ask(injected, Sweep(Prompted("The capital of France", position=0, end=0), reader="anywhere"))
    assert [row.layer for row in found.rows] == list(range(tiny.LAYERS))
    assert {row.method for row in found.rows[:-1]} == {"greedy"}
    ids = tuple(injected.parts.subject().encode("The capital of France"))
    spoken = 0
    for row in found.rows:
        assert row.reader == f"anywhere@tiny/{row.layer}"
        if row.layer == tiny.LAYERS - 1:  # what is put behind the last block never reaches what is written
            assert "says the same whatever is injected" in (row.error or "") and not row.cells
            continue
        for at in (1, len(ids) - 1):
            source = Residual("tiny", ids, row.layer, at)
            alone = tiny.ask(injected, Explain(source, "anywhere", samples=1, temperature=0.0, controls=False))
            cell = row.cells[at]
            if not alone.rows:
                assert cell.score.error is not None and cell.text == ""
                continue
            spoken += 1
            assert cell.text == alone.rows[0].text
            assert cell.score.score == pytest.approx(alone.rows[0].score.score, abs=1e-4)
            assert cell.score.gap == pytest.approx(alone.rows[0].score.gap, abs=1e-4)
            assert cell.score.background == 64
    assert spoken


def test_any_reader_scores_a_text_as_a_test_does(injected: WorkbenchEngine) -> None:
    ids = tuple(injected.parts.subject().encode("The capital of France"))
    found: Swept = tiny.ask(injected, Sweep(Residual("", ids, -1, 1, len(ids)), TEXT, "ranks", layers=(0, 3)))
    for row in found.rows:
        for at, cell in enumerate(row.cells, 1):
            source = Residual("tiny", ids, row.layer, at)
            alone = (
                tiny.ask(injected, wire.Test((TEXT,), (source,), "ranks", templates=(), controls=False)).rows[0].score
            )
            assert cell.score.score == pytest.approx(alone.score, abs=1e-4)
            assert cell.score.gap == pytest.approx(alone.gap, abs=1e-4)


def test_a_latent_is_its_activation_over_the_tokens(bench: tiny.Tiny, engine: WorkbenchEngine) -> None:
    sae = load_file(bench.sae / "sae_weights.safetensors")
    hidden = l2el.slow_hidden(engine)
    pre = (hidden - sae["b_dec"]) @ sae["W_enc"] + sae["b_enc"]
    kept = torch.zeros_like(pre).scatter(-1, pre.topk(12).indices, pre.topk(12).values.relu())
    latent = int(kept[1:].sum(0).argmax())
    _, found, provenance = l2el.ask(engine, Sweep(WHOLE, latent=latent))
    [row] = found.rows
    assert (row.layer, row.method, found.sae, found.latent) == (tiny.LAYER, "activation", "L", latent)
    for at in range(1, len(row.cells)):
        assert row.cells[at].activation == pytest.approx(float(kept[at, latent]), abs=1e-4)
    assert row.cells[0].activation is None and row.cells[0].score.error
    assert provenance.parts["sae"].name == "L"


def test_a_text_that_no_reader_can_score_is_said_in_every_cell(engine: WorkbenchEngine) -> None:
    found: Swept = tiny.ask(engine, Sweep(WHOLE, "word " * 200))
    for row in found.rows:
        assert all(cell.value is None and cell.score.error for cell in row.cells)
        assert "Shorten it" in (row.cells[1].score.error or "")


def test_a_layer_that_fails_leaves_the_others(
    engine: WorkbenchEngine, bench: tiny.Tiny, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from backends.engine.verbs import sweep
    from investigator.errors import WorkbenchError

    def broken(engine: Any, name: str) -> Any:
        if name == "paper":
            raise WorkbenchError("The weights of paper are cut short.", "Fetch them again.")
        return iter(())

    monkeypatch.setattr(sweep, "opening", broken)
    found: Swept = tiny.ask(engine, Sweep(WHOLE, TEXT))
    assert isinstance(found.rows[0], SweepRow) and "cut short" in (found.rows[0].error or "")
    assert found.rows[0].cells == () and found.rows[1].error is None and found.rows[1].cells[1].value is not None


@pytest.mark.parametrize(
    ("verb", "sentence"),
    [
        (Sweep(Prompted("", position=0, end=0), TEXT), "prompt is empty"),
        (Sweep(Decoder("L", 1), TEXT), "tokens of a prompt"),
        (Sweep(WHOLE, "  "), "no text to sweep"),
        (Sweep(WHOLE, TEXT, layers=(3,)), "No reader reads layer 3.*needs no training"),
        (Sweep(WHOLE, TEXT, layers=(9,)), "no layer 9"),
        (Sweep(WHOLE, TEXT, "mapper", layers=(1,)), "mapper reads layer 2"),
        (Sweep(WHOLE, TEXT, "nobody"), "no reader 'nobody'"),
        (Sweep(WHOLE, method="labels"), "paper has no label set"),
        (Sweep(WHOLE, TEXT, latent=3), "by its SAE alone"),
        (Sweep(WHOLE, latent=9999), "no latent 9999"),
        (Sweep(WHOLE, latent=3, layers=(1,)), "layer 2 alone"),
        (Sweep(WHOLE, latent=3, sae="M"), "no SAE 'M'"),
        (Sweep(WHOLE, TEXT, sae="L"), "no latent of it"),
        (Sweep(Prompted(l2el.PROMPT, position=3, end=2), TEXT), "no span 3:2"),
    ],
)
def test_what_cannot_be_asked_is_a_sentence(engine: WorkbenchEngine, verb: Sweep, sentence: str) -> None:
    with pytest.raises(BadInput) as raised:
        engine.resolve(verb)
    assert re.search(sentence, str(raised.value))


def test_what_is_resolved_can_be_asked_again(engine: WorkbenchEngine) -> None:
    resolved, _ = engine.resolve(Sweep(WHOLE, f" {TEXT} "))
    again, _ = engine.resolve(resolved)
    assert again == resolved and isinstance(resolved, Sweep)
    assert resolved.text == TEXT and resolved.layers == (1, 2)
    assert msgspec.json.decode(msgspec.json.encode(resolved), type=Sweep) == resolved


def test_without_statistics_there_are_scores_and_no_gaps(tmp_path: Any) -> None:
    engine = tiny.make_engine(tiny.make_workbench(tmp_path, statistics=False))
    found: Swept = tiny.ask(engine, Sweep(WHOLE, TEXT))
    assert all(cell.score.gap is None and cell.value == cell.score.score for cell in found.rows[0].cells[1:])
    own: Swept = tiny.ask(engine, Sweep(Prompted(l2el.PROMPT, position=1, end=3)))
    assert own.rows[0].method == "labels" and all(cell.text and cell.value is not None for cell in own.rows[0].cells)
