"""Agreement in other words, on the bundled embedder: cosines and chance against slow sums, limits, and no embedder."""

from __future__ import annotations

import itertools
import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer

import tiny
from backends.engine import agreement
from backends.engine.engine import WorkbenchEngine
from backends.engine.evaluating.controls import embedding as minilm
from investigator.errors import BadInput, ScoreError, WorkbenchError
from investigator.records import Agreed
from investigator.wire import Agree

BUNDLED = Path(agreement.__file__).parents[1] / "pocket" / "embedder"
WORDS = ("water", "bread", "horse", "music", "king", "river", "winter", "doctor", "ship", "money", "north", "garden")
LABELS = [f"references to {a} and {b}" for a, b in itertools.combinations(WORDS, 2)]
TEXTS = (
    ("references to water and rivers", "the words about music", "references to kings"),
    ("mentions of rivers and water", "references to kings", "songs and music"),
)


def make(folder: Path, embedder: Path | None = BUNDLED, labels: list[str] = LABELS) -> WorkbenchEngine:
    """Return an engine whose labels and embedder are these."""
    bench = tiny.make_workbench(folder)
    rows = tiny.label_rows()
    tiny.write_labels(bench.labels, [row | {"description": text} for row, text in zip(rows, labels, strict=False)])
    text = bench.file.read_text(encoding="utf-8")
    bench.file.write_text((f"embedder = {json.dumps(str(embedder))}\n" if embedder else "") + text, encoding="utf-8")
    return tiny.make_engine(bench)


def slow_vectors(texts: list[str]) -> dict[str, list[float]]:
    """Embed by plain sums: the mean of the word pieces' rows, at length one."""
    table = load_file(BUNDLED / "model.safetensors")["embedding.weight"].astype(np.float64)
    tokenizer = Tokenizer.from_file(str(BUNDLED / "tokenizer.json"))
    found = {}
    for text in texts:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        mean = [sum(table[id][at] for id in ids) / len(ids) for at in range(table.shape[1])]
        length = math.sqrt(sum(value * value for value in mean))
        found[text] = [value / length for value in mean]
    return found


def dot(left: list[float], right: list[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))


def asked(engine: WorkbenchEngine, *lists: tuple[str, ...], **fields: Any) -> Agreed:
    found = tiny.ask(engine, Agree(lists, **fields))
    assert isinstance(found, Agreed)
    return found


def test_cosines_p_and_threshold_are_those_of_slow_sums(tmp_path: Path) -> None:
    labels = LABELS[:50]
    found = asked(make(tmp_path, labels=labels), *TEXTS, share=0.01, every=True)
    known = slow_vectors([*labels, *(text for texts in TEXTS for text in texts)])
    chance = sorted((dot(known[a], known[b]) for a, b in itertools.combinations(labels, 2)), reverse=True)
    assert (found.embedder, found.labels, found.pairs) == ("pocket-static", 50, 1225)
    # p = (1 + k) / 1226 is at most .01 for k up to 11: the twelfth largest is not to be exceeded by chance alone.
    assert found.threshold == pytest.approx(chance[11], abs=1e-5)
    pairs = {frozenset((left, right)) for left in TEXTS[0] for right in TEXTS[1] if left != right} | {
        frozenset(("references to kings", other))
        for texts in TEXTS
        for other in texts
        if other != "references to kings"
    }
    assert {frozenset((row.left, row.right)) for row in found.rows} == pairs
    assert found.compared == len(pairs)
    for row in found.rows:
        slow = dot(known[row.left], known[row.right])
        assert row.cosine == pytest.approx(slow, abs=1e-5)
        assert row.p == pytest.approx((1 + sum(value >= slow for value in chance)) / 1226, abs=1e-9)
        assert row.agrees == (row.p <= 0.01)
    assert [row.cosine for row in found.rows] == sorted((row.cosine for row in found.rows), reverse=True)
    assert any(row.agrees for row in found.rows) and not all(row.agrees for row in found.rows)
    assert found.agreeing == sum(row.agrees for row in found.rows)


def test_only_pairs_that_agree_are_listed_unless_all_are_wanted(tmp_path: Path) -> None:
    engine = make(tmp_path)
    every = asked(engine, *TEXTS, share=0.01, every=True)
    agreeing = asked(engine, *TEXTS, share=0.01)
    assert agreeing.rows == tuple(row for row in every.rows if row.agrees)
    short = asked(engine, *TEXTS, share=0.01, every=True, limit=2)
    assert short.rows == every.rows[:2] and short.agreeing == every.agreeing and short.compared == every.compared


def test_texts_of_one_list_and_a_text_with_itself_are_not_compared(tmp_path: Path) -> None:
    found = asked(make(tmp_path), ("water", "water and rivers"), ("water", " ", "music"), share=0.01, every=True)
    pairs = (("water", "water and rivers"), ("water", "music"), ("water and rivers", "music"))
    assert {frozenset((row.left, row.right)) for row in found.rows} == set(map(frozenset, pairs))


def test_a_text_without_a_known_word_agrees_with_nothing_and_is_counted(tmp_path: Path) -> None:
    strange = ("\u2603\u2603", "\u65e5\u672c\u8a9e")
    found = asked(make(tmp_path), ("water", strange[0]), ("water and rivers", strange[1]), share=0.5, every=True)
    assert [(row.left, row.right) for row in found.rows] == [("water", "water and rivers")]
    assert found.note.startswith("2 texts hold no word")


def test_a_text_is_embedded_once_and_the_pairs_of_labels_are_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make(tmp_path)
    seen: list[str] = []
    inner = agreement.embedding.StaticEmbedder.embed

    def embed(self: Any, texts: Any) -> Any:
        seen.extend(texts)
        return inner(self, texts)

    monkeypatch.setattr(agreement.embedding.StaticEmbedder, "embed", embed)
    first = asked(engine, *TEXTS, share=0.01)
    assert asked(engine, *TEXTS, share=0.01) == first
    asked(engine, *TEXTS, ("new words",), share=0.01)
    assert len(seen) == len(set(seen)) and "new words" in seen


def test_the_answer_names_what_it_rests_on_and_needs_no_model_queue(tmp_path: Path) -> None:
    engine = make(tmp_path)
    resolved, provenance = engine.resolve(Agree(TEXTS, share=0.01))
    assert isinstance(resolved, Agree) and resolved.embedder == "own" and resolved.labels == "L"
    assert engine.lane(resolved) == "fast"
    assert provenance.parts["embedder"].name == "pocket-static" and provenance.parts["labels"].fingerprint
    assert tiny.ask(engine, resolved) == asked(engine, *TEXTS, share=0.01)


@pytest.mark.parametrize(
    ("verb", "words"),
    [
        (Agree((("a",) * 601, ("b",))), "602 texts are too many"),
        (Agree((("a", "b"),)), "nothing to compare"),
        (Agree((("a",), (" ",))), "nothing to compare"),
        (Agree(TEXTS, share=0.0), "says nothing"),
        (Agree(TEXTS, share=float("nan")), "says nothing"),
        (Agree(TEXTS, limit=0), "cannot be listed"),
        (Agree(TEXTS, seed=-1), "seed cannot be"),
        (Agree(TEXTS, labels="nowhere"), "no SAE 'nowhere'"),
        (Agree(TEXTS, share=1e-6), "too few to tell a share"),
    ],
)
def test_what_cannot_be_asked_is_a_sentence(verb: Agree, words: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=words):
        tiny.ask(make(tmp_path), verb)


def test_without_an_embedder_it_says_so_and_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm, "installed", lambda: False)
    with pytest.raises(WorkbenchError, match=r"names no sentence embedder.*train embedder"):
        tiny.ask(make(tmp_path, embedder=None), Agree(TEXTS))
    with pytest.raises(WorkbenchError, match="not installed"):
        tiny.ask(make(tmp_path / "other"), Agree(TEXTS, embedder="minilm"))


def test_minilm_stands_in_only_where_no_embedder_is_named_and_waits_for_the_model_queue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(minilm, "installed", lambda: True)
    engine = make(tmp_path, embedder=None)
    assert agreement.which(engine, "") == "minilm" and engine.lane(Agree(TEXTS)) == "model"
    assert agreement.which(make(tmp_path / "other"), "") == "own"


def test_a_workbench_without_labels_says_so(tmp_path: Path) -> None:
    bench = tiny.make_workbench(tmp_path)
    lines = [line for line in bench.file.read_text().splitlines() if not line.startswith("labels")]
    bench.file.write_text(f"embedder = {json.dumps(str(BUNDLED))}\n" + "\n".join(lines))
    with pytest.raises(BadInput, match="no labels whose random pairs"):
        tiny.ask(tiny.make_engine(bench), Agree(TEXTS))


@pytest.mark.parametrize("trouble", ["gone", "cut", "nan"])
def test_a_broken_embedder_is_a_sentence_and_the_engine_goes_on(trouble: str, tmp_path: Path) -> None:
    folder = tmp_path / "embedder"
    if trouble != "gone":
        shutil.copytree(BUNDLED, folder)
    if trouble == "cut":
        (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:1000])
    if trouble == "nan":
        table = load_file(folder / "model.safetensors")["embedding.weight"]
        save_file({"embedding.weight": np.full_like(table, np.nan)}, folder / "model.safetensors")
    engine = make(tmp_path / "bench", embedder=folder)
    with pytest.raises(ScoreError if trouble == "nan" else WorkbenchError) as caught:
        tiny.ask(engine, Agree(TEXTS, share=0.01))
    assert caught.value.message and caught.value.mend
    assert engine.parts.subject()
