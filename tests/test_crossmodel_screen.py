"""The cross-model screen by real keys: columns as they stream, washout, controls, sources, a text put to test."""

from __future__ import annotations

from typing import Any

import pytest
from bench_pilot import NARROW, TINY, WIDE, bench, line, press, text, until
from two_models import TwoModels

from investigator import wire
from investigator.errors import BadInput
from investigator.sources import Decoder
from investigator.wire import Compare
from screens.crossmodel import CrossModelScreen
from sessions import open_store

SIZES = pytest.mark.parametrize("size", [WIDE, NARROW])
HOSTILE = "[bold red]towns[/] \x1b]0;owned\x07 by the sea | ports"


def screen(pilot: Any) -> CrossModelScreen:
    found = pilot.app.screen
    assert isinstance(found, CrossModelScreen)
    return found


async def shows(pilot: Any, *words: str) -> None:
    await until(pilot, lambda: all(word in text(pilot) for word in words))


async def compared(pilot: Any) -> None:
    await press(pilot, "X")
    await shows(pilot, "[crossmodel]")
    await press(pilot, "g")
    await until(pilot, lambda: screen(pilot).compared is not None and "2 rows" in text(pilot))


@SIZES
async def test_both_ends_and_the_map_are_named_before_anything_is_asked(size: tuple[int, int]) -> None:
    backend = TwoModels()
    async with bench(backend, size) as pilot:
        await press(pilot, "X")
        await shows(pilot, "ridge", "held-out cos 0.83", "washout 0.5", "B pocket-gpt2 L2", "g lets both models")
        assert backend.verbs("compare") == []


async def test_four_columns_stand_side_by_side_with_agreement_and_lift() -> None:
    backend = TwoModels()
    async with bench(backend) as pilot:
        await compared(pilot)
        assert [type(verb) for verb in backend.verbs("compare")] == [Compare]
        head = line(pilot, "1 own: A's reader", "2 native: B on its own", "3 mapped (C1)", "4 washed (C2)")
        assert head.count("─") > 20
        texts = line(pilot, "names of cities", "names of towns", "names of places", "towns on the sea, w 0.5")
        assert "+1.40" in texts
        assert line(pilot, "─ drawn  agree .62  lift +.14")
        assert line(pilot, "mapped", "agree .62  lift +.14  p .22", "names of places")
        await shows(pilot, "drawn l2el-gpt2: agreement by all-MiniLM-L6-v2, lift over 8 other sources")
        assert "mean predictor 0.71" in text(pilot)
        assert "c reads the controls" in text(pilot)


async def test_columns_take_turns_where_there_is_no_room() -> None:
    async with bench(TwoModels(), NARROW) as pilot:
        await compared(pilot)
        await shows(pilot, "[1 own] - 2 native - 3 mapped - 4 washed", "names of cities")
        await press(pilot, "3")
        await shows(pilot, "1 own - 2 native - [3 mapped] - 4 washed", "names of places")
        await press(pilot, "tab")
        await shows(pilot, "[4 washed]", "w 0.5")
        await press(pilot, "shift+tab", "shift+tab")
        await shows(pilot, "[2 native]")


async def test_rows_stream_and_the_work_is_stopped() -> None:
    backend = TwoModels()
    async with bench(backend) as pilot:
        backend.pass_through["compare"] = 3
        backend.hold("compare")
        await press(pilot, "X", "g")
        await shows(pilot, "names of cities", "not read yet", "2/8", "▶ compare 2/8 ^g")
        await press(pilot, "ctrl+g")
        await shows(pilot, "stopped 2/8")
        assert len(backend.cancelled) == 1


async def test_the_washout_is_changed_and_only_then_asked_again() -> None:
    backend = TwoModels()
    async with bench(backend) as pilot:
        await press(pilot, "X", "plus", "plus")
        await shows(pilot, "washout 0.7")
        assert backend.verbs("compare") == []  # nothing to read anew yet
        await compared(pilot)
        await shows(pilot, "towns on the sea, w 0.7")
        await press(pilot, "minus", "minus", "minus")
        await shows(pilot, "washout 0.4", "stale: rows of washout 0.7")
        await shows(pilot, "towns on the sea, w 0.4")
        assert [verb.wash for verb in backend.verbs("compare") if isinstance(verb, Compare)] == [0.7, 0.4]
        await press(pilot, *["minus"] * 6)
        await shows(pilot, "washout 0.0")


async def test_controls_are_one_key_away() -> None:
    backend = TwoModels()
    async with bench(backend) as pilot:
        await compared(pilot)
        await press(pilot, "c")
        await shows(pilot, "permuted map", "own again", "lift +.01", "agree .95")
        assert [verb.controls for verb in backend.verbs("compare") if isinstance(verb, Compare)] == [False, True]
        await press(pilot, "c")  # the answer without them is stored
        await shows(pilot, "c reads the controls")
        assert len(backend.verbs("compare")) == 2


async def test_any_text_becomes_a_hypothesis() -> None:
    backend = TwoModels()
    async with bench(backend) as pilot:
        await compared(pilot)
        at = screen(pilot).place
        await press(pilot, "3", "h")
        await shows(pilot, "[hypotheses]", "names of places")
        asked = [verb for verb in backend.verbs("test") if isinstance(verb, wire.Test)]
        assert at is not None
        assert (asked[-1].hypotheses, asked[-1].sources, asked[-1].drawn) == (("names of places",), (at.source,), False)
        await press(pilot, "X", "1", "h")
        await until(pilot, lambda: len(backend.verbs("test")) > len(asked))
        own = backend.verbs("test")[-1]
        assert isinstance(own, wire.Test)
        assert own.hypotheses == ("names of cities",)
        assert own.drawn  # model A's own reader drew it from this very activation


async def test_rows_are_of_another_place_once_the_cursor_moves_and_come_back_with_it() -> None:
    backend = TwoModels()
    async with bench(backend) as pilot:
        await compared(pilot)
        words = screen(pilot).where.partition(" through")[0]
        await press(pilot, "left")
        await shows(pilot, f"stale: rows of {words}")
        await press(pilot, "right")
        await shows(pilot, "2 rows")
        await until(pilot, lambda: "stale" not in text(pilot))
        assert len(backend.verbs("compare")) == 1
        await press(pilot, "r")
        await until(pilot, lambda: len(backend.verbs("compare")) == 2)
        assert backend.verbs("compare")[-1].seed == 1  # type: ignore[union-attr]


async def test_a_direction_is_typed_and_has_no_native_reading() -> None:
    backend = TwoModels()
    async with bench(backend) as pilot:
        await press(pilot, "X", "i")
        await press(pilot, *"pocket", "minus", *"l3", "number_sign", "1", "2", "enter")
        await shows(pilot, "A pocket pocket-l3#12")
        await press(pilot, "g")
        await shows(pilot, "A direction has no text")
        assert backend.verbs("compare")[-1].source == Decoder("pocket-l3", 12)  # type: ignore[union-attr]
        await press(pilot, "escape")
        await until(pilot, lambda: screen(pilot).place is not None and screen(pilot).place.given is None)  # type: ignore[union-attr]
        await press(pilot, "i", "ctrl+u", *"nonsense", "enter")
        await shows(pilot, "is no source")


async def test_layers_without_a_map_say_where_there_is_one_and_maps_take_turns() -> None:
    async with bench(TwoModels()) as pilot:
        await press(pilot, "X", "m")
        await shows(pilot, "procrustes", "held-out cos 0.41", "fewer sentences than dimensions")
        await press(pilot, "left_square_bracket")
        await shows(pilot, "No map leads from", "L3 of pocket (to-gpt2)")
        await press(pilot, "g")
        assert screen(pilot).work is None


async def test_a_workbench_without_maps_says_how_to_fit_one() -> None:
    backend = TwoModels()
    backend.maps = ()
    async with bench(backend, NARROW) as pilot:
        await press(pilot, "X")
        await shows(pilot, "no map between models", "train map")


async def test_everything_is_shown_kept_and_exported(tmp_path: Any) -> None:
    store = open_store(tmp_path / "sessions.db")
    async with bench(TwoModels(), store=store) as pilot:
        await compared(pilot)
        await press(pilot, "c")
        await shows(pilot, "own again")
        await press(pilot, "w")
        await shows(pilot, "native (B's own)", "held-out variance explained", "shuffled pairs")
        await press(pilot, "escape", "s")
        await until(pilot, lambda: bool(store.findings()))
        assert "through to-gpt2" in store.findings()[0].title
        page = screen(pilot).export_text("comparison")
        assert "| drawn | l2el\\-gpt2 | mapped \\(C1\\)" in page or "mapped (C1)" in page
        assert store.answers(store.session("notebook"), "places") or store.answers(store.sessions()[0], "places")


async def test_failures_are_sentences() -> None:
    backend = TwoModels()
    backend.fail["compare"] = BadInput("The map to-gpt2 was fitted on another revision.", "Fit it anew.")
    async with bench(backend) as pilot:
        await press(pilot, "X", "g")
        await shows(pilot, "was fitted on another revision. Fit it anew.", "error")


async def test_hostile_text_stays_text() -> None:
    backend = TwoModels()
    backend.first = HOSTILE
    async with bench(backend) as pilot:
        await compared(pilot)
        await shows(pilot, "[bold red]towns[/]")
        assert "\x1b]0" not in text(pilot)
        await press(pilot, "1", "h")
        await until(pilot, lambda: bool(backend.verbs("test")))
        assert backend.verbs("test")[-1].hypotheses == (HOSTILE,)  # type: ignore[union-attr]


async def test_a_tiny_window_shows_one_sentence() -> None:
    async with bench(TwoModels(), TINY, settle=False) as pilot:
        await press(pilot, "X")
        await shows(pilot, "Too small")


async def test_a_saved_comparison_is_shown_again_from_the_notebook_and_nothing_is_asked(tmp_path: Any) -> None:
    store, backend = open_store(tmp_path / "sessions.db"), TwoModels()
    async with bench(backend, store=store) as pilot:
        await press(pilot, "X", "plus")
        await compared(pilot)
        await press(pilot, "s")
        await until(pilot, lambda: bool(store.findings()))
    later = TwoModels()
    async with bench(later, store=store) as pilot:
        await press(pilot, "N")
        await shows(pilot, "through to-gpt2")
        await press(pilot, "enter")
        await shows(pilot, "[crossmodel]", "towns on the sea, w 0.6", "washout 0.6", "agree .71")
        assert later.verbs("compare") == []
