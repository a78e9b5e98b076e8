"""Comparing a stored answer with the same question asked again: bits, tolerance, ties, reasons; and wordings tried."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from session_tools import IDS, PROMPT, an_open, answered, features, opened, source

from fake_backend import PROVENANCE, FakeBackend
from investigator import records, wire
from investigator.events import Answer, fold
from investigator.provenance import Part, Provenance
from investigator.records import (
    Control,
    ExplanationRow,
    Explanations,
    Figure,
    HypothesisRow,
    LabelRow,
    Labels,
    Result,
    Score,
    Worked,
)
from investigator.sources import Decoder, Residual
from investigator.wire import Accepted, Cancelled, Failed, Finished, Open, Question, RankLabels, Verb
from sessions import Comparison, SavedAnswer, Session, Store, compare, open_store
from sessions.replay import question_of, reasons, why_not

RANK = RankLabels(source())


def saved(result: Result | None, verb: Verb = RANK, known: Provenance = PROVENANCE) -> SavedAnswer:
    return SavedAnswer("a", "s", verb, verb, known, result, (), None, None, "2026-01-01")


def fresh(result: Result, verb: Verb = RANK, known: Provenance = PROVENANCE) -> Answer:
    return fold("b", [Accepted(verb, known, n=0), Finished(result, n=1)])


def ranking(*labels: tuple[str, float], order: str = "gap") -> Labels:
    rows = tuple(
        LabelRow(text, Score(gap - 3, gap, 0.01, 4, 512, (Control("mean", gap - 4),)), rank=at)
        for at, (text, gap) in enumerate(labels, 1)
    )
    return Labels("m", order, 9, 0, rows)


def compared(before: Result, after: Result, **more: float) -> Comparison:
    return compare(saved(before), fresh(after), **more)


A = (("x", 1.0), ("y", 0.5), ("z", 0.4))


@pytest.mark.parametrize(
    ("after", "verdict"),
    [
        (A, "identical"),
        ((("x", 1.00005), ("y", 0.5), ("z", 0.4)), "within tolerance"),
        ((("x", 1.0003), ("y", 0.5), ("z", 0.4)), "different"),
        ((("x", 1.0), ("z", 0.4), ("y", 0.5)), "different"),  # the same numbers in another order
        ((("x", 1.0), ("y", 0.5)), "different"),
        ((("x", 1.0), ("y", 0.5), ("w", 0.4)), "within tolerance"),  # the list may end with either of two that tie
        ((("x", 1.0), ("v", 0.9), ("y", 0.5)), "different"),
    ],
)
def test_a_ranking_is_compared_by_text_number_and_order(after: tuple[tuple[str, float], ...], verdict: str) -> None:
    last = (("x", 1.0), ("y", 0.5), ("z", 0.4))
    assert compared(ranking(*last), ranking(*after)).verdict == verdict


def test_ties_may_change_places_and_others_may_not() -> None:
    tied = compared(ranking(("x", 0.50003), ("y", 0.5)), ranking(("y", 0.50002), ("x", 0.5)))
    assert tied.verdict == "within tolerance"
    apart = compared(ranking(("x", 0.51), ("y", 0.5)), ranking(("y", 0.5), ("x", 0.51)))
    assert apart.verdict == "different"
    assert [(row.path, row.after) for row in apart.rows if not row.within] == [
        ("rows[x]", "place 2"),
        ("rows[y]", "place 1"),
    ]


def test_what_differs_is_named_with_its_numbers_and_the_worst_comes_first() -> None:
    found = compared(ranking(("x", 1.0), ("y", 0.5)), ranking(("x", 1.00001), ("y", 0.25)))
    assert not found.rows[0].within and found.rows[-1].within
    row = next(row for row in found.rows if row.path == "rows[y].score.gap")
    assert (row.before, row.after, row.difference) == ("0.5", "0.25", 0.25)
    assert found.largest == 0.25 and "0.25" in found.sentence
    assert compared(ranking(("x", 1.0), ("y", 0.5)), ranking(("x", 1.00001), ("y", 0.25)), tolerance=0.3).verdict == (
        "within tolerance"
    )


def hypothesis(score: Score, **more: object) -> records.Tested:
    return records.Tested("m", (HypothesisRow("ships", score, 0, 3, 4, (-3.0, -2.0), **more),))  # type: ignore[arg-type]


BASE = Score(-1.0, 1.0, 0.01, 4, 512, verdict="supported", why="Its gap of 1.00 is above 0.40.", interval=(0.5, 1.5))


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({"verdict": "not above baseline"}, "different"),
        ({"why": "Its gap of 1.01 is above 0.40."}, "within tolerance"),
        ({"why": "It fits almost anything."}, "different"),
        ({"p": 0.01 + 1 / 513}, "within tolerance"),  # one background score more
        ({"p": 0.05}, "different"),
        ({"interval": (0.50001, 1.5)}, "within tolerance"),
        ({"interval": None}, "different"),
        ({"error": "It is nan."}, "different"),
        ({"background": 511}, "different"),
        ({"estimate": True}, "within tolerance"),
    ],
    ids=str,
)
def test_every_field_of_a_score_is_compared(change: dict[str, object], verdict: str) -> None:
    other = msgspec.structs.replace(BASE, **change)
    assert compared(hypothesis(BASE), hypothesis(other)).verdict == verdict


def test_background_scores_and_tokens_stand_in_their_order() -> None:
    before, after = hypothesis(BASE), hypothesis(BASE)
    moved = msgspec.structs.replace(after.rows[0], background=(-2.0, -3.0))
    assert compared(before, records.Tested("m", (moved,))).verdict == "different"
    one = opened()
    other = msgspec.structs.replace(one, tokens=one.tokens[::-1])
    assert compare(saved(one, Open(PROMPT)), fresh(other, Open(PROMPT))).verdict == "different"


def test_texts_that_were_drawn_otherwise_are_different() -> None:
    def drawn(*texts: str) -> Explanations:
        rows = tuple(ExplanationRow(text, Score(-1.0), rank=at) for at, text in enumerate(texts, 1))
        return Explanations("m", 9, len(texts), rows)

    assert compared(drawn("ports", "ships"), drawn("ports", "ships")).verdict == "identical"
    found = compare(saved(drawn("ports", "ships")), fresh(drawn("ports", "boats")))
    assert {row.path for row in found.rows} == {"rows[ships]", "rows[boats]"}


def test_one_row_alone_may_be_compared() -> None:
    before, after = ranking(("x", 1.0), ("y", 0.5)), ranking(("x", 1.0), ("y", 0.1))
    assert compare(saved(before), fresh(after), row_key="x").verdict == "identical"
    assert compare(saved(before), fresh(after), row_key="y").verdict == "different"
    gone = compare(saved(before), fresh(ranking(("x", 1.0))), row_key="y")
    assert gone.verdict == "different" and gone.rows[0].after == "nothing"


def test_an_error_is_an_answer_too() -> None:
    failed = Failed("score", "It is nan.", "Try float32.", n=1)
    before = msgspec.structs.replace(saved(None), error=failed)
    again = fold("b", [Accepted(RANK, PROVENANCE, n=0), msgspec.structs.replace(failed, n=3), failed])
    assert compare(before, again).verdict == "identical"
    assert compare(before, fresh(ranking(("x", 1.0)))).verdict == "different"


def test_reasons_name_what_changed_and_the_parts_come_first() -> None:
    changed = msgspec.structs.replace(
        PROVENANCE,
        parts={"subject": Part("pocket", "ffff"), "reader": Part("mapper", "1")},
        dtype="bfloat16",
        threads=8,
        libraries={"torch": "2.14"},
        machine="another",
        plan="rows of 64",
        asked_at="2030-01-01",
    )
    found = [(one.what, one.before, one.after) for one in reasons(PROVENANCE, changed)]
    assert found == [
        ("subject pocket, fingerprint", "0011223344556677", "ffff"),
        ("sae", "pocket-l3", ""),
        ("reader", "", "mapper"),
        ("dtype", "float32", "bfloat16"),
        ("torch", "2.13", "2.14"),
        ("threads", "2", "8"),
        ("batch plan", "", "rows of 64"),
        ("machine", "test machine", "another"),
    ]
    assert list(reasons(PROVENANCE, msgspec.structs.replace(PROVENANCE, asked_at="2030"))) == []
    revised = msgspec.structs.replace(
        PROVENANCE, parts={"subject": Part("pocket", "ffff", "main"), "sae": Part("s", "")}
    )
    assert next(iter(reasons(PROVENANCE, revised))).sentence == "subject pocket, revision: none before, main now"


def test_another_build_may_say_more_but_not_something_else() -> None:
    plain, judged = Score(-1.0, 1.0, tokens=4), Score(-1.0, 1.0, tokens=4, verdict="supported", why="Because.")
    built = msgspec.structs.replace(PROVENANCE, build="another")
    assert compare(saved(hypothesis(plain)), fresh(hypothesis(judged))).verdict == "different"
    assert compare(saved(hypothesis(plain)), fresh(hypothesis(judged), known=built)).verdict == "within tolerance"
    assert compare(saved(hypothesis(judged)), fresh(hypothesis(plain), known=built)).verdict == "different"


def test_what_cannot_be_compared_says_why() -> None:
    assert "Long work" in why_not(saved(Worked("train sae", (Figure("loss", 1.0, "nats"),)), wire.Work("train sae")))
    assert "doctor" in why_not(saved(None, wire.CheckWorkbench()))
    stopped = msgspec.structs.replace(saved(None), cancelled=Cancelled("stopped"))
    assert "stopped" in why_not(stopped)
    unreadable = msgspec.structs.replace(saved(None), error=Failed("store", "It cannot be read.", ""))
    assert why_not(unreadable) == "It cannot be read."
    assert why_not(saved(ranking(("x", 1.0)))) == ""
    assert why_not(msgspec.structs.replace(saved(None), error=Failed("score", "It is nan.", ""))) == ""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "sessions.db") as opened_store:
        yield opened_store


@pytest.fixture
def session(store: Store) -> Session:
    return store.session("whales")


def test_a_typed_prompt_is_opened_as_text_again(store: Store, session: Session) -> None:
    question, answer = an_open("open-1")
    answer.verb = Open(PROMPT, IDS, "pocket")
    store.save_answer(session, question, answer)
    assert question_of(store.answer("open-1")) == Open(PROMPT, None, "pocket")


async def test_every_kind_of_answer_is_identical_to_itself_after_the_store(store: Store, session: Session) -> None:
    backend, here = FakeBackend(), source()
    verbs: list[Verb] = [
        Open(PROMPT), wire.ShowFeatures(here), wire.ShowFeature(3), RankLabels(here), wire.Explain(here),
        wire.Test(("a", "b"), (here,), scope="positions"), wire.Contrast("a", "b", here), wire.Find("the sea"),
        wire.ShowLens(here),
    ]  # fmt: skip
    for number, verb in enumerate(verbs):
        question = Question(f"q{number}", "t", verb)
        store.save_answer(session, question, fold(question.id, [event async for event in backend.ask(question)]))
    for kept in store.answers(session):
        again = Question("again", "t", question_of(kept))
        assert compare(kept, fold("again", [event async for event in backend.ask(again)])).verdict == "identical"


def test_how_many_wordings_were_tried_at_a_place(store: Store, session: Session) -> None:
    here, there = source(4), source(3)

    def tested(id: str, *texts: str, at: object = here, verb: Verb | None = None) -> None:
        asked = verb or wire.Test(texts, (at,))  # type: ignore[arg-type]
        store.save_answer(session, *answered(id, asked, records.Tested("m", ())))

    assert store.wordings_tried(session, here) == 0
    tested("1", "ships", "ports")
    tested("2", "ports", " boats ", at=Residual("pocket", IDS, 3, -1))  # the same place, counted from the end
    tested("3", "whales", at=there)
    tested("4", "whales", at=Decoder("pocket-l3", 1))
    tested("5", verb=wire.Contrast("cities", "whales", here, there))
    assert store.wordings_tried(session, here) == 4
    assert store.wordings_tried(session, here, {"ships", "new"}) == 3
    assert store.wordings_tried(session, there) == 1
    assert store.wordings_tried(session, source(4, 5)) == 0
    assert store.wordings_tried(store.session("another"), here) == 0
    failed = fold("6", [Failed("score", "It is nan.", "", n=0)])
    store.save_answer(session, Question("6", "t", wire.Test(("never scored",), (here,))), failed)
    assert store.wordings_tried(session, here) == 4


def test_hits_contrasts_and_verdicts_are_found_by_their_words(store: Store, session: Session) -> None:
    async def keep(id: str, verb: Verb) -> None:
        question = Question(id, "t", verb)
        store.save_answer(session, question, fold(id, [event async for event in FakeBackend().ask(question)]))

    asyncio.run(keep("found", wire.Find("references to the sea", "stories")))
    asyncio.run(keep("contrast", wire.Contrast("words for ports", "words for music", source())))
    store.save_answer(session, *answered("plain", wire.ShowFeatures(source()), features("a")))

    def found(words: str) -> list[str]:
        return [one.id for one in store.answers(session, words)]

    assert found("old harbour") == ["found"] and found("sea stories:2") == ["found"]
    assert found("music") == ["contrast"] and found("ports supported") == ["contrast"]
