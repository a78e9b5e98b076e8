"""Injected readers against plain forward passes with hooks of their own: every operation, scores and rankings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import reader_tools as tools
import torch

import tiny
from investigator import wire
from investigator.sources import Residual
from investigator.wire import Explain, RankLabels

PROMPT = "The capital of France is Paris"
TEXTS = ("references to capital cities", "the word France", "names of animals: cat")


def _engine(bench: tiny.Tiny) -> Any:
    return tiny.make_engine(bench)


def _source(engine: Any, position: int = -1) -> Residual:
    return Residual("", tuple(engine.parts.subject().encode(PROMPT)), tiny.LAYER, position)


def _vector(engine: Any, position: int = -1) -> torch.Tensor:
    model = tools.plain_model(engine.folder / "subject")
    ids = torch.tensor([list(_source(engine).token_ids)])
    with torch.no_grad():
        return model(ids, output_hidden_states=True).hidden_states[tiny.LAYER + 1][0, position]


def _scores(engine: Any, reader: str, texts: tuple[str, ...] = TEXTS) -> dict[str, float]:
    verb = wire.Test(texts, (_source(engine),), reader, controls=False, templates=())
    return {row.text: row.score.score for row in tiny.ask(engine, verb).rows}


def _chat(tokenizer: Any, text: str) -> list[int]:
    """The tiny chat template, written out."""
    found: list[int] = tokenizer(f"<|bos|>[user] {text}\n[assistant] ", add_special_tokens=False)["input_ids"]
    return found


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2"])
def test_nla_puts_the_scaled_vector_in_place_of_the_markers_embedding(family: str, tmp_path: Path) -> None:
    bench = tools.make_bench(tmp_path, family)
    tools.make_nla(tmp_path / "av", family)
    tools.add_reader(bench, "av", "nla", "av")
    engine = _engine(bench)
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "av")
    v = _vector(engine)
    ids = _chat(tokenizer, tools.AV.format(injection_char=tools.MARK))
    place = ids.index(tokenizer.convert_tokens_to_ids(tools.MARK))
    before = [*ids, *tokenizer("<explanation>\n", add_special_tokens=False)["input_ids"]]
    end = tokenizer("</explanation>", add_special_tokens=False)["input_ids"][0]
    edit = tools.put([place], lambda here: 7.5 * v / v.norm())
    found = _scores(engine, "av")
    for text in TEXTS:
        own = tokenizer(f"{text}\n", add_special_tokens=False)["input_ids"]
        slow = tools.slow_score(tools.plain_model(tmp_path / "av"), before, own, end, edit, ("embedding", 0))
        assert found[text] == pytest.approx(slow, abs=2e-4)


@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen3"])
def test_an_oracle_adds_the_vector_as_long_as_what_stands_there(family: str, tmp_path: Path) -> None:
    bench = tools.make_bench(tmp_path, family)
    tools.make_oracle(tmp_path / "ao", tmp_path / "subject")
    tools.add_reader(bench, "ao", "oracle", "ao", injection={"slots": 3, "question": "What is this?"})
    engine = _engine(bench)
    subject = engine.parts.subject()
    v = _vector(engine)
    before = _chat(subject.tokenizer, f"Layer: {tiny.LAYER}\n" + tools.SLOT * 3 + " \nWhat is this?")
    (mark,) = subject.tokenizer(tools.SLOT, add_special_tokens=False)["input_ids"]
    places = [place for place, token in enumerate(before) if token == mark][:3]
    assert len(places) == 3
    edit = tools.put(places, lambda here: here + here.norm() * v / v.norm())
    model = tools.merged(tmp_path / "subject", tmp_path / "ao")
    found = _scores(engine, "ao")
    for text in TEXTS:
        own = subject.tokenizer(text, add_special_tokens=False)["input_ids"]
        slow = tools.slow_score(model, before, own, _after(subject), edit, ("out", 1))
        assert found[text] == pytest.approx(slow, abs=2e-4)


def _after(subject: Any) -> int:
    """What ends a text in the tiny chat, where no special token ends a turn: end-of-text."""
    end: int = subject.tokenizer.convert_tokens_to_ids("<|eos|>")
    return end


def test_an_adapter_is_off_while_the_subject_is_read_and_shares_its_weights(tmp_path: Path) -> None:
    bench = tools.make_bench(tmp_path)
    tools.make_oracle(tmp_path / "ao", tmp_path / "subject")
    tools.add_reader(bench, "ao", "oracle", "ao")
    engine = _engine(bench)
    v = _vector(engine)
    _scores(engine, "ao")
    engine.captures.clear() if hasattr(engine.captures, "clear") else None
    torch.testing.assert_close(engine.parts.subject().capture(_source(engine).token_ids)[tiny.LAYER, -1], v)
    from backends.engine.readers.reader import open_reader

    speaker = open_reader(engine, "ao").speaker
    own = {tensor.data_ptr() for tensor in engine.parts.subject().model.parameters()}
    shared = [p for name, p in speaker.model.named_parameters() if "lora_" not in name]
    assert shared and all(p.data_ptr() in own for p in shared)


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_selfie_replaces_every_slot_at_the_input_of_block_one(family: str, tmp_path: Path) -> None:
    bench = tools.make_bench(tmp_path, family, chat=False)
    engine = _engine(bench)
    tokenizer, v = engine.parts.subject().tokenizer, _vector(engine)
    text = "Message: _ _ _ _ _\n"
    encoded = tokenizer(text, return_offsets_mapping=True)
    places = [i for i, (a, b) in enumerate(encoded["offset_mapping"]) if "_" in text[a:b]]
    before = [*encoded["input_ids"], *tokenizer("Summary of the message:", add_special_tokens=False)["input_ids"]]
    end = tokenizer("\n", add_special_tokens=False)["input_ids"][0]
    model = tools.plain_model(tmp_path / "subject")
    found = _scores(engine, "selfie")
    for said in TEXTS:
        own = tokenizer(f" {said}", add_special_tokens=False)["input_ids"]
        slow = tools.slow_score(model, before, own, end, tools.put(places, lambda here: v), ("in", 1))
        assert found[said] == pytest.approx(slow, abs=2e-4)


def test_patchscopes_patches_layer_to_layer(tmp_path: Path) -> None:
    bench = tools.make_bench(tmp_path, chat=False)
    engine = _engine(bench)
    tokenizer, v = engine.parts.subject().tokenizer, _vector(engine)
    tools_text = "Paris: a city\nx"
    tools.add_reader(bench, "mine", "patchscopes", injection={"prompt": "Paris: a city\n{marker}"}, layer=-1)
    engine = _engine(bench)
    ids = tokenizer(tools_text)["input_ids"]
    before = [*ids, *tokenizer(":", add_special_tokens=False)["input_ids"]]
    end = tokenizer("\n", add_special_tokens=False)["input_ids"][0]
    model = tools.plain_model(tmp_path / "subject")
    found = _scores(engine, "mine")
    edit = tools.put([len(ids) - 1], lambda here: v)
    for said in TEXTS:
        own = tokenizer(f" {said}", add_special_tokens=False)["input_ids"]
        assert found[said] == pytest.approx(
            tools.slow_score(model, before, own, end, edit, ("out", tiny.LAYER)), abs=2e-4
        )


def test_latentqa_patches_its_span_after_block_nought_and_speaks_as_reflect(tmp_path: Path) -> None:
    bench = tools.make_bench(tmp_path)
    tools.make_adapter(tmp_path / "lqa", tmp_path / "subject")
    tools.add_reader(bench, "lqa", "latentqa", "lqa", injection={"slots": 4, "question": "What is it?"})
    engine = _engine(bench)
    subject, v = engine.parts.subject(), _vector(engine)
    text = "<|bos|>[user] ? ? ? ? \n[reflect] Sure, I've analyzed the assistant.\n[user] What is it?\n[reflect] "
    encoded = subject.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    first = text.index("? ?")
    spans = encoded["offset_mapping"]
    places = [i for i, (a, b) in enumerate(spans) if first - 1 <= a < first + 7 and "?" in text[a:b]]
    model = tools.merged(tmp_path / "subject", tmp_path / "lqa")
    found = _scores(engine, "lqa")
    for said in TEXTS:
        own = subject.tokenizer(said, add_special_tokens=False)["input_ids"]
        slow = tools.slow_score(
            model, encoded["input_ids"], own, _after(subject), tools.put(places, lambda here: v), ("out", 0)
        )
        assert found[said] == pytest.approx(slow, abs=2e-4)


def test_all_labels_are_ranked_by_the_walk_as_one_by_one(tmp_path: Path) -> None:
    bench = tools.make_bench(tmp_path)
    tools.make_oracle(tmp_path / "ao", tmp_path / "subject")
    tools.add_reader(bench, "ao", "oracle", "ao", sae="L")
    engine = _engine(bench)
    ranked = tiny.ask(engine, RankLabels(_source(engine), "ao", order="score", limit=1000))
    some = tuple(row.text for row in ranked.rows[:9])
    alone = _scores(engine, "ao", some)
    assert ranked.total == len(engine.parts.labels("L").texts)
    assert [row.score.score for row in ranked.rows[:9]] == pytest.approx([alone[text] for text in some], abs=1e-5)
    gaps = tiny.ask(engine, RankLabels(_source(engine), "ao", limit=5))
    assert all(row.score.gap is not None for row in gaps.rows)


def test_drawn_texts_are_the_explanations_in_their_tags_and_repeat_with_a_seed(tmp_path: Path) -> None:
    bench = tools.make_bench(tmp_path)
    tools.make_nla(tmp_path / "av")
    tools.add_reader(bench, "av", "nla", "av")
    engine = _engine(bench)
    verb = Explain(_source(engine), "av", samples=4, max_tokens=12, seed=3)
    first, again = tiny.ask(engine, verb), tiny.ask(engine, verb)
    assert first == again
    assert all("<explanation>" not in row.text for row in first.rows)


def test_explanations_are_cut_out_of_their_tags_closed_or_not(tmp_path: Path) -> None:
    from backends.engine.readers.reader import open_reader

    bench = tools.make_bench(tmp_path)
    tools.make_nla(tmp_path / "av")
    tools.add_reader(bench, "av", "nla", "av")
    reader = open_reader(_engine(bench), "av")
    encode = reader.speaker.encode_plain
    assert reader.text(encode("so: <explanation>\n cats and\ndogs \n</explanation> more")) == "cats and\ndogs"
    assert reader.text(encode("<explanation> cats")) == "cats"
    assert reader.text(encode("cats ")) == "cats"
    assert reader.ended(encode("<explanation>x</explanation>"))
    assert not reader.ended(encode("<explanation>x"))
    assert set(reader.speaker.stop_ids) <= reader.stops
