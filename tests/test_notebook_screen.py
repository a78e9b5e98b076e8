"""The notebook by real keys over a real session file: search, notes, tags, sessions, reopening without asking."""

import re
import sqlite3
from pathlib import Path

import pytest
from screen_tools import HOSTILE, LARGE, SMALL, Stage, residual, saved, screen_text, stage, with_answers
from textual.widgets import Input

from fake_backend import LABELS, FakeBackend
from investigator.errors import BadInput
from investigator.records import LabelRow
from investigator.wire import Contrast, Explain, Open, ShowFeature
from screens.app import InvestigatorApp
from screens.feature import FeatureScreen
from screens.messages import OpenPrompt
from screens.modals import NoteEditor, SessionChooser, TextViewer
from screens.notebook import NotebookScreen
from sessions import Store, open_store

SIZES = pytest.mark.parametrize("size", [SMALL, LARGE])


def notebook(app: InvestigatorApp) -> NotebookScreen:
    assert isinstance(app.screen, NotebookScreen)
    return app.screen


def titles(app: InvestigatorApp) -> list[str]:
    return [line.text for line in notebook(app).table.lines]


async def to_notebook(made: Stage, rows: int) -> None:
    await made.press("N")
    await made.until(lambda: isinstance(made.app.screen, NotebookScreen))
    await made.until(lambda: len(made.app.screen.entries) == rows)


@SIZES
async def test_findings_and_answers_are_listed_and_looked_at(size: tuple[int, int]) -> None:
    store, session, ranking = await with_answers()
    store.keep(session, ranking.id, row_key=f"LabelRow:{LABELS[2]}", title="harbours here", note="look again")
    async with stage(size, store=store) as made:
        await to_notebook(made, 1)
        assert titles(made.app) == ["harbours here  (look again)"]
        await made.shows("as it was stored")
        await made.until(lambda: made.app.screen.saved is not None)
        assert made.app.screen.saved.id == ranking.id
        await made.shows("look again")
        await made.press("tab")
        await made.until(lambda: made.app.screen.view == "answers" and len(made.app.screen.entries) >= 2)
        kinds = [entry.kind for entry in made.app.screen.entries]
        assert {"labels", "open"} <= set(kinds)


async def test_search_is_by_words_and_by_tags() -> None:
    store, session, ranking = await with_answers()
    store.keep(session, ranking.id, title="harbours", tags=("sea",))
    store.keep(session, ranking.id, title="street names", note="only in Lisbon", tags=("city", "draft"))
    async with stage(store=store) as made:
        await to_notebook(made, 2)
        await made.press("slash")
        await made.type("stree")
        await made.until(lambda: titles(made.app) == ["street names  #city  #draft  (only in Lisbon)"])
        await made.press("escape", "escape")
        await made.until(lambda: len(titles(made.app)) == 2)
        assert made.app.screen.query_one(Input).value == ""
        await made.press("slash")
        await made.type("#sea")
        await made.until(lambda: titles(made.app) == ["harbours  #sea"])
        await made.type("zzz")
        await made.shows("Nothing here fits")
        await made.press("enter", "escape")
        await made.until(lambda: len(titles(made.app)) == 2)
        seen = []
        for _ in range(4):
            await made.press("t")
            await made.until(lambda: True)
            seen.append(made.app.screen.tag)
        assert seen == ["city", "draft", "sea", ""]


@SIZES
async def test_note_and_tags_are_edited_and_older_wordings_stay(size: tuple[int, int]) -> None:
    store, session, ranking = await with_answers()
    finding = store.keep(session, ranking.id, title="harbours", note="first", tags=("sea",))
    async with stage(size, store=store) as made:
        await to_notebook(made, 1)
        await made.press("n")
        await made.until(lambda: isinstance(made.app.screen, NoteEditor))
        await made.type(" thought")
        await made.press("tab")
        await made.type(" port")
        await made.press("ctrl+s")
        await made.until(lambda: store.finding(finding.id).tags == ("sea", "port"))
        assert store.finding(finding.id).note == "first thought"
        await made.until(lambda: "#port" in titles(made.app)[0])
        await made.press("n")
        await made.until(lambda: isinstance(made.app.screen, NoteEditor))
        await made.type("not this")
        await made.press("escape")
        await made.until(lambda: isinstance(made.app.screen, NotebookScreen))
        assert store.finding(finding.id).note == "first thought"
    notes = sqlite3.connect(store.path).execute("select note from revisions order by id").fetchall()
    assert [note for (note,) in notes] == ["first", "first thought"]


async def test_an_answer_becomes_a_finding_and_can_be_taken_out_again() -> None:
    store, session, ranking = await with_answers()
    async with stage(store=store) as made:
        await made.press("N")
        await made.shows("Nothing kept yet")
        await made.press("tab")
        await made.until(lambda: len(made.app.screen.entries) >= 2)
        while made.app.screen.entry.answer_id != ranking.id:
            await made.press("down")
        await made.press("s")
        await made.until(lambda: store.findings(session))
        assert store.findings(session)[0].answer_id == ranking.id
        await made.press("tab")
        await made.until(lambda: made.app.screen.view == "findings" and len(made.app.screen.entries) == 1)
        await made.press("d", "n")
        assert store.findings(session)
        await made.press("d", "y")
        await made.until(lambda: not store.findings(session))
        assert store.answer(ranking.id).result == ranking.result


@SIZES
async def test_a_finding_opens_on_the_bench_as_it_was_and_nothing_is_asked_for_it(size: tuple[int, int]) -> None:
    store, session, ranking = await with_answers()
    store.keep(session, ranking.id, row_key=f"LabelRow:{LABELS[4]}", title="whales here")
    async with stage(size, store=store) as made:
        await made.until(lambda: made.backend.verbs("labels"))
        await to_notebook(made, 1)
        asked = len(made.backend.verbs("labels"))
        await made.press("enter")
        await made.until(lambda: made.app.current_mode == "bench" and made.app.screen.place is not None)
        await made.until(lambda: made.app.screen.place.position == 2)
        assert made.app.screen.place.layer == 3
        await made.until(lambda: made.app.screen.labels.answer is not None)
        assert made.app.screen.labels.answer.result == ranking.result
        await made.until(lambda: made.app.screen.labels.table.selected == LABELS[4])
        assert len(made.backend.verbs("labels")) == asked


async def test_a_stored_feature_page_opens_without_asking() -> None:
    store, session, _ = await with_answers()
    page = await saved(store, session, ShowFeature(412, "pocket-l3"))
    store.keep(session, page.id, title="latent 412")
    async with stage(store=store) as made:
        await to_notebook(made, 1)
        await made.press("enter")
        await made.until(lambda: isinstance(made.app.screen, FeatureScreen) and made.app.screen.feature)
        assert made.app.screen.feature == page.result
        assert made.backend.verbs("feature") == []
        await made.press("escape")
        await made.until(lambda: isinstance(made.app.screen, NotebookScreen))


async def test_sessions_are_started_and_switched() -> None:
    store, session, ranking = await with_answers()
    store.keep(session, ranking.id, title="in the first")
    async with stage(store=store) as made:
        await to_notebook(made, 1)
        await made.press("o")
        await made.until(lambda: isinstance(made.app.screen, SessionChooser))
        await made.type("harbour notes")
        await made.press("enter")
        await made.until(lambda: made.app.session.name == "harbour notes")
        await made.until(lambda: isinstance(made.app.screen, NotebookScreen) and made.app.screen.entries == [])
        assert made.app.recorder.session == made.app.session
        await made.press("o")
        await made.until(lambda: isinstance(made.app.screen, SessionChooser))
        await made.press("down", "enter")
        await made.until(lambda: made.app.session.name == "tests")
        await made.until(lambda: isinstance(made.app.screen, NotebookScreen) and len(made.app.screen.entries) == 1)
    assert {one.name for one in store.sessions()} == {"tests", "harbour notes"}


@SIZES
async def test_hostile_text_stays_inert(size: tuple[int, int]) -> None:
    backend = FakeBackend()
    backend.labels = (HOSTILE, *LABELS[1:])
    store, session, ranking = await with_answers(backend)
    text = next(row.text for row in ranking.all_rows() if isinstance(row, LabelRow) and "owned" in row.text)
    store.keep(session, ranking.id, row_key=f"LabelRow:{text}", title=text, note=HOSTILE, tags=("[red]x",))
    async with stage(size, store=store, backend=backend) as made:
        await to_notebook(made, 1)
        await made.until(lambda: made.app.screen.saved is not None)
        shown = screen_text(made.app)
        assert "[bold red]names[/] ⟨1b⟩]0;owned⟨7⟩" in shown
        assert not any(bad in made.app.export_screenshot() for bad in ("\x1b", "\x07", "\u202e", "\u200b"))
        await made.press("w")
        await made.until(lambda: isinstance(made.app.screen, TextViewer))
        await made.press("y", "escape")
        assert not any(bad in made.app.clipboard for bad in ("\x1b", "\x07", "\u202e", "\u200b"))
        assert "[bold red]names[/]" in made.app.clipboard


async def test_the_session_is_exported_with_everything_escaped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    backend = FakeBackend()
    backend.labels = (HOSTILE, *LABELS[1:])
    store, session, ranking = await with_answers(backend)
    store.keep(session, ranking.id, title=HOSTILE)
    async with stage(store=store, backend=backend) as made:
        await to_notebook(made, 1)
        await made.press("e")
        await made.shows("enter write")
        await made.press("enter")
        file = tmp_path / "tests.md"
        await made.until(file.is_file)
        text = file.read_text()
        # In a fenced command nothing is markup, and the words must be those that were asked.
        prose = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
        assert "\x1b" not in text and "\u202e" not in text and "<b>" not in prose
        assert "# tests" in text and "torch" in text
        await made.press("e")
        await made.shows("enter write")
        await made.press("enter")
        await made.shows("exists already")
        await made.press("down", "down", "enter")
        await made.until((tmp_path / "tests.json").is_file)


async def test_a_missing_answer_and_an_empty_row_are_sentences() -> None:
    store = open_store()
    session = store.session("tests")
    store.keep(session, "0" * 32, title="its answer was never saved")
    async with stage(store=store) as made:
        await to_notebook(made, 1)
        await made.shows("0 stored answers have an id")
        await made.press("enter", "w", "y")
        assert isinstance(made.app.screen, NotebookScreen)
        await made.press("slash")
        await made.type("nothing")
        await made.press("enter")
        await made.until(lambda: not made.app.screen.entries)
        await made.press("enter", "n", "s", "d", "y", "w")
        assert isinstance(made.app.screen, NotebookScreen)


async def test_what_the_bench_is_answered_appears_here() -> None:
    async with stage() as made:
        await made.until(lambda: made.backend.verbs("labels"))
        await made.press("g")
        await made.until(lambda: made.backend.verbs("explain"))
        await made.press("N")
        await made.until(lambda: isinstance(made.app.screen, NotebookScreen))
        await made.press("tab")
        await made.until(lambda: {"open", "features", "labels"} <= {one.kind for one in made.app.screen.entries})
        await made.until(lambda: "explain" in {one.kind for one in made.app.screen.entries})


async def test_an_explanation_and_a_prompt_are_reopened() -> None:
    store, session, _ = await with_answers()
    drawn = await saved(store, session, Explain(residual(position=4)))
    async with stage(store=store) as made:
        await made.press("N")
        await made.until(lambda: isinstance(made.app.screen, NotebookScreen))
        await made.press("tab")
        await made.until(lambda: any(one.answer_id == drawn.id for one in made.app.screen.entries))
        while made.app.screen.entry.answer_id != drawn.id:
            await made.press("down")
        asked = len(made.backend.verbs("explain"))
        await made.press("enter")
        await made.until(lambda: made.app.current_mode == "bench" and made.app.screen.place.position == 4)
        assert made.app.screen.explanations.answer.result == drawn.result
        assert len(made.backend.verbs("explain")) == asked
        opened = len(made.backend.verbs("open"))
        made.app.post_message(OpenPrompt("Another prompt"))
        await made.until(lambda: len(made.backend.verbs("open")) > opened)
        assert made.backend.verbs("open")[-1] == Open(prompt="Another prompt")


async def test_a_note_that_could_not_reach_the_disk_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    store, session, ranking = await with_answers()
    store.keep(session, ranking.id, title="harbours")
    async with stage(store=store) as made:
        await to_notebook(made, 1)
        monkeypatch.setattr(Store, "trouble", property(lambda _: "The disk is full; it is kept in memory."))
        await made.press("n")
        await made.until(lambda: isinstance(made.app.screen, NoteEditor))
        await made.type("x")
        await made.press("ctrl+s")
        await made.tells("Noted. The disk is full; it is kept in memory.")
        await made.until(lambda: isinstance(made.app.screen, NotebookScreen))
        await made.shows("The disk is full")


@SIZES
async def test_a_stored_answer_is_asked_again_and_the_difference_is_said(size: tuple[int, int]) -> None:
    store, session, ranking = await with_answers()
    store.keep(session, ranking.id, title="harbours")
    async with stage(size, store=store) as made:
        await to_notebook(made, 1)
        await made.press("r")
        await made.shows("identical to the bit")
        await made.shows("The same model, reader, libraries")
        asked = [question for question in made.backend.asked if question.slot == "replay"]
        assert [question.verb for question in asked] == [ranking.question]
        await made.press("y", "escape")
        assert "identical to the bit" in made.app.clipboard
        made.backend.labels = (HOSTILE, *LABELS[1:])
        await made.press("r")
        await made.shows("different; values outside the tolerance")
        assert not any(bad in made.app.export_screenshot() for bad in ("\x1b", "\x07", "\u202e", "\u200b"))
        await made.press("escape")
        await made.until(lambda: isinstance(made.app.screen, NotebookScreen))


async def test_what_cannot_be_asked_again_is_said_and_leaving_stops_what_runs() -> None:
    store, session, ranking = await with_answers()
    store.keep(session, ranking.id, title="harbours")
    async with stage(store=store) as made:
        await to_notebook(made, 1)
        made.backend.hold("labels")
        await made.press("r")
        await made.shows("^g stops")
        await made.press("escape")
        await made.until(lambda: len(made.backend.cancelled) == 1)
        await made.press("r")
        await made.shows("^g stops")
        await made.press("ctrl+g")
        await made.shows("It was stopped, so there is nothing to compare.")
        made.backend.fail["labels"] = BadInput("No such reader.", "Name another.")
        made.backend.gate.clear()
        await made.press("escape", "r")
        await made.shows("No such reader.")
    store.keep(session, "0" * 32, title="its answer was never saved")
    async with stage(store=store) as made:
        await to_notebook(made, 2)
        await made.press("r")
        await made.tells("0 stored answers have an id")


async def test_a_contrast_opens_as_text() -> None:
    store, session, _ = await with_answers()
    contrast = await saved(store, session, Contrast("ports", "ships", residual()))
    store.keep(session, contrast.id, title="ports against ships")
    async with stage(store=store) as made:
        await to_notebook(made, 1)
        await made.press("enter")
        await made.until(lambda: isinstance(made.app.screen, TextViewer))
        await made.shows("ships")
        await made.press("escape", "tab")
        await made.until(lambda: any("ports against ships" in title for title in titles(made.app)))
