"""The hypothesis screen by real keys: rows while they stream, controls, layers, contrast, counting, opening."""

from typing import Any

import pytest
from bench_pilot import NARROW, TINY, WIDE, answered, bench, line, press, text, the, until
from judged_backend import JudgedBackend

from investigator.wire import Contrast, Find
from investigator.wire import Test as Tried
from screens.hypotheses import HypothesesScreen
from sessions import open_store

SIZES = pytest.mark.parametrize("size", [WIDE, NARROW])
HOSTILE = "[bold]x[/] \x1b[2J \u202eeslaf ports"


def screen(pilot: Any) -> HypothesesScreen:
    found = pilot.app.screen
    assert isinstance(found, HypothesesScreen)
    return found


async def type_in(pilot: Any, sentence: str) -> None:
    await press(pilot, "n")
    await press(pilot, *({" ": "space", "|": "vertical_line"}.get(char, char) for char in sentence), "enter")


async def shows(pilot: Any, *words: str) -> None:
    await until(pilot, lambda: all(word in text(pilot) for word in words))


def flat(pilot: Any) -> str:
    """Return what is on screen without borders and line breaks."""
    return " ".join(text(pilot).replace("│", " ").split())


def rows(pilot: Any) -> list[str]:
    return [line.text for line in screen(pilot).table.lines]


@SIZES
async def test_a_sentence_is_tested_here_and_shown_with_everything_it_is_compared_with(size: tuple[int, int]) -> None:
    backend = JudgedBackend()
    async with bench(backend, size) as pilot:
        await press(pilot, "H")
        await shows(pilot, "[hypotheses]", "Nothing tested on this prompt yet")
        await type_in(pilot, "references to ports")
        await shows(pilot, "✓ supported", "+1.27", ".002", "±0.1", "-0.95")
        await shows(pilot, "this place", "random covariance", "+0.00 n 200", "prompt only", "other tokens")
        asked = backend.verbs("test")[-1]
        assert isinstance(asked, Tried)
        assert (asked.hypotheses, asked.scope, asked.tried, asked.drawn) == (
            ("references to ports",), "positions", 0, False,
        )  # fmt: skip
        if size == NARROW:
            await press(pilot, "tab")
            await shows(pilot, "[layers]", '▸ "Lisbon" L3  +1.30')
            assert {len(row) for row in text(pilot).splitlines()} == {80}
            await press(pilot, "tab", "tab", "tab")
            await shows(pilot, "[layers]")
            await press(pilot, "shift+tab")
            await shows(pilot, "this place", "╎")
            await press(pilot, "shift+tab")
        await until(pilot, lambda: "above 95 % of random vectors" in flat(pilot))
        assert "Also readable from the text." in text(pilot)


async def test_the_parts_of_a_test_appear_as_they_stream() -> None:
    backend = JudgedBackend()
    async with bench(backend) as pilot:
        await press(pilot, "H")
        backend.pass_through["test"] = 3
        gate = backend.hold("test")
        await type_in(pilot, "references to ports")
        await shows(pilot, "-0.95", "background 1/3", "^g stops")
        assert "supported" not in text(pilot) and "this place" not in text(pilot)
        gate.set()
        await shows(pilot, "✓ supported", "this place")


async def test_wordings_behind_bars_are_one_hypothesis() -> None:
    backend = JudgedBackend()
    async with bench(backend) as pilot:
        await press(pilot, "H")
        await type_in(pilot, "ports | harbours |  | ports | seaside towns")
        await shows(pilot, "✓ supported")
        asked = backend.verbs("test")[-1]
        assert isinstance(asked, Tried)
        assert asked.hypotheses == ("ports",) and asked.wordings == {"ports": ("harbours", "seaside towns")}
        assert rows(pilot) == ["ports"]
        await shows(pilot, "±0.3", "3 phrasings were scored")


async def test_what_was_tried_at_a_place_is_counted_and_passed_on() -> None:
    backend = JudgedBackend()
    async with bench(backend) as pilot:
        await press(pilot, "h", *"ports", "enter")
        await shows(pilot, "gap +1.27")
        await press(pilot, "5", "H")
        await type_in(pilot, "vague words")
        await shows(pilot, "≈ anything", "2 tried here")
        await type_in(pilot, "wrong idea")
        await shows(pilot, "✗ baseline", "3 tried here")
        assert [verb.tried for verb in backend.verbs("test")] == [0, 1, 2]  # type: ignore[union-attr]
        await press(pilot, "left")
        await type_in(pilot, "ships")
        await shows(pilot, "1 tried here")
        assert backend.verbs("test")[-1].tried == 0  # type: ignore[union-attr]
        await press(pilot, "right", "d")
        await until(pilot, lambda: len(rows(pilot)) == 3)
        assert "3 tried here" in text(pilot)


async def test_earlier_sentences_can_be_tested_again_and_are_then_corrected_for_the_later_ones() -> None:
    backend = JudgedBackend()
    async with bench(backend) as pilot:
        await press(pilot, "H")
        await type_in(pilot, "ports")
        await type_in(pilot, "wrong idea")
        await until(pilot, lambda: len(backend.verbs("test")) == 2)
        screen(pilot).table.select(next(line.key for line in screen(pilot).table.lines if line.text == "ports"))
        await shows(pilot, "this one is corrected for 1. t tests it again")
        await press(pilot, "t")
        await until(pilot, lambda: len(backend.verbs("test")) == 3)
        assert backend.verbs("test")[-1].tried == 1  # type: ignore[union-attr]
        await shows(pilot, "this one is corrected for 2.")


@SIZES
async def test_another_token_shows_bare_scores_until_it_is_tested_there(size: tuple[int, int]) -> None:
    backend = JudgedBackend()
    async with bench(backend, size) as pilot:
        await press(pilot, "H")
        await type_in(pilot, "ports")
        await shows(pilot, "✓ supported")
        await press(pilot, "left")
        await shows(pilot, "not judged", "+1.10", 'tested at "Lisbon" L3; t tests it here')
        await press(pilot, "t")
        await shows(pilot, "✓ supported", '"in" L3')
        assert [verb.sources[0].position for verb in backend.verbs("test")] == [9, 8]  # type: ignore[union-attr]


async def test_all_layers_are_drawn_on_one_scale_and_said_in_words() -> None:
    backend = JudgedBackend((1, 3, 5))
    async with bench(backend) as pilot:
        await press(pilot, "H")
        await type_in(pilot, "ports")
        await shows(pilot, "✓ supported", "l scores every layer")
        await press(pilot, "l")
        await until(pilot, lambda: backend.verbs("test")[-1].scope == "layers")  # type: ignore[union-attr]
        await until(pilot, lambda: "l scores every layer" not in text(pilot))
        for layer, top in (("L5", "████"), ("L3", "[██]"), ("L1", "████")):
            assert f"▇▇▇▇{top}" in line(pilot, f" {layer} ", "▁▁▁▁")
        await shows(pilot, '▸ "Lisbon" L3  +1.30')
        await press(pilot, "left", "]", "]")
        await shows(pilot, '▸ "in" L5  +1.10')
        await press(pilot, "y")
        assert "over the tokens: L1, L3, L5" in pilot.app.clipboard


async def test_one_layer_with_a_reader_needs_no_question() -> None:
    backend = JudgedBackend()
    async with bench(backend) as pilot:
        await press(pilot, "H")
        await type_in(pilot, "ports")
        await shows(pilot, "✓ supported")
        await press(pilot, "l")
        await shows(pilot, "Only layer 3 has a reader")
        assert len(backend.verbs("test")) == 1


@SIZES
async def test_two_rows_or_two_places_are_contrasted_and_the_contrast_is_kept(size: tuple[int, int]) -> None:
    backend, store = JudgedBackend(), open_store()
    async with bench(backend, size, store=store) as pilot:
        await press(pilot, "H")
        await type_in(pilot, "wrong idea")
        await type_in(pilot, "ports")
        await until(pilot, lambda: rows(pilot) == ["ports", "wrong idea"])
        await press(pilot, "x")
        await shows(pilot, "x marked: ports")
        await press(pilot, "down", "x")
        await shows(pilot, 'left minus right at "Lisbon" L3: +0.42 [+0.10, +0.80]', "The left one fits better.")
        asked = backend.verbs("contrast")[-1]
        assert isinstance(asked, Contrast)
        assert (asked.left, asked.right, asked.other) == ("ports", "wrong idea", None)
        await press(pilot, "s")
        await until(pilot, lambda: bool(store.findings()))
        assert store.findings()[0].title == '"Lisbon" L3  ports against wrong idea  +0.42 [+0.10, +0.80]'
        await press(pilot, "y", "escape")
        assert "[" in pilot.app.clipboard and "zero" in pilot.app.clipboard
        await until(pilot, lambda: "left minus right" not in text(pilot))
        await press(pilot, "x", "left", "left", "x")
        await until(pilot, lambda: len(backend.verbs("contrast")) == 2)
        asked = backend.verbs("contrast")[-1]
        assert isinstance(asked, Contrast) and asked.other is not None
        assert asked.left == asked.right
        assert (asked.source.position, asked.other.position) == (9, 7)  # type: ignore[union-attr]


async def test_a_mark_is_given_up_by_x_again_or_by_escape() -> None:
    backend = JudgedBackend()
    async with bench(backend) as pilot:
        await press(pilot, "H", "x")
        await shows(pilot, "There is no hypothesis here")
        await type_in(pilot, "ports")
        await shows(pilot, "✓ supported")
        for undo in ("x", "escape"):
            await press(pilot, "x")
            await shows(pilot, "x marked: ports")
            await press(pilot, undo)
            await until(pilot, lambda: "x marked" not in text(pilot))
        assert not backend.verbs("contrast")


@SIZES
async def test_enter_opens_the_row_on_the_bench_without_asking_again(size: tuple[int, int]) -> None:
    backend = JudgedBackend()
    async with bench(backend, size) as pilot:
        await press(pilot, "H")
        await press(pilot, "left")
        await type_in(pilot, "ports | docks")
        await shows(pilot, "✓ supported")
        asked = len(backend.verbs("test"))
        await press(pilot, "right", "enter")
        await until(pilot, lambda: pilot.app.screen is the(pilot) and the(pilot).place.position == 8)
        await shows(pilot, "ports | docks", "gap +1.27", "✓ supported")
        await until(pilot, lambda: answered(pilot, "features"))
        await pilot.pause(0.05)
        assert len(backend.verbs("test")) == asked


async def test_the_bench_follows_the_place_that_was_moved_to() -> None:
    async with bench(JudgedBackend()) as pilot:
        await press(pilot, "H", "left", "left", "B")
        await until(pilot, lambda: the(pilot).place.position == 7 and answered(pilot, "features"))


async def test_text_drawn_from_the_activation_is_judged_as_such_here_and_nowhere_else() -> None:
    backend = JudgedBackend()
    async with bench(backend) as pilot:
        await press(pilot, "g")
        await until(pilot, lambda: answered(pilot, "explain"))
        await press(pilot, "3", "t")
        await until(pilot, lambda: len(backend.verbs("test")) == 1)
        drawn = backend.verbs("test")[-1]
        assert isinstance(drawn, Tried) and drawn.drawn
        await shows(pilot, "s self-scores")
        await press(pilot, "left")
        await until(pilot, lambda: len(backend.verbs("test")) == 2)
        assert not backend.verbs("test")[-1].drawn  # type: ignore[union-attr]
        await press(pilot, "right", "H")
        await shows(pilot, "(drawn here)", "self-scores")


async def test_the_sessions_earlier_hypotheses_come_back_and_count() -> None:
    backend, store = JudgedBackend(), open_store()
    async with bench(backend, store=store) as pilot:
        await press(pilot, "h", *"ports", "enter")
        await shows(pilot, "gap +1.27")
        await until(pilot, lambda: bool(store.answers(kind="test")))
    async with bench(backend, store=store) as pilot:
        await press(pilot, "H")
        await until(pilot, lambda: rows(pilot) == ["ports"])
        await shows(pilot, "✓ supported", "1 tried here", "random covariance")
        await type_in(pilot, "ships")
        await until(pilot, lambda: len(rows(pilot)) == 2)
        assert backend.verbs("test")[-1].tried == 1  # type: ignore[union-attr]


async def test_orders_are_by_gap_p_log_p_and_time() -> None:
    async with bench(JudgedBackend()) as pilot:
        await press(pilot, "H")
        for sentence in ("vague words", "ports", "wrong idea"):
            await type_in(pilot, sentence)
        await until(pilot, lambda: rows(pilot) == ["ports", "wrong idea", "vague words"])
        await press(pilot, "o", "o", "o")
        assert "by tested" in text(pilot)
        assert rows(pilot) == ["vague words", "ports", "wrong idea"]


async def test_the_row_is_kept_explained_found_and_written_to_a_file(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    backend, store = JudgedBackend(), open_store()
    async with bench(backend, store=store) as pilot:
        await press(pilot, "H")
        await type_in(pilot, "ports | d_o_c_k_s")
        await shows(pilot, "✓ supported")
        await press(pilot, "s")
        await until(pilot, lambda: bool(store.findings()))
        assert store.findings()[0].row_key == "HypothesisRow:0:ports"
        await press(pilot, "w")
        await shows(pilot, "the layer's mean activation", "of which the numbers above are the medians")
        await press(pilot, "escape", "e")
        await shows(pilot, "these hypotheses as a markdown table")
        await press(pilot, "enter")
        await until(pilot, lambda: len(list(tmp_path.glob("*.md"))) == 1)
        written = next(tmp_path.glob("*.md")).read_text()
        assert "| +1.270 | +1.07 to +1.47 | 0.002 | supported |" in written
        assert r"d\_o\_c\_k\_s" in written
        await press(pilot, "f")
        await until(pilot, lambda: pilot.app.current_mode == "corpus" and bool(backend.verbs("find")))
        assert backend.verbs("find")[-1] == Find("ports", limit=50)


@SIZES
async def test_hostile_sentences_and_errors_stay_inert(size: tuple[int, int]) -> None:
    from investigator.errors import ScoreError

    backend = JudgedBackend()
    async with bench(backend, size, prompt="[red]old[/] \u202eharbour \x1b[2J ships") as pilot:
        await press(pilot, "H")
        screen(pilot).acts.test(_sentence(HOSTILE))
        await shows(pilot, "✓ supported")
        shown = text(pilot)
        assert not set(shown) & set("\u202e\x1b\x07") and "[bold]x[/] ⟨1b⟩[2J" in shown
        await press(pilot, "y", "w", "escape", "x", "x")
        assert "\x1b" not in pilot.app.clipboard
        backend.fail["test"] = ScoreError("[bold]no[/bold] \x1b[31m", "[/]")
        await type_in(pilot, "another")
        await shows(pilot, "[bold]no[/bold] ⟨1b⟩[31m [/]")
        assert "error" in line(pilot, "▸", "another")


def _sentence(text: str) -> Any:
    from screens.sentence import parse

    return parse(text)


async def test_a_running_test_is_stopped_even_while_typing() -> None:
    backend = JudgedBackend()
    async with bench(backend) as pilot:
        await press(pilot, "H")
        backend.hold("test")
        await type_in(pilot, "ports")
        await until(pilot, lambda: "▶ test" in text(pilot).splitlines()[0])
        await press(pilot, "n", "a", "ctrl+g")
        await until(pilot, lambda: len(backend.cancelled) == 1)
        await shows(pilot, "stop")


async def test_before_a_prompt_is_open_it_says_what_it_waits_for_and_small_windows_are_survived() -> None:
    backend = JudgedBackend()
    backend.ready.clear()
    async with bench(backend, settle=False) as pilot:
        await press(pilot, "H", "n", "a", "enter", "left", "enter", "x", "w", "s", "y", "d", "l", "t", "f", "o")
        await shows(pilot, "loading weights")
        await pilot.resize_terminal(*TINY)
        await press(pilot, "left", "tab", "x")
        await pilot.resize_terminal(*NARROW)
        backend.ready.set()
        await press(pilot, "B")
        await until(pilot, lambda: answered(pilot, "features"))
        await press(pilot, "H")
        await shows(pilot, "Nothing tested on this prompt yet", "token 10/10")


async def test_ascii_marks_leave_nothing_but_ascii_beside_borders() -> None:
    async with bench(JudgedBackend(), marks="ascii") as pilot:
        await press(pilot, "H")
        for sentence in ("ports", "wrong idea", "vague words"):
            await type_in(pilot, sentence)
        await until(pilot, lambda: len(rows(pilot)) == 3 and "% anything" in text(pilot))
        assert "+ supported" in text(pilot) and "x baseline" in text(pilot)
        assert not set(text(pilot)) & set("▸✓✗≈·▶●○◆∩≥▁▂▃▄▅▆▇█╎")
