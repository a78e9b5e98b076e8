"""The corpus screen by real keys: hits while they stream, where the background begins, opening, keeping, reopening."""

from typing import Any

import pytest
from bench_pilot import NARROW, TINY, WIDE, answered, bench, line, press, text, the, until
from judged_backend import JudgedBackend
from screen_tools import saved

from investigator.errors import BadInput
from investigator.records import HitRow, Score
from investigator.wire import Find, Open
from screens import corpus_text
from screens.corpus import CorpusScreen
from screens.widgets.hit_table import RULE
from sessions import open_store

SIZES = pytest.mark.parametrize("size", [WIDE, NARROW])


def screen(pilot: Any) -> CorpusScreen:
    found = pilot.app.screen
    assert isinstance(found, CorpusScreen)
    return found


async def find(pilot: Any, sentence: str) -> None:
    await press(pilot, "slash", "ctrl+u")
    await press(pilot, *({" ": "space"}.get(char, char) for char in sentence), "enter")


async def shows(pilot: Any, *words: str) -> None:
    await until(pilot, lambda: all(word in text(pilot) for word in words))


@SIZES
async def test_a_sentence_finds_hits_and_the_rule_stands_where_they_end(size: tuple[int, int]) -> None:
    backend = JudgedBackend()
    async with bench(backend, size) as pilot:
        await press(pilot, "C")
        await shows(pilot, "[corpus]", "Type a sentence after /")
        await find(pilot, "the sea")
        await shows(pilot, "recall .94", "50,000 positions in 1,200 contexts")
        assert backend.verbs("find") == [Find("the sea", limit=50)]
        keys = [row.key for row in screen(pilot).table.lines]
        # The background runs from -3.00 to -1.98 in steps of .002; 99 % of it lies below -1.99: hits 1 to 5 are above.
        assert keys.index(RULE) == 5
        assert "99% of 512 background positions lie below -1.99: 5 of 8 hits are above it" in text(pilot)
        columns = {row.index("[harbour]") for row in text(pilot).splitlines() if "[harbour]" in row and "  -" in row}
        assert len(columns) == 1
        assert "-0.80" in line(pilot, " 1 ", "[harbour]")


async def test_hits_stream_and_a_search_is_stopped() -> None:
    backend = JudgedBackend()
    async with bench(backend) as pilot:
        backend.pass_through["find"] = 3
        backend.hold("find")
        await press(pilot, "C")
        await find(pilot, "the sea")
        await shows(pilot, "rescoring 400/800", "3 hits", "-1.30")
        assert "▶ find 400/800 ^g" in text(pilot).splitlines()[0]
        await press(pilot, "ctrl+g")
        await shows(pilot, "stopped 400/800")
        assert len(screen(pilot).table.hits) == 3
        assert len(backend.cancelled) == 1


@SIZES
async def test_the_cursor_passes_over_the_rule_and_the_hit_is_shown_in_its_words(size: tuple[int, int]) -> None:
    async with bench(JudgedBackend(), size) as pilot:
        await press(pilot, "C")
        await find(pilot, "the sea")
        await shows(pilot, "recall .94")
        seen = []
        for _ in range(9):
            hit = screen(pilot).table.hit
            seen.append(hit.rank if hit else None)
            await press(pilot, "down")
        assert seen == [1, 2, 3, 4, 5, 6, 7, 8, 8]
        await press(pilot, "up", "up", "up")
        assert screen(pilot).table.hit.rank == 5
        await shows(pilot, "held.jsonl:4, position", "this hit", "99 % lie below")
        await press(pilot, "home")
        assert screen(pilot).table.hit.rank == 1
        await press(pilot, "end")
        assert screen(pilot).table.hit.rank == 8


async def test_enter_opens_the_words_up_to_the_token_and_tests_the_sentence_there() -> None:
    backend = JudgedBackend()
    async with bench(backend) as pilot:
        await press(pilot, "C")
        await find(pilot, "the sea")
        await shows(pilot, "recall .94")
        await press(pilot, "enter")
        await until(pilot, lambda: pilot.app.screen is the(pilot))
        await until(pilot, lambda: bool(backend.verbs("test")))
        assert backend.verbs("open")[-1] == Open(prompt="They sailed names of cities into the harbour")
        assert the(pilot).place.text == " harbour"
        assert backend.verbs("test")[-1].hypotheses == ("the sea",)  # type: ignore[union-attr]
        await shows(pilot, "gap +1.27")


async def test_all_positions_more_hits_and_exact_scores_are_other_questions() -> None:
    backend = JudgedBackend()
    async with bench(backend) as pilot:
        await press(pilot, "C")
        await find(pilot, "the sea")
        await shows(pilot, "one a context")
        await press(pilot, "a")
        await shows(pilot, "every position")
        await press(pilot, "plus")
        await press(pilot, "E")
        await until(pilot, lambda: "every position scored ·" in text(pilot))
        assert "recall" not in screen(pilot).state.words
        last = backend.verbs("find")[-1]
        assert last == Find("the sea", limit=100, all_positions=True, exact=True)
        asked = len(backend.verbs("find"))
        await press(pilot, "a", "a")
        await until(pilot, lambda: "stored" in screen(pilot).state.words)
        assert len(backend.verbs("find")) == asked + 1
        await press(pilot, "r")
        await until(pilot, lambda: len(backend.verbs("find")) == asked + 2)


async def test_f_on_the_bench_brings_the_selected_rows_text() -> None:
    backend = JudgedBackend()
    async with bench(backend) as pilot:
        await press(pilot, "2", "down")
        chosen = the(pilot).labels.table.current.text
        await press(pilot, "f")
        await until(pilot, lambda: pilot.app.current_mode == "corpus" and bool(backend.verbs("find")))
        assert backend.verbs("find")[-1].text == chosen  # type: ignore[union-attr]
        await shows(pilot, f"corpus · {chosen}")


async def test_a_hit_is_kept_copied_explained_and_the_hits_are_written(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = open_store()
    async with bench(JudgedBackend(), store=store) as pilot:
        await press(pilot, "C")
        await find(pilot, "the sea")
        await shows(pilot, "recall .94")
        await press(pilot, "down", "s")
        await until(pilot, lambda: bool(store.findings()))
        assert store.findings()[0].row_key == "HitRow:1:41"
        await press(pilot, "y")
        assert "They sailed references to Portugal into the [harbour] at dusk" in pilot.app.clipboard
        await press(pilot, "w")
        await shows(pilot, "found in", "held.jsonl:1, context 1, position 41")
        await press(pilot, "escape", "e")
        await shows(pilot, "these hits as a markdown table")
        await press(pilot, "enter")
        await until(pilot, lambda: len(list(tmp_path.glob("*.md"))) == 1)
        assert "**harbour**" in next(tmp_path.glob("*.md")).read_text()


async def test_a_saved_search_is_shown_from_the_notebook_without_asking() -> None:
    store, backend = open_store(), JudgedBackend()
    session = store.session("notebook")
    search = await saved(store, session, Find("the sea", limit=5, all_positions=True), backend)
    store.keep(session, search.id, title="whales in the corpus")
    made = JudgedBackend()
    async with bench(made, store=store) as pilot:
        await until(pilot, lambda: pilot.app.session is not None)
        pilot.app.session = session
        await press(pilot, "N")
        await until(pilot, lambda: len(getattr(pilot.app.screen, "entries", ())) == 1)
        await press(pilot, "enter")
        await until(pilot, lambda: pilot.app.current_mode == "corpus" and len(screen(pilot).table.hits) == 5)
        await shows(pilot, "the sea", "every position", "recall .94")
        assert not made.verbs("find")


@SIZES
async def test_hostile_texts_and_errors_stay_inert(size: tuple[int, int]) -> None:
    backend = JudgedBackend()
    backend.labels = ("[bold]x[/] \x1b[2J", "\u202eeslaf", "漢字 wide " * 9, "e\u0301" * 50)
    backend.document = "[red]\x1b]0;owned\x07"
    async with bench(backend, size) as pilot:
        await press(pilot, "C")
        await find(pilot, "the sea")
        await shows(pilot, "recall .94")
        table = screen(pilot).table
        for _ in range(5):
            assert not set(text(pilot)) & set("\u202e\x1b\x07")
            await press(pilot, "down")
        assert {table.render_line(y).cell_length for y in range(10)} == {table.columns_wide}
        await press(pilot, "y", "w", "escape")
        assert not set(pilot.app.clipboard) & set("\u202e\x1b\x07")
        backend.fail["find"] = BadInput("There is no index called [bold]x[/bold].", "\x1b[31mMake one.")
        await find(pilot, "another")
        await shows(pilot, "There is no index called [bold]x[/bold]. ⟨1b⟩[31mMake one.")


async def test_before_anything_is_asked_keys_do_no_harm_and_small_windows_are_survived() -> None:
    backend = JudgedBackend()
    async with bench(backend) as pilot:
        await press(pilot, "C", "a", "E", "plus", "enter", "w", "s", "y", "r", "down", "end", "home", "ctrl+g")
        assert not backend.verbs("find")
        await press(pilot, "i", "space", "enter")
        assert not backend.verbs("find")
        await pilot.resize_terminal(*TINY)
        await press(pilot, "down", "i", "x", "enter")
        await pilot.resize_terminal(*NARROW)
        await shows(pilot, "corpus · x")
        await press(pilot, "B")
        await until(pilot, lambda: answered(pilot, "features"))


def hit(value: float | None) -> HitRow:
    return HitRow(0, 0, "d", ("a",), 0, Score(value))


def test_the_rule_stands_below_the_last_hit_that_is_above_the_background() -> None:
    background = [float(value) for value in range(100)]
    assert corpus_text.threshold(background) == 99.0
    assert corpus_text.threshold([]) is None
    assert corpus_text.above([hit(120.0), hit(99.0), hit(98.0)], 99.0) == 2
    assert corpus_text.above([hit(120.0), hit(None)], 99.0) == 1
    assert corpus_text.above([], 99.0) == 0
    assert corpus_text.prompt_of(HitRow(0, 0, "d", (" The", " old", " port", " of"), 2, Score(0.0))) == "The old port"
