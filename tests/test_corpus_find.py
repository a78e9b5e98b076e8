"""`find`: against scores of every position one by one, on a tiny model and on pocket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import l2el_tools
import numpy as np
import pytest
import torch

import tiny
from backends.engine.engine import WorkbenchEngine
from backends.engine.index import corpora, corpus_calibration, corpus_search
from backends.engine.index.corpus_index import CorpusIndex
from backends.engine.index.corpus_job import make_build
from backends.engine.likelihood import encode_text, pair_scores
from backends.engine.readers.reader import open_reader
from investigator.errors import BadInput, ScoreError, WorkbenchError
from investigator.records import Found, HitRow
from investigator.wire import Find, Partial

ROOT = Path(__file__).parents[1]


def build(engine: Any, file: Path, folder: Path, **choices: Any) -> CorpusIndex:
    made = make_build(engine, [file], folder, name=folder.name, **choices)
    for _ in made.run():
        pass
    return CorpusIndex.open(folder, made.subject)


def all_scores(engine: Any, index: CorpusIndex, text: str, reader: str) -> dict[tuple[int, int], float]:
    """Score every position from activations captured anew, context by context."""
    opened = open_reader(engine, reader)
    ids = encode_text(opened.subject, text, slots=opened.slots)
    by_context: dict[int, list[int]] = {}
    for number in range(index.size):
        context, position = index.place(number)
        by_context.setdefault(context, []).append(position)
    found = {}
    for context, positions in by_context.items():
        captured = opened.subject.capture(index.context(context)[1])[opened.layer, positions]
        values = pair_scores(opened.subject, opened.soft(captured), [ids] * len(positions)).tolist()
        found.update({(context, position): value for position, value in zip(positions, values, strict=True)})
    return found


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, CorpusIndex]:
    folder = tmp_path_factory.mktemp("small")
    engine = tiny.make_engine(l2el_tools.make_bench(folder / "bench"))
    texts = [f"{tiny.TEXT[n : 150 + 3 * n]} number {n}" for n in range(12)]
    file = folder / "texts.jsonl"
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return engine, build(engine, file, folder / "index", layers=(1, 2))


@pytest.mark.parametrize("reader", ["mapper", "paper"])
@pytest.mark.parametrize("every", [False, True])
def test_an_exact_search_is_the_ranking_of_every_position(small: Any, reader: str, every: bool) -> None:
    engine, index = small
    text = "names of animals"
    truth = all_scores(engine, index, text, reader)
    verb = Find(text, str(index.folder), reader, limit=7, all_positions=every, exact=True)
    events, found, provenance = l2el_tools.ask(engine, verb)
    assert isinstance(found, Found) and found.exact and found.recall is None
    assert (found.positions, found.rescored, found.contexts) == (len(truth), len(truth), index.card.contexts)
    order = sorted(truth, key=lambda place: -truth[place])
    if not every:
        order = [place for at, place in enumerate(order) if place[0] not in {other[0] for other in order[:at]}]
    assert [row.score.score for row in found.rows] == pytest.approx([truth[place] for place in order[:7]], abs=2e-4)
    assert all(truth[row.context, row.position] == pytest.approx(row.score.score, abs=1e-5) for row in found.rows)
    assert [row.rank for row in found.rows] == list(range(1, 8))
    assert list(found.background) == sorted(found.background) and len(found.background) == 512
    best = found.rows[0]
    assert best.score.gap == pytest.approx(best.score.score - np.mean(found.background))  # type: ignore[operator]
    assert provenance.parts["corpus"].fingerprint == index.card.recipe.fingerprint
    assert any(isinstance(event, Partial) for event in events)


def test_an_excerpt_holds_the_token_that_was_read(small: Any) -> None:
    engine, index = small
    found = tiny.ask(engine, Find("the word France", str(index.folder), "mapper", limit=5))
    for row in found.rows:
        _, ids = index.context(row.context)
        assert len(row.tokens) <= 40
        assert row.tokens[row.peak] == index.subject.piece(ids[row.position])
        assert row.document.startswith("texts.jsonl:")


@pytest.fixture(autouse=True)
def short_searches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus_search, "_FEWEST", 240)


@pytest.fixture(scope="module")
def pocket() -> Any:
    engine = WorkbenchEngine("pocket")
    engine.load()
    return engine


@pytest.fixture(scope="module")
def searched(pocket: Any, tmp_path_factory: pytest.TempPathFactory) -> CorpusIndex:
    file = corpora._heldout(pocket)[0]
    return build(pocket, file, tmp_path_factory.mktemp("pocket") / "index", most_tokens=1000)


@pytest.mark.parametrize("text", ["references to the sea", "numbers and dates"])
def test_a_search_of_pocket_finds_what_scoring_everything_finds(pocket: Any, searched: CorpusIndex, text: str) -> None:
    name = open_default(pocket)
    truth = all_scores(pocket, searched, text, name)
    found = tiny.ask(pocket, Find(text, str(searched.folder), name, limit=20, all_positions=True))
    assert (found.exact, found.rescored) == (False, 240)
    best = sorted(truth, key=lambda place: -truth[place])
    got = [(row.context, row.position) for row in found.rows]
    assert len(set(got) & set(best[:20])) >= 15
    # What was found first is the best of all, up to a tie.
    assert truth[got[0]] == pytest.approx(truth[best[0]], abs=1e-3)


def open_default(engine: Any) -> str:
    return next(name for name, entry in engine.workbench.readers.items() if entry.default)


def test_recall_is_measured_once_and_kept_with_index_and_reader(
    pocket: Any, searched: CorpusIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus_calibration, "_SAMPLE", 400)
    monkeypatch.setattr(corpus_calibration, "LENGTHS", range(4, 6))
    reader = open_reader(pocket, open_default(pocket))
    assert corpus_calibration.read(searched, reader) is None
    for _ in corpus_calibration.calibrate(searched, reader, pocket.parts.labels(reader.sae)):
        pass
    kept = corpus_calibration.read(searched, reader)
    assert kept is not None and 0 <= kept.recall <= 1 and kept.positions == 400
    assert kept.recall == pytest.approx(np.mean(kept.recalls)) and len(kept.sentences) == len(kept.recalls) == 2
    corpus_calibration.file_of(searched, reader).write_text("{")
    assert corpus_calibration.read(searched, reader) is None


def test_the_same_question_gives_the_same_bits(pocket: Any, searched: CorpusIndex) -> None:
    verb = Find("the sea", str(searched.folder), limit=3)
    assert tiny.ask(pocket, verb) == tiny.ask(pocket, verb)


def test_held_out_documents_are_indexed_when_first_searched(
    pocket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INVESTIGATOR_HOME", str(tmp_path))
    monkeypatch.setattr(corpora, "_MOST_TOKENS", 700)
    monkeypatch.setattr(corpus_search, "_FEWEST", 64)
    events, found, _ = l2el_tools.ask(pocket, Find("the sea", limit=3))
    said = [event.message for event in l2el_tools.progress(events)]
    assert "indexing the held-out documents, which is done once" in said
    assert found.corpus == corpora.HELDOUT and len(found.rows) == 3
    events, again, _ = l2el_tools.ask(pocket, Find("the sea", limit=3))
    assert not any("indexing" in event.message for event in l2el_tools.progress(events))
    assert again == found


def steps(engine: Any, verb: Find) -> Iterator[Any]:
    resolved, _ = engine.resolve(verb)
    found: Iterator[Any] = engine.run(resolved)
    return found


def test_a_search_can_be_stopped_at_every_step_and_a_stopped_index_goes_on(
    pocket: Any, searched: CorpusIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for stop in (1, 5, 20):
        running = steps(pocket, Find("the sea", str(searched.folder)))
        for _ in range(stop):
            next(running)
        running.close()  # type: ignore[attr-defined]
    monkeypatch.setenv("INVESTIGATOR_HOME", str(tmp_path))
    monkeypatch.setattr(corpora, "_MOST_TOKENS", 700)
    running = steps(pocket, Find("the sea"))
    for _ in range(3):
        next(running)
    running.close()  # type: ignore[attr-defined]
    found = tiny.ask(pocket, Find("the sea", limit=1))
    assert len(found.rows) == 1


def test_what_cannot_be_searched_is_refused_with_a_sentence(small: Any, tmp_path: Path) -> None:
    engine, index = small
    folder = str(index.folder)
    for verb, said in (
        (Find("  ", folder), "no sentence"),
        (Find("sea", "nowhere"), "no corpus index 'nowhere'"),
        (Find("sea"), "no corpus to search"),
        (Find("sea", folder, limit=0), "shows 1 to"),
        (Find("sea", folder, "unknown"), "no reader 'unknown'"),
    ):
        with pytest.raises(BadInput, match=said):
            engine.resolve(verb)
    for text in ("<|eos|>", "word " * 3000):
        with pytest.raises(ScoreError):
            tiny.ask(engine, Find(text, folder))
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "corpus.json").write_text("[]")
    with pytest.raises(WorkbenchError, match="no corpus index"):
        engine.resolve(Find("sea", str(tmp_path / "x")))


def test_scores_that_fail_never_become_hits(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from backends.engine.index.corpus_probe import Probe

    engine, index = small
    real = Probe.scores

    def failing(self: Probe, inputs: torch.Tensor) -> Iterator[tuple[range, torch.Tensor]]:
        for done, values in real(self, inputs):
            values = values.clone()
            values[::2] = torch.nan
            yield done, values

    monkeypatch.setattr(Probe, "scores", failing)
    found = tiny.ask(engine, Find("the sea", str(index.folder), "mapper", exact=True, limit=5))
    assert all(isinstance(row, HitRow) for row in found.rows)
    assert all(row.score.score is None or np.isfinite(row.score.score) for row in found.rows)
