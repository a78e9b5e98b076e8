"""A ranking in stages, over an index: estimates that exact numbers replace, proofs, and what has no index."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import index_tools as tools
import l2el_tools as l2el
import numpy as np
import pytest
import server_tools
import torch

import tiny
from backends.engine.controls.rankings import RankingJudgement
from backends.engine.index import label_card
from backends.engine.readers import label_stages
from investigator.errors import BadInput, WorkbenchError
from investigator.events import Answer
from investigator.records import LabelRow, Labels
from investigator.wire import Partial, RankLabels


@pytest.fixture
def engine(tmp_path: Path) -> Any:
    """Return an engine whose labels are indexed, their means estimated."""
    engine = tools.make_engine(tmp_path)
    tools.make_index(engine, sources=8)
    return engine


def rank(engine: Any, **given: Any) -> tuple[list[Any], Labels]:
    events, result, _ = l2el.ask(engine, RankLabels(l2el.at(engine), **given))
    assert isinstance(result, Labels)
    return events, result


def exact_rows(engine: Any, **given: Any) -> dict[str, LabelRow]:
    return {row.text: row for row in rank(engine, method="exact", limit=1000, **given)[1].rows}


def test_every_row_of_the_first_answer_is_an_estimate_and_every_row_of_the_last_is_exact(engine: Any) -> None:
    exact = exact_rows(engine)
    for method in ("index", "proven", "auto"):
        events, result = rank(engine, method=method, limit=5)
        parts = [event for event in events if isinstance(event, Partial)]
        assert all(row.score.estimate and row.score.gap is not None for row in parts[0].rows)
        assert len(parts[0].rows) == 5
        assert not any(row.score.estimate for row in result.rows)
        for row in result.rows:
            assert row.score.score == pytest.approx(exact[row.text].score.score, abs=1e-4)
            assert row.score.gap == pytest.approx(exact[row.text].score.gap, abs=1e-4)
            assert row.score.p == exact[row.text].score.p
            assert row.score.spread == pytest.approx(exact[row.text].score.spread, abs=1e-4)
        assert [row.rank for row in result.rows] == [1, 2, 3, 4, 5]


def test_an_estimate_on_screen_is_replaced_under_its_own_key_as_soon_as_its_exact_score_is_known(engine: Any) -> None:
    events, result = rank(engine, method="index", limit=12)
    last: dict[str, LabelRow] = {}
    for row in l2el.partial_rows(events):
        assert isinstance(row, LabelRow)
        assert not (row.key in last and row.score.estimate), "an estimate never comes after anything"
        last[row.key] = row
    assert all(not last[row.key].score.estimate for row in result.rows)
    assert {row.key for row in result.rows} <= last.keys()


def test_stages_say_what_they_are(engine: Any) -> None:
    _, index = rank(engine, method="index", limit=3)
    assert (index.stage, index.visited) == ("rescored", None)
    assert index.recall is not None and 0 < index.recall <= 1
    _, proven = rank(engine, method="proven", limit=3)
    assert proven.stage == "proven"
    assert proven.visited is not None and proven.visited > 0
    _, exact = rank(engine, method="exact", limit=3)
    assert (exact.stage, exact.recall, exact.visited) == ("exact", None, None)
    _, auto = rank(engine, limit=3)
    assert auto.stage == "exact"


def test_the_proven_rows_are_the_full_ranking_s_by_score_and_by_exact_gap(tmp_path: Path) -> None:
    engine = tools.make_engine(tmp_path)
    for indexed in (False, True):
        if indexed:
            tools.make_index(engine, exact=True)
        for order in ("score", "gap"):
            _, exact = rank(engine, method="exact", order=order, limit=7)
            events, proven = rank(engine, method="proven", order=order, limit=7)
            assert [row.text for row in proven.rows] == [row.text for row in exact.rows]
            assert proven.stage == "proven"
            assert proven.ties == exact.ties
            assert proven.total == exact.total
            assert order == "score" or proven.rows[0].score.p is not None
            assert any(row.score.estimate for row in l2el.partial_rows(events)) == indexed


def test_what_cannot_be_proven_is_scored_in_full(engine: Any) -> None:
    for given in ({"order": "activation"}, {"filter": "number"}):
        _, proven = rank(engine, method="proven", limit=4, **given)
        _, exact = rank(engine, method="exact", limit=4, **given)
        assert proven.stage == "exact"
        assert [row.text for row in proven.rows] == [row.text for row in exact.rows]


def test_many_labels_are_searched_and_few_are_all_scored(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert rank(engine, limit=3)[1].stage == "exact"
    monkeypatch.setattr(label_stages, "AT_ONCE", 0)
    _, searched = rank(engine, limit=3)
    assert searched.stage == "proven"


def test_active_labels_are_exact_whatever_the_estimate_says(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_stages.Ranking, "_candidates", lambda self, recall: 2)
    _, found = rank(engine, method="index", order="activation", limit=40)
    _, exact = rank(engine, method="exact", order="activation", limit=40)
    active = [row.text for row in exact.rows if row.activation > 0]
    assert active
    assert [row.text for row in found.rows if row.activation > 0] == active
    assert not any(row.score.estimate for row in found.rows if row.activation > 0)
    assert {point.text for point in found.points} >= set(active)
    assert any(row.score.estimate for row in found.rows)


def test_without_an_index_the_method_is_refused_and_the_others_go_on(tmp_path: Path) -> None:
    engine = tools.make_engine(tmp_path)
    verb, _ = engine.resolve(RankLabels(l2el.at(engine), method="index"))
    with pytest.raises(BadInput, match="no index") as refused:
        list(engine.run(verb))
    assert "investigator index labels" in refused.value.mend
    assert rank(engine)[1].stage == "exact"
    assert list(engine.first(engine.resolve(RankLabels(l2el.at(engine)))[0])) == []


def test_a_half_built_or_broken_index_is_told_and_the_ranking_is_exact(engine: Any) -> None:
    folder = tools.building(engine, sources=8).folder
    rank(engine, method="index", limit=3)
    (folder / label_card.CARD).unlink()
    assert list(engine.first(engine.resolve(RankLabels(l2el.at(engine)))[0])) == []
    fresh = tiny.make_engine(type("Bench", (), {"file": engine.file}))
    events, result = rank(fresh, limit=3)
    assert result.stage == "exact"
    assert any("half-built" in event.message for event in l2el.progress(events))
    verb, _ = fresh.resolve(RankLabels(l2el.at(fresh), method="index"))
    with pytest.raises(WorkbenchError, match="half-built"):
        list(fresh.run(verb))
    shutil.rmtree(folder)
    assert not any("index" in event.message for event in l2el.progress(rank(fresh, limit=3)[0]))


def test_one_s_own_sentences_use_an_index_of_exactly_these(tmp_path: Path) -> None:
    engine = tools.make_engine(tmp_path)
    own = ("a cat", "words related to heat", "  a cat ", "France " * 300, "", "the word France", "horse and bird")
    reader = tools.reader_of(engine)
    prepared = tools.prepare(reader.subject, [text.strip() for text in own], slots=reader.slots)
    fingerprint = tools.list_fingerprint(prepared.texts)
    for _ in tools.Build(engine, reader, prepared, fingerprint, anchors=2, sources=3, heldout=1).run():
        pass
    _, found = rank(engine, labels=own, method="index", limit=10)
    _, exact = rank(engine, labels=own, method="exact", limit=10)
    assert found.stage == "rescored"
    assert {row.text: row.score.error for row in found.rows} == {row.text: row.score.error for row in exact.rows}
    assert found.failed == exact.failed == 2
    with pytest.raises(BadInput, match="no index"):
        rank(engine, labels=("a cat",), method="index")


def test_scores_that_are_no_numbers_are_errors_and_never_hide_the_others(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = tools.index_of(engine, tools.reader_of(engine), tools.fingerprint_of(engine))
    assert index is not None
    index.tables.scores[:, 3] = torch.nan
    _, result = rank(engine, method="index", limit=1000)
    assert result.failed == 0, "its exact score is a number, and was asked for first"
    assert len([row for row in result.rows if row.score.score is not None]) == result.total
    real = label_stages.rescore

    def broken(*given: Any, **named: Any) -> Any:
        for done in real(*given, **named):
            yield done if done is None else (done[0], torch.full_like(done[1], torch.nan))

    monkeypatch.setattr(label_stages, "rescore", broken)
    _, result = rank(engine, method="index", limit=1000)
    assert all(row.score.error for row in result.rows if row.score.score is None)
    assert result.failed > 0


def test_rows_carry_the_ranking_s_verdicts_and_a_ranking_of_one_s_own_sentences_has_none(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def judged(_engine: Any, _reader: Any, gaps: Any, spreads: Any, means: Any) -> RankingJudgement:
        assert len(gaps) == len(spreads) == len(means)
        seen.append(int(np.isfinite(gaps / spreads).sum()))
        verdicts = tuple("supported" if gap > 0 else "not above baseline" for gap in gaps)
        return RankingJudgement(np.full(len(gaps), 0.25), verdicts, 7, 0.1)  # type: ignore[arg-type]

    monkeypatch.setattr(label_stages, "judge_ranking", judged)
    for method in ("exact", "index", "proven"):
        _, result = rank(engine, method=method, limit=5)
        assert result.supported == 7
        assert seen[-1] == result.total, "estimates stand in for what was not scored"
        for row in result.rows:
            assert row.score.gap is not None
            assert row.score.verdict == ("supported" if row.score.gap > 0 else "not above baseline")
            assert row.score.fdr == 0.25
            assert "25 %" in row.score.why
    assert rank(engine, controls=False)[1].supported is None
    assert rank(engine, labels=("a cat", "a dog"))[1].rows[0].score.verdict is None


def test_the_estimate_is_said_before_the_question_reaches_the_model(engine: Any) -> None:
    rank(engine, method="index", limit=3)
    verb, _ = engine.resolve(RankLabels(l2el.at(engine), limit=6))
    events = list(engine.first(verb))
    (rows,) = [event.rows for event in events if isinstance(event, Partial)]
    assert len(rows) == 6
    assert all(row.score.estimate and row.activation >= 0 for row in rows)
    again = next(event for event in engine.run(verb) if isinstance(event, Partial))
    assert [row.text for row in again.rows] == [row.text for row in rows]
    exact, _ = engine.resolve(RankLabels(l2el.at(engine), method="exact"))
    assert list(engine.first(exact)) == []


async def test_over_the_socket_the_estimate_comes_while_another_ranking_holds_the_model(tmp_path: Path) -> None:
    gate = server_tools.Gate(hold=True)
    async with server_tools.running(tmp_path, gate) as (_, client):
        busy = asyncio.create_task(server_tools.answer(client, server_tools.explain("busy", samples=2)))
        await server_tools.until(lambda: busy.done() or gate.permits._value == 0)
        rows: list[str] = []
        asked = server_tools.labels("estimate", client="other")
        async for event in client.ask(asked):
            if isinstance(event, Partial):
                rows += [row.key for row in event.rows]
                break
        assert rows == ["early"]
        assert not busy.done()
        gate.allow(50)
        await busy
        folded = await server_tools.answer(client, server_tools.labels("estimate breaks", client="third"))
        assert isinstance(folded, Answer) and folded.result is not None
