"""The store: what goes in comes out exactly, once, searchable, from two processes, and from old databases."""

import asyncio
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import sqlite_utils
from session_tools import (
    HOSTILE,
    PROMPT,
    TOKENS,
    an_open,
    answered,
    features,
    opened,
    script,
    some_features,
    source,
)

from fake_backend import FakeBackend
from investigator import wire
from investigator.errors import BadInput
from investigator.events import Answer, fold
from investigator.wire import (
    CheckWorkbench,
    Explain,
    Failed,
    Open,
    Question,
    RankLabels,
    ShowFeature,
    ShowFeatures,
    ShowLens,
)
from sessions import Store, migrations, open_store
from sessions.records import Session


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "sessions.db", busy=1.0) as opened_store:
        yield opened_store


@pytest.fixture
def session(store: Store) -> Session:
    return store.session("whales")


VERBS = (
    Open(PROMPT),
    ShowFeatures(source()),
    ShowFeature(7),
    RankLabels(source()),
    Explain(source(), samples=4),
    wire.Test(("references to ports",), (source(),), scope="positions"),
    ShowLens(source()),
    CheckWorkbench(),
)


async def _asked(question: Question) -> Answer:
    return fold(question.id, [event async for event in FakeBackend().ask(question)])


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.__struct_config__.tag)
def test_an_answer_comes_back_exactly_from_another_connection(
    store: Store, session: Session, tmp_path: Path, verb: wire.Verb
) -> None:
    question = Question("q-1", "test", verb)
    answer = asyncio.run(_asked(question))
    store.save_answer(session, question, answer)
    with open_store(tmp_path / "sessions.db") as again:
        saved = again.answer("q-1")
    assert saved.question == verb
    assert saved.result == answer.result
    assert saved.provenance == answer.provenance
    assert saved.answer().result == answer.result
    assert saved.kind == verb.__struct_config__.tag


def test_what_had_arrived_of_a_stopped_answer_is_kept_with_its_rows(store: Store, session: Session) -> None:
    async def stopped() -> tuple[Question, Answer]:
        backend = FakeBackend()
        question, answer = Question("q-1", "test", Explain(source(), samples=4)), Answer("q-1")
        async for event in backend.ask(question):
            answer.apply(event)
            if answer.rows and not answer.ended:
                await backend.cancel("q-1")
        return question, answer

    question, answer = asyncio.run(stopped())
    store.save_answer(session, question, answer)
    saved = store.answer("q-1")
    assert saved.result is None and saved.cancelled is not None
    assert saved.answer().rows == answer.rows and answer.rows


def test_the_same_question_stored_twice_is_stored_once_and_never_changed(store: Store, session: Session) -> None:
    store.save_answer(session, *some_features("q-1", "harbours"))
    store.save_answer(session, *some_features("q-1", "something else"))
    assert [saved.result for saved in store.answers(session)] == [features("harbours")]


def test_a_failed_answer_keeps_its_sentences(store: Store, session: Session) -> None:
    question = Question("q-1", "test", ShowFeatures(source()))
    answer = fold("q-1", [Failed("score", "The score came out as nan.", "Try another dtype.", n=0)])
    store.save_answer(session, question, answer)
    assert store.answer("q-1").error == answer.error
    assert store.answers(session, "nan")


def test_tokens_come_back_with_every_answer_about_their_prompt(store: Store, session: Session) -> None:
    store.save_answer(session, *some_features("q-2", "harbours"))
    assert store.answer("q-2").tokens == ()
    store.save_answer(session, *an_open())
    assert store.answer("q-2").tokens == TOKENS
    assert store.answer("q-2").prompt == PROMPT
    assert store.strip("pocket", [token.id for token in TOKENS]) == store.answer("open-1").strip


def test_search_needs_every_word_wherever_it_stands(store: Store, session: Session) -> None:
    store.save_answer(session, *an_open())
    store.save_answer(session, *some_features("q-1", "names of cafés"))
    store.save_answer(session, *some_features("q-2", "words for ships"))

    def found(search: str) -> set[str]:
        return {saved.id for saved in store.answers(session, search)}

    assert found("ships") == {"q-2"}
    assert found("SHIP lisb") == {"q-2"}  # one word in the answer, one in the prompt, both cut short
    assert found("cafes") == {"q-1"}
    assert found("ships cities") == set()
    assert found("harbour") == {"open-1", "q-1", "q-2"}
    assert found('"') == set() and found("NEAR(") == set() and found("a* OR b") == set()


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_stored_found_and_harmless(store: Store, text: str) -> None:
    clean = text.encode("utf-8", "replace").decode()
    session = store.session(f"a {text}")
    store.save_answer(session, *answered("q-1", RankLabels(source(), filter=clean), features(clean)))
    store.save_answer(session, *an_open("open-1", clean))
    finding = store.keep(session, "q-1", title=text, note=text, tags=(text, "tag"))
    assert store.answer("q-1").result == features(clean)
    assert store.answer("open-1").result == opened(clean)
    assert store.findings(session) == [finding]
    assert store.session(session.name, create=False).id == session.id
    store.answers(session, text)
    store.findings(session, text)


def test_a_session_is_made_once_by_its_name_and_found_by_id(store: Store) -> None:
    made = store.session("  harbour   notes ")
    assert made.name == "harbour notes"
    assert store.session("harbour notes").id == store.session(made.id).id == made.id
    for wrong in ("", " \n", "\0"):
        with pytest.raises(BadInput):
            store.session(wrong)
    with pytest.raises(BadInput, match="no session called 'nowhere'"):
        store.session("nowhere", create=False)


def test_findings_are_revised_without_losing_the_older_words(store: Store, session: Session, tmp_path: Path) -> None:
    store.save_answer(session, *some_features("q-1", "harbours"))
    finding = store.keep(session, "q-1", row_key="0", title="Ports", note="first", tags=["a", "a", " "])
    assert finding.tags == ("a",)
    edited = store.edit_finding(finding.id, "second zebra", ["b"])
    assert (edited.title, edited.note, edited.tags) == ("Ports", "second zebra", ("b",))
    assert store.findings(session, "zeb") == [edited]
    assert store.findings(session, "first") == []  # only the newest words count
    assert store.findings(session, "harb b") == [edited]  # the answer's words and a tag
    notes = [row["note"] for row in sqlite_utils.Database(tmp_path / "sessions.db").query("select note from revisions")]
    assert notes == ["first", "second zebra"]
    store.drop_finding(finding.id)
    assert store.findings() == []
    assert store.answer("q-1").row("0") is not None


def test_sessions_are_listed_with_what_they_hold_newest_first(store: Store) -> None:
    one, other = store.session("one"), store.session("other")
    store.save_answer(one, *some_features("q-1", "a"))
    store.save_answer(other, *some_features("q-2", "a"))
    store.save_answer(other, *some_features("q-3", "a"))
    store.keep(other, "q-2", title="t")
    assert [(s.name, s.answers, s.findings) for s in store.sessions()] == [("other", 2, 1), ("one", 1, 0)]


def test_an_answer_is_found_again_by_the_very_same_question(store: Store, session: Session) -> None:
    store.save_answer(session, *some_features("q-1", "a"))
    store.save_answer(session, *some_features("q-2", "b"))
    store.save_answer(session, Question("q-3", "t", ShowFeatures(source())), fold("q-3", [Failed("score", "no", n=0)]))
    found = store.find(ShowFeatures(source()))
    assert found is not None and found.id == "q-2"
    assert store.find(ShowFeatures(source(3))) is None


def test_an_answer_is_named_by_the_beginning_of_its_id(store: Store, session: Session) -> None:
    store.save_answer(session, *some_features("abc1", "a"))
    store.save_answer(session, *some_features("abd2", "b"))
    assert store.answer("abc").id == "abc1"
    for wrong in ("ab", "zz", "", "%", "a_"):
        with pytest.raises(BadInput):
            store.answer(wrong)


def test_a_row_of_a_newer_version_says_so_and_hides_nothing_else(
    store: Store, session: Session, tmp_path: Path
) -> None:
    store.save_answer(session, *some_features("q-1", "a"))
    store.save_answer(session, *some_features("q-2", "b"))
    with sqlite3.connect(tmp_path / "sessions.db") as raw:
        raw.execute("update answers set result = ? where id = 'q-1'", ['{"result": "hologram"}'])
    raw.close()
    first, second = store.answers(session)
    assert first.error is not None and first.error.kind == "store"
    assert second.result == features("b")


@pytest.mark.parametrize("steps", range(1, len(migrations.STEPS)))
def test_a_database_of_an_older_version_is_brought_here_with_its_rows(tmp_path: Path, steps: int) -> None:
    path = tmp_path / "sessions.db"
    with open_store(path) as new:
        new.save_answer(new.session("whales"), *an_open())
        new.keep(new.session("whales"), "open-1", title="Ports")
    rows = {table: list(sqlite_utils.Database(path)[table].rows) for table in migrations.TABLES}
    old_path = tmp_path / "old.db"
    old = sqlite_utils.Database(old_path)
    migrations.make(steps).apply(old)
    for table, several in rows.items():
        old.table(table).insert_all(several)
    old.close()
    with open_store(old_path) as brought:
        assert brought.trouble == "" and brought.notice == ""
        assert [saved.prompt for saved in brought.answers(search="lisbon")] == [PROMPT]
        assert [finding.title for finding in brought.findings(search="ports")] == ["Ports"]


WRITER = """
import sys
from pathlib import Path
from session_tools import some_features
from sessions import open_store
store = open_store(Path(sys.argv[1]))
session = store.session("shared")
for n in range(int(sys.argv[3])):
    store.save_answer(session, *some_features(f"{sys.argv[2]}-{n}", "harbours"))
    print(n, flush=True)
    assert not store.trouble, store.trouble
store.close()
"""


def test_two_processes_write_one_session_from_the_first_moment(tmp_path: Path) -> None:
    path = tmp_path / "new" / "sessions.db"
    writers = [script(WRITER, str(path), name, "40") for name in "ab"]
    for writer in writers:
        _, said = writer.communicate(timeout=240)
        assert writer.returncode == 0, said
    with open_store(path) as store:
        assert [session.answers for session in store.sessions()] == [80]
        assert len(store.answers(search="harbours")) == 80


def test_a_killed_writer_loses_nothing_that_it_had_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    writer = script(WRITER, str(path), "a", "100000")
    assert writer.stdout is not None
    acknowledged = [int(writer.stdout.readline()) for _ in range(20)][-1]
    writer.kill()
    writer.communicate()
    with open_store(path) as store:
        assert store.notice == ""
        ids = {saved.id for saved in store.answers(limit=10**6)}
        assert {f"a-{n}" for n in range(acknowledged + 1)} <= ids
        assert sqlite_utils.Database(path).execute("pragma integrity_check").fetchone()[0] == "ok"


def test_sessions_import_neither_torch_nor_textual_nor_pandas(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; import sessions\n"
        "assert 'sqlite_utils' not in sys.modules\n"
        "sessions.open_store(Path(sys.argv[1])).close()\n"
        "print([name for name in ('torch', 'textual', 'pandas', 'httpx') if name in sys.modules])"
    )
    out, said = script(code, str(tmp_path / "sessions.db")).communicate(timeout=240)
    assert (out.strip(), said) == ("[]", "")


def test_everything_in_the_file_is_plain_json_in_plain_columns(store: Store, session: Session, tmp_path: Path) -> None:
    store.save_answer(session, *some_features("q-1", "harbours"))
    row = next(iter(sqlite_utils.Database(tmp_path / "sessions.db")["answers"].rows))
    assert msgspec.json.decode(row["result"])["rows"][0]["labels"] == ["harbours"]
    assert (row["kind"], row["layer"], row["position"]) == ("features", 3, 4)
    assert sys.getsizeof(row["result"]) < 2000
