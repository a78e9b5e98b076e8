"""Sheets by real keys: help on every screen, the palette, notes, exports, sessions, confirmations, texts."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from screen_tools import HOSTILE, LARGE, SMALL, Stage, screen_text, stage
from textual.app import App
from textual.command import CommandPalette
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList

from investigator.errors import StoreError
from screens import help_page, keys, screenshot
from screens.bench import BenchScreen
from screens.feature import FeatureScreen
from screens.help_page import HelpScreen
from screens.messages import OpenFeature
from screens.modals import Ask, Confirm, ExportChooser, Note, NoteEditor, SessionChooser, TextViewer
from screens.modals.note import tags_of

SIZES = pytest.mark.parametrize("size", [SMALL, LARGE])


class SheetApp(App[None]):
    """An app that shows one sheet and keeps its answer."""

    def __init__(self, sheet: ModalScreen[object]) -> None:
        super().__init__()
        self.sheet = sheet
        self.answers: list[object] = []

    def on_mount(self) -> None:
        self.push_screen(self.sheet, self.answers.append)


async def answer_of(sheet: object, *pressed: str) -> list[object]:
    """Return what a sheet answers to these keys."""
    app = SheetApp(sheet)  # type: ignore[arg-type]
    async with app.run_test(size=SMALL) as pilot:
        await pilot.press(*pressed)
        await pilot.pause()
    return app.answers


async def test_a_confirmation_is_no_unless_yes_is_said() -> None:
    assert await answer_of(Confirm("Sure? [red]"), "y") == [True]
    assert await answer_of(Confirm("Sure?"), "n") == [False]
    assert await answer_of(Confirm("Sure?"), "escape") == [None]
    assert await answer_of(Confirm("Sure?"), "enter", "space", "x") == []


async def test_a_note_is_saved_or_left() -> None:
    assert await answer_of(NoteEditor("t", "old"), "x", "tab", "a", "comma", "b", "enter") == [Note("oldx", ("a", "b"))]
    assert await answer_of(NoteEditor("t", "old", ("a",)), "x", "ctrl+s") == [Note("oldx", ("a",))]
    assert await answer_of(NoteEditor("t", "old"), "x", "escape") == [None]


def test_tags_are_words_once_each() -> None:
    assert tags_of(" #sea, port  sea # ,") == ("sea", "port")


async def test_a_line_is_asked_for() -> None:
    assert await answer_of(Ask("go", "number"), "4", "2", "space", "enter") == ["42"]
    assert await answer_of(Ask("go", "number"), "escape") == [None]


async def test_a_session_is_picked_searched_or_named() -> None:
    rows = [("harbours", "3 answers"), ("towns [x]", "1 answer")]
    assert await answer_of(SessionChooser(rows, "harbours"), "enter") == ["harbours"]
    assert await answer_of(SessionChooser(rows), "down", "enter") == ["towns [x]"]
    assert await answer_of(SessionChooser(rows), "t", "o", "w", "n", "s", "space", "2", "enter") == ["towns 2"]
    assert await answer_of(SessionChooser(rows), "h", "a", "r", "b", "enter") == ["harb"], "a new name is never a guess"
    assert await answer_of(SessionChooser(rows), "h", "a", "r", "b", "down", "enter") == ["harbours"]
    assert await answer_of(SessionChooser([]), "enter") == []


async def test_an_export_is_chosen_and_an_existing_file_asks_twice(tmp_path: Path) -> None:
    forms = {"markdown": ("m", ".md"), "json": ("j", ".json")}
    (tmp_path / "s.json").write_text("mine")

    app = SheetApp(ExportChooser(forms, "s", tmp_path))  # type: ignore[arg-type]
    async with app.run_test(size=SMALL) as pilot:
        assert app.screen.query_one(Input).value == str(tmp_path / "s.md")
        await pilot.press("down")
        await pilot.pause()
        assert app.screen.query_one(Input).value == str(tmp_path / "s.json")
        await pilot.press("enter")
        assert app.answers == []
        await pilot.press("enter")
        await pilot.pause()
    assert [(choice.form, choice.file) for choice in app.answers] == [("json", tmp_path / "s.json")]  # type: ignore[attr-defined]
    assert await answer_of(ExportChooser(forms, "s", tmp_path / "nowhere"), "enter", "enter", "escape") == [None]
    assert (tmp_path / "s.json").read_text() == "mine"


async def test_a_long_hostile_text_is_scrolled_and_copied() -> None:
    app = SheetApp(TextViewer(HOSTILE, "\n".join(f"line {n}" for n in range(200))))  # type: ignore[arg-type]
    async with app.run_test(size=SMALL) as pilot:
        assert "line 0" in screen_text(app)
        for bad in ("\x1b]", "\x07", "\u202e"):
            assert bad not in app.export_screenshot()
        await pilot.press("end")
        await pilot.pause()
        assert "line 199" in screen_text(app)
        await pilot.press("y", "q")
        assert app.clipboard.splitlines()[-1] == "line 199"
    assert app.answers == [None]


@SIZES
async def test_help_is_there_on_every_screen(size: tuple[int, int]) -> None:
    async with stage(size) as made:
        await made.press("question_mark")
        await made.until(lambda: isinstance(made.app.screen, HelpScreen))
        await made.shows("The bench")
        await made.press("question_mark")
        await made.until(lambda: isinstance(made.app.screen, BenchScreen))
        await made.press("N", "f1")
        await made.until(lambda: isinstance(made.app.screen, HelpScreen))
        await made.shows("The notebook")
        await made.press("escape", "B")
        await made.until(lambda: isinstance(made.app.screen, BenchScreen))
        made.app.post_message(OpenFeature(4))
        await made.until(lambda: isinstance(made.app.screen, FeatureScreen))
        await made.press("question_mark")
        await made.until(lambda: isinstance(made.app.screen, HelpScreen))
        await made.shows("The feature page")


def test_every_action_stands_on_its_help_page() -> None:
    rooms = {"plot": "bench"}
    for action in keys.ACTIONS:
        lines = [line for part in help_page.page(rooms.get(action.screen, action.screen), {}) for line in part]
        shown = " ".join(map(keys.symbol, action.keys))
        assert help_page.KeyLine(shown, action.tooltip, action.id) in lines, action.id


def test_every_room_has_words_and_says_the_fields_terms() -> None:
    for room in help_page.TITLES:
        assert len(help_page.words(room).split()) > 60, room
    everywhere = help_page.words("app")
    for term in ("activation", "gap", "score", "rate", "not that the text is true"):
        assert term in " ".join(everywhere.split()), term


def test_help_shows_the_keys_in_force() -> None:
    (line,) = [line for line in help_page.key_lines("bench", {"bench.keep": "k"}) if line.id == "bench.keep"]
    assert line.keys == "k"


def test_every_action_can_be_called_and_has_a_sentence() -> None:
    from screens.app import InvestigatorApp
    from screens.corpus import CorpusScreen
    from screens.crossmodel import CrossModelScreen
    from screens.hypotheses import HypothesesScreen
    from screens.intervene import InterveneScreen
    from screens.notebook import NotebookScreen
    from screens.sweep import SweepScreen
    from screens.widgets.pareto_plot import ParetoPlot

    homes = {
        "app": (InvestigatorApp, BenchScreen),
        "bench": (BenchScreen,),
        "plot": (ParetoPlot,),
        "hypotheses": (HypothesesScreen,),
        "corpus": (CorpusScreen,),
        "crossmodel": (CrossModelScreen,),
        "intervene": (InterveneScreen,),
        "sweep": (SweepScreen,),
        "feature": (FeatureScreen,),
        "notebook": (NotebookScreen,),
    }
    for action in keys.ACTIONS:
        name = "action_" + action.call.split("(")[0]
        assert any(hasattr(home, name) for home in homes[action.screen]), action.id
        assert action.tooltip.endswith(".") and action.title, action.id


async def test_the_palette_offers_this_screens_commands_and_runs_one() -> None:
    async with stage() as made:
        await made.press("N", "ctrl+p")
        await made.until(lambda: isinstance(made.app.screen, CommandPalette))
        await made.shows("notebook: ")
        await made.type("another session")
        await made.until(lambda: made.app.screen.query_one(OptionList).option_count >= 1)
        await made.shows("notebook: another session")
        await made.press("down", "enter")
        await made.until(lambda: isinstance(made.app.screen, SessionChooser))


@SIZES
async def test_a_picture_of_the_screen_is_written(size: tuple[int, int], own_home: Path) -> None:
    async with stage(size) as made:
        await made.press("ctrl+s")
        folder = own_home / "data" / "exports"
        await made.until(lambda: list(folder.glob("investigator-bench-*.svg")))
        text = next(folder.glob("*.svg")).read_text()
        assert text.startswith("<svg") and "pocket" in text
        await made.tells("exports")


async def test_a_picture_that_cannot_be_written_is_a_sentence(own_home: Path) -> None:
    (own_home / "data").mkdir()
    (own_home / "data" / "exports").write_text("a file where a folder should be")
    async with stage() as made:
        await made.press("ctrl+s")
        await made.tells("cannot be written")
        assert isinstance(made.app.screen, BenchScreen)


def test_an_export_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(StoreError, match="cannot be written"):
        screenshot.write(tmp_path / "taken", "x")
    assert list(tmp_path.iterdir()) == [tmp_path / "taken"]
    moment = datetime.datetime(2026, 1, 2, 3, 4, 5)
    first = screenshot.write(screenshot.default_file("bench", moment), "x")
    assert first.name == "investigator-bench-20260102-030405.svg"
    assert screenshot.default_file("bench", moment).name == "investigator-bench-20260102-030405-2.svg"


async def test_the_plot_is_exported_from_the_bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with stage() as made:
        await made.until(lambda: made.backend.verbs("labels"))
        await plotted(made)
        await made.press("e")
        await made.until(lambda: isinstance(made.app.screen, ExportChooser))
        await made.press("end")
        await made.until(lambda: made.app.screen.form == "plot")
        await made.press("enter")
        await made.until((tmp_path / "tests.svg").is_file)
        assert "log p per token" in (tmp_path / "tests.svg").read_text()


async def plotted(made: Stage) -> None:
    """Wait until the bench's plot has points."""
    from screens.widgets.pareto_plot import ParetoPlot

    await made.until(lambda: [plot for plot in made.app.screen.query(ParetoPlot) if plot.pareto.walk])


TINY = (20, 5)
WAYS = {
    "feature": (),
    "help": ("question_mark",),
    "go": ("g",),
    "notebook": ("N",),
    "note": ("N", "tab", "n"),
    "session": ("N", "o"),
    "export": ("e",),
    "read": ("N", "tab", "w"),
    "palette": ("ctrl+p",),
}


@pytest.mark.parametrize("way", WAYS)
async def test_a_window_of_twenty_by_five_breaks_nothing(way: str) -> None:
    async with stage(SMALL) as made:
        await made.until(lambda: made.store.answers(kind="labels"))
        made.app.post_message(OpenFeature(4))
        await made.until(lambda: isinstance(made.app.screen, FeatureScreen) and made.app.screen.feature is not None)
        await made.press(*WAYS[way])
        before = made.app.screen
        await made.pilot.resize_terminal(*TINY)
        await made.press("down", "left", "pagedown")
        made.app.export_screenshot()
        await made.pilot.resize_terminal(*LARGE)
        await made.pilot.pause()
        assert made.app.screen is before and made.app.is_running
