"""The sweep on screen, by real keys over the fake backend."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bench_pilot import NARROW, TINY, WIDE, Bench, bench, line, press, text, the, until

from fake_backend import LAYERS, FakeBackend
from investigator import wire
from investigator.events import Answer
from investigator.records import Score, SweepCell, SweepRow, Swept
from investigator.sources import Residual
from investigator.wire import Accepted, Event, Finished, Partial, Progress, Sweep, Verb
from screens.marks import ASCII, UNICODE
from screens.sweep import SweepScreen
from screens.sweep_cells import drawn, scale_of
from screens.sweep_keys import latent_of
from sessions import open_store
from sessions.markdown import export_markdown

SIZES = pytest.mark.parametrize("size", [WIDE, NARROW])
HOSTILE = "\x1b]0;owned\x07[bold]ships | `x`"
FAILED = "A special token stands here, which no reader was trained to read. Look at another token."


def cell(verb: Sweep, at: int, layer: int) -> SweepCell:
    """Return a cell whose numbers say where it stands."""
    if at == 0:
        return SweepCell(Score(error=FAILED))
    if verb.latent is not None:
        return SweepCell(activation=10.0 * layer + at)
    value = -0.2 + 0.1 * at + 0.25 * layer
    return SweepCell(Score(-2.0 + value, value, 0.01, 4, 512), "" if verb.text else f"{HOSTILE} {at}")


class Sweeping(FakeBackend):
    """The fake backend, answering sweeps row by row; layer 5 cannot be read."""

    def _events(self, verb: Verb) -> Iterator[Event]:
        if not isinstance(verb, Sweep) or "sweep" in self.fail:
            yield from super()._events(verb)
            return
        accepted = next(super()._events(verb))
        assert isinstance(accepted, Accepted) and isinstance(verb.source, Residual)
        layers = (3,) if verb.latent is not None else tuple(range(LAYERS)) if verb.reader == "selfie" else (1, 3)
        count = len(verb.source.token_ids)
        resolved = Sweep(verb.source, verb.text, verb.reader, layers, verb.method, verb.latent, verb.sae or "pocket-l3")
        yield Accepted(resolved, accepted.provenance)
        rows = []
        method = "activation" if verb.latent is not None else "score" if verb.text else "labels"
        for layer in layers:
            yield Progress(len(rows) * count, len(layers) * count, f"layer {layer}")
            cells = tuple(cell(verb, at, layer) for at in range(count))
            row = SweepRow(layer, "mapper", method, 0, cells)
            rows.append(row if layer < 5 else SweepRow(layer, "selfie", error="It says the same whatever is injected."))
            yield Partial((rows[-1],))
        sae = "pocket-l3" if verb.latent is not None else ""
        yield Finished(Swept("pocket", verb.text, 0, count, tuple(rows), sae, verb.latent))


def screen(pilot: Bench) -> SweepScreen:
    found = pilot.app.screen
    assert isinstance(found, SweepScreen)
    return found


def asked(backend: FakeBackend) -> list[Any]:
    return list(backend.verbs("sweep"))


async def shows(pilot: Bench, *words: str) -> None:
    await until(pilot, lambda: all(word in text(pilot) for word in words))


async def type_in(pilot: Bench, typed: str) -> None:
    await until(pilot, lambda: pilot.app.focused is not None)
    await press(pilot, "end", "ctrl+u", *typed, "enter")


async def swept(pilot: Bench, typed: str = "ports") -> None:
    """Go to the sweep and sweep a sentence."""
    await press(pilot, "S")
    await until(pilot, lambda: isinstance(pilot.app.screen, SweepScreen))
    await press(pilot, "t")
    await type_in(pilot, typed)
    await until(pilot, lambda: screen(pilot).work is not None and screen(pilot).state.name == "done")


@SIZES
async def test_a_sentence_is_swept_and_the_cell_under_the_cursor_said_exactly(size: tuple[int, int]) -> None:
    backend = Sweeping()
    async with bench(backend, size) as pilot:
        place = the(pilot).place
        await press(pilot, "S")
        await shows(pilot, "g sweeps", "the readers' own words", "nothing swept yet")
        assert not asked(backend)
        await press(pilot, "t")
        await type_in(pilot, "ports")
        await shows(pilot, "2 layers", "gap +1.450", "p 0.010 over 512 places", "mapper")
        [verb] = asked(backend)
        assert verb == Sweep(Residual("pocket", place.ids, -1, 0, len(place.ids)), "ports")
        assert "+1.45" in line(pilot, "L3", "▸") and "+0.95" in line(pilot, "L1")
        assert text(pilot).index("L3 ") < text(pilot).index("L1 "), "the highest layer stands first"
        await press(pilot, "left", "down")
        await shows(pilot, "gap +0.850")
        assert (pilot.app.desk.place.position, pilot.app.desk.place.layer) == (len(place.ids) - 2, 1)
        await press(pilot, "down")
        assert pilot.app.desk.place.layer == 1, "no lower layer is swept"
        await press(pilot, "right_square_bracket", "home")
        await shows(pilot, "failed", "A special token stands here")
        assert pilot.app.desk.place.layer == 3


async def test_the_bench_s_hypothesis_is_swept_at_once_and_enter_goes_to_the_cell() -> None:
    backend = Sweeping()
    async with bench(backend) as pilot:
        await press(pilot, "h")
        await type_in(pilot, "ports")
        await until(pilot, lambda: bool(backend.verbs("test")))
        await press(pilot, "escape", "S")
        await until(pilot, lambda: len(asked(backend)) == 1)
        assert asked(backend)[0].text == "ports"
        await until(pilot, lambda: screen(pilot).state.name == "done")
        await press(pilot, "left", "left", "down", "enter")
        await until(pilot, lambda: pilot.app.current_mode == "bench")
        at = pilot.app.desk.place
        await until(pilot, lambda: (the(pilot).place.position, the(pilot).place.layer) == (at.position, 1))
        await press(pilot, "S")
        await until(pilot, lambda: isinstance(pilot.app.screen, SweepScreen))
        assert len(asked(backend)) == 1, "what is there already is not asked again"


async def test_rows_fill_in_while_it_goes_on_and_ctrl_g_stops_it() -> None:
    backend = Sweeping()
    backend.hold("sweep")
    backend.pass_through["sweep"] = 3
    async with bench(backend) as pilot:
        await press(pilot, "S", "t")
        await type_in(pilot, "ports")
        await shows(pilot, "L1", "+0.95")
        assert "L3" in text(pilot) and "·" in line(pilot, "L3 "), "the row to come stands there, empty"
        assert "^g stops" in text(pilot)
        await press(pilot, "s")
        await shows(pilot, "no cell here")
        await press(pilot, "ctrl+g")
        await until(pilot, lambda: screen(pilot).state.name == "stopped")
        assert len(backend.cancelled) == 1 and "+0.95" in text(pilot), "the rows that came stay"


@SIZES
async def test_readers_views_and_labels(size: tuple[int, int]) -> None:
    backend = Sweeping()
    async with bench(backend, size) as pilot:
        await swept(pilot)
        await press(pilot, "m")
        await shows(pilot, "by mapper", "g sweeps this")
        await press(pilot, "m", "g")
        await until(pilot, lambda: len(asked(backend)) == 2 and screen(pilot).state.name == "done")
        assert asked(backend)[1].reader == "selfie"
        await shows(pilot, "It says the same whatever", "6 layers")
        assert screen(pilot).view == "numbers"
        await press(pilot, "v")
        await until(pilot, lambda: "█" in text(pilot) and "+1.45" not in line(pilot, "L3 "))
        await press(pilot, "t")
        await type_in(pilot, "")
        await until(pilot, lambda: len(asked(backend)) == 3 and screen(pilot).state.name == "done")
        assert asked(backend)[2].text == "" and screen(pilot).view == "bars", "the chosen view stays"
        await press(pilot, "v")
        await shows(pilot, "[bold]ships", "ships | `x` 9")
        assert "\x1b" not in text(pilot)
        await press(pilot, "o", "g")
        await until(pilot, lambda: asked(backend)[-1].method == "labels")


async def test_a_latent_is_swept_in_place_of_a_text() -> None:
    backend = Sweeping()
    async with bench(backend) as pilot:
        await swept(pilot, "pocket-l3#12")
        assert (asked(backend)[0].latent, asked(backend)[0].sae, asked(backend)[0].text) == (12, "pocket-l3", "")
        await shows(pilot, "pocket-l3#12", "activation 39.000", "39.00")


async def test_a_cell_is_kept_exported_and_opened_again_from_the_notebook(tmp_path: Path) -> None:
    backend, store = Sweeping(), open_store(tmp_path / "s.db")
    async with bench(backend, store=store) as pilot:
        await until(pilot, lambda: pilot.app.session is not None)
        await swept(pilot)
        await press(pilot, "left", "s")
        await until(pilot, lambda: len(store.findings()) == 1)
        [finding] = store.findings()
        assert finding.row_key == "SweepRow:3@8" and finding.title.endswith("ports  +1.35")
        await press(pilot, "w")
        await shows(pilot, "Layers and tokens: gap")
        await press(pilot, "escape")
        page = screen(pilot).export_text("sweep")
        assert "| +1.45 |" in page.replace("\\", "") and "Look at another token" in page
        await press(pilot, "N", "enter")
        await until(pilot, lambda: pilot.app.current_mode == "sweep")
        await until(pilot, lambda: (screen(pilot).place.position, screen(pilot).place.layer) == (8, 3))  # type: ignore[union-attr]
        assert len(asked(backend)) == 1 and screen(pilot).current and "g sweeps this" not in text(pilot)
        exported = export_markdown(store, pilot.app.session)
        assert (
            "over tokens 0:10" in exported and "layers 1, 3" in exported and "| +1.35 |" in exported.replace("\\", "")
        )


async def test_another_prompt_leaves_the_sweep_named_as_another_s() -> None:
    backend = Sweeping()
    async with bench(backend) as pilot:
        await swept(pilot)
        await press(pilot, "B", "i")
        await press(pilot, "end", "ctrl+u", *"one two", "enter")
        await until(pilot, lambda: the(pilot).place.opened.prompt == "one two")
        await press(pilot, "S")
        await shows(pilot, "another prompt; g sweeps this one")
        assert screen(pilot).here() is None
        await press(pilot, "g")
        await until(pilot, lambda: len(asked(backend)) == 2 and screen(pilot).state.name == "done")
        assert len(asked(backend)[1].source.token_ids) == 3


async def test_what_goes_wrong_is_a_sentence_and_no_room_is_survived() -> None:
    from investigator.errors import BadInput

    backend = Sweeping()
    backend.fail["sweep"] = BadInput("No reader reads layer 2 of pocket.", "Name one that needs no training: selfie.")
    async with bench(backend) as pilot:
        await press(pilot, "S", "g")
        await shows(pilot, "No reader reads layer 2", "needs no training")
        await pilot.resize_terminal(*TINY)
        await press(pilot, "right", "up", "v", "m", "g")
        await shows(pilot, "Too small")
        await pilot.resize_terminal(*NARROW)
        await until(pilot, lambda: "Too small" not in text(pilot))


async def test_before_a_prompt_is_open_it_says_what_to_do() -> None:
    backend = Sweeping()
    backend.hold("open")
    async with bench(backend, settle=False) as pilot:
        await press(pilot, "S")
        await shows(pilot, "No prompt is open")
        await press(pilot, "g", "left", "s", "w", "y", "up", "enter")
        await until(pilot, lambda: pilot.app.current_mode == "bench")
        assert not asked(backend)


async def test_a_click_picks_a_cell() -> None:
    backend = Sweeping()
    async with bench(backend) as pilot:
        await swept(pilot)
        await pilot.click("#sweep-grid", offset=(5 + 7 * 3 + 2, 2))
        await until(pilot, lambda: (screen(pilot).place.position, screen(pilot).place.layer) == (3, 1))  # type: ignore[union-attr]


def test_a_cell_is_as_wide_as_it_is_drawn_and_the_number_always_stands_in_it() -> None:
    row = SweepRow(0, "r", "score", 0, (SweepCell(Score(-1.0, 0.5)), SweepCell(Score(-2.0, -0.25))))
    scale = scale_of([row])
    for marks in (UNICODE, ASCII):
        for width in (2, 3, 7):
            for one in row.cells:
                for here in (False, True):
                    assert len(drawn(one, "bars", width, scale, marks, here=here)) == width
        assert drawn(row.cells[1], "numbers", 7, scale, marks, here=True) == f"{marks.cursor}-0.25 "
    assert drawn(SweepCell(Score(error="no")), "numbers", 7, scale, UNICODE, here=False).strip() == "✗"
    assert scale.share(0.5) == 1.0 and scale.share(-0.25) == 0.0
    bare = SweepRow(0, cells=(SweepCell(Score(-1.0)), SweepCell(Score(-3.0))))
    assert scale_of([bare]).share(-3.0) == 0.0 and scale_of([bare]).share(-1.0) == 1.0


@pytest.mark.parametrize(("typed", "found"), [("l3#12", ("l3", 12)), ("#7", ("", 7)), ("C# 7", None), ("", None)])
def test_a_latent_is_told_from_a_sentence(typed: str, found: tuple[str, int] | None) -> None:
    latent = latent_of(typed)
    assert (latent and (latent.sae, latent.latent)) == found


def test_rows_replace_each_other_by_layer() -> None:
    answer = Answer("x")
    for value in (0.1, 0.2):
        answer.apply(Partial((SweepRow(3, cells=(SweepCell(Score(value, value)),)),)))
    assert isinstance(wire.Verb, object) and len(answer.rows) == 1
