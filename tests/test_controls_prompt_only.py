"""The prompt-only control: learned slots after the plain text, against its own background."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import l2el_tools as l2el
import pytest
import torch
from safetensors.torch import load_file, save_file

import tiny
from backends.engine.controls.prompt_only import PromptOnly, background_contexts, prompt_only_of
from backends.engine.readers.reader import open_reader
from backends.engine.readers.soft_prompt import MapperCard, SoftPromptMapper
from investigator import wire
from investigator.errors import WorkbenchError
from investigator.records import Control
from investigator.sources import Mean, Residual

SLOTS, LONGEST = 4, 9
DOCUMENTS = [tiny.TEXT[start : start + 90] for start in range(0, 240, 8)]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> tiny.Tiny:
    """A workbench with a prompt-only reader, held-out documents, and statistics measured on them."""
    made = l2el.make_bench(tmp_path_factory.mktemp("prompt-only"))
    notes: dict[str, str | int | float] = {"context_tokens": LONGEST}
    card = MapperCard(form="prompt-only", slots=SLOTS, width=tiny.WIDTH, layer=tiny.LAYER, notes=notes)
    SoftPromptMapper(card, seed=5).save(made.folder / "readers" / "prompt-only")
    text = made.file.read_text(encoding="utf-8")
    text = text.replace('path = "readers/mapper"', 'path = "readers/mapper"\nprompt_only = "readers/prompt-only"')
    made.file.write_text('heldout = "heldout"\n' + text, encoding="utf-8")
    write_places(made)
    return made


def write_places(bench: tiny.Tiny) -> None:
    """Measure the background at one place of each document, and say where, as the training's statistics do."""
    (bench.folder / "heldout").mkdir()
    rows = [{"text": text, "file": "tiny", "index": index} for index, text in enumerate(DOCUMENTS)]
    lines = "".join(json.dumps(row) + "\n" for row in reversed(rows))
    (bench.folder / "heldout" / "tune.jsonl").write_text(lines, encoding="utf-8")
    subject = tiny.load_subject(bench.subject)
    file = bench.statistics / "layers.safetensors"
    found = load_file(file)
    vectors, places = [], []
    for index, text in enumerate(DOCUMENTS):
        position = 3 + index % 12
        vectors.append(subject.capture(subject.encode(text))[:, position])
        places.append({"document": f"tiny:{index}", "position": position})
    save_file(found | {"background": torch.stack(vectors, 1)}, file)
    file.with_suffix(".json").write_text(json.dumps({"background": {"places": places}}), encoding="utf-8")


@pytest.fixture(scope="module")
def engine(bench: tiny.Tiny) -> Any:
    return tiny.make_engine(bench)


def control(engine: Any, text: str, source: Any, **more: Any) -> tuple[Control | None, Any]:
    _, result, _ = l2el.ask(engine, wire.Test((text,), (source,), templates=(), **more))
    (row,) = result.rows
    return next((found for found in row.score.controls if found.name == "prompt only"), None), row


def slow(engine: Any, bench: tiny.Tiny, context: list[int], text: str) -> float:
    """Score a text after the last tokens of a context and the slots, in one plain pass."""
    cut = context if len(context) <= LONGEST else [context[0], *context[len(context) - LONGEST + 1 :]]
    bias = load_file(bench.folder / "readers" / "prompt-only" / "mapper.safetensors")["bias"]
    subject = engine.parts.subject()
    with torch.inference_mode():
        before = subject.model.get_input_embeddings()(torch.tensor(cut))
    return l2el.slow_score(engine, torch.cat([before, bias]), text)


def test_the_contexts_are_those_of_the_background_positions(engine: Any, bench: tiny.Tiny) -> None:
    subject = engine.parts.subject()
    contexts = background_contexts(engine, subject)
    assert contexts is not None
    background = engine.parts.layer_statistics("tiny").background[tiny.LAYER]
    assert len(contexts) == len(background) == len(DOCUMENTS)
    for context, vector in zip(contexts, background, strict=True):
        assert subject.capture(context)[tiny.LAYER, -1] == pytest.approx(vector, abs=1e-5)


@pytest.mark.parametrize("position", [2, 5, -1])
def test_score_and_gap_against_a_slow_reference(engine: Any, bench: tiny.Tiny, position: int) -> None:
    prompt = "The fourth president of the United States was James Madison."
    ids = engine.parts.subject().encode(prompt)
    position %= len(ids)
    found, _ = control(engine, "the word France", Residual("", tuple(ids), -1, position))
    assert found is not None
    own = slow(engine, bench, ids[: position + 1], "the word France")
    contexts = background_contexts(engine, engine.parts.subject())
    assert contexts is not None
    behind = [slow(engine, bench, list(context), "the word France") for context in contexts]
    assert found.score == pytest.approx(own, abs=1e-4)
    assert found.gap == pytest.approx(own - statistics.fmean(behind), abs=1e-4)


def test_a_span_is_read_up_to_its_last_token(engine: Any, bench: tiny.Tiny) -> None:
    ids = l2el.ids_of(engine)
    found, _ = control(engine, "cat", Residual("", ids, -1, 2, 4))
    assert found is not None
    assert found.score == pytest.approx(slow(engine, bench, list(ids[:4]), "cat"), abs=1e-4)


def test_the_note_compares_gap_with_gap_and_never_decides(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from backends.engine.controls import measures

    found, row = control(engine, "names of animals", l2el.at(engine))
    monkeypatch.setattr(measures, "READABLE", 1.0)
    _, noted = control(engine, "names of animals", l2el.at(engine))
    assert found is not None
    assert noted.score.note.startswith("also readable from the text")
    assert f"{found.gap:+.2f}" in noted.score.note
    assert f"{row.score.gap:+.2f}" in noted.score.note
    assert (noted.score.verdict, noted.score.why) == (row.score.verdict, row.score.why)
    monkeypatch.setattr(measures, "READABLE", 0.0)
    assert control(engine, "names of animals", l2el.at(engine))[1].score.note == ""


def test_a_source_without_a_prompt_has_none(engine: Any) -> None:
    assert control(engine, "cat", Mean("", -1))[0] is None


def test_a_text_too_long_to_stand_after_the_context_has_none(engine: Any) -> None:
    subject = engine.parts.subject()
    only = prompt_only_of(engine, open_reader(engine, "mapper"))
    assert only is not None
    text = "cat"
    while only.fits(tuple(subject.encode_plain(text))):
        text += " cat"
    found, row = control(engine, text, l2el.at(engine))
    assert found is None
    assert row.score.error is None
    assert row.score.interval is not None


def test_without_its_own_background_there_is_no_gap_and_no_control(bench: tiny.Tiny, tmp_path: Path) -> None:
    for missing in ("statistics/layers.json", "heldout/tune.jsonl"):
        kept = (bench.folder / missing).read_bytes()
        (bench.folder / missing).unlink()
        fresh = tiny.make_engine(bench)
        assert control(fresh, "cat", l2el.at(fresh))[0] is None
        (bench.folder / missing).write_bytes(kept)


def test_another_form_in_its_place_is_refused(bench: tiny.Tiny) -> None:
    fresh = tiny.make_engine(bench)
    folder = bench.folder / "readers" / "prompt-only"
    kept = (folder / "mapper.json").read_text(encoding="utf-8")
    tiny.make_reader(folder, subject=bench.subject)
    with pytest.raises(WorkbenchError, match="prompt-only"):
        prompt_only_of(fresh, open_reader(fresh, "mapper"))
    assert isinstance(kept, str)


def test_contexts_of_unlike_lengths_are_scored_each_by_itself(engine: Any, bench: tiny.Tiny) -> None:
    card = MapperCard(form="prompt-only", slots=2, width=tiny.WIDTH, layer=1, notes={"context_tokens": 6})
    subject = engine.parts.subject()
    contexts = [tuple(subject.encode(text))[: 2 + index % 7] for index, text in enumerate(DOCUMENTS)]
    mapper = SoftPromptMapper(card, seed=1)
    only = PromptOnly(subject, mapper, contexts)
    assert only.background is not None
    ids = tuple(subject.encode_plain("the word France"))
    list(only.background.fill(ids))
    expected = []
    for context in contexts:
        cut = context if len(context) <= 6 else (context[0], *context[-5:])
        with torch.inference_mode():
            before = subject.model.get_input_embeddings()(torch.tensor(cut))
        expected.append(l2el.slow_score(engine, torch.cat([before, mapper.bias.detach()]), "the word France"))
    assert sorted(only.background.scores(ids)) == pytest.approx(sorted(expected), abs=1e-4)
