"""The bench at the sizes people have: one pane at a time at 80x24, a sentence at 20x5, nothing broken in between."""

import pytest
from bench_pilot import NARROW, TINY, WIDE, answered, bench, line, press, text, the, until

from fake_backend import FakeBackend


async def test_at_80x24_panes_take_turns_and_the_question_stays_visible() -> None:
    backend = FakeBackend()
    async with bench(backend, NARROW) as pilot:
        assert "[1 SAE]  2 labels  3 words  4 plot" in text(pilot)
        assert "+1.90" not in text(pilot)
        await press(pilot, "2")
        assert "1 SAE  [2 labels]  3 words" in text(pilot) and "+1.90" in text(pilot)
        await press(pilot, "tab")
        assert "[3 words]" in text(pilot)
        await press(pilot, "4")
        await until(pilot, lambda: "log p/token" in text(pilot))
        assert "Nothing kept yet" in text(pilot)
        for shown in ("Several whales surfaced", "token 10/10", "L3 of 6", "hypothesis"):
            assert shown in text(pilot)


async def test_at_80x24_the_first_line_says_what_runs_and_how_to_stop_it() -> None:
    backend = FakeBackend()
    async with bench(backend, NARROW) as pilot:
        backend.pass_through["explain"] = 4
        backend.hold("explain")
        await press(pilot, "g")
        await until(pilot, lambda: "▶ explain 25/50 ^g" in text(pilot).splitlines()[0])
        assert "[3 words]" in text(pilot)


async def test_at_80x24_the_hypothesis_and_its_verdict_are_on_screen() -> None:
    backend = FakeBackend()
    async with bench(backend, NARROW) as pilot:
        await press(pilot, "3", "h", *"ports", "enter")
        await until(pilot, lambda: "gap +1.27" in text(pilot))
        assert "✓ supported" in line(pilot, "gap +1.27")
        assert "[3 words]" in text(pilot)


async def test_a_long_prompt_scrolls_under_the_cursor() -> None:
    backend = FakeBackend()
    prompt = " ".join(f"word{number}" for number in range(60))
    async with bench(backend, NARROW, prompt=prompt) as pilot:
        strip = line(pilot, "[word59]")
        assert strip.strip().startswith("…")
        await press(pilot, *["left"] * 30)
        strip = line(pilot, "[word29]")
        middle = strip.index("[word29]") + 4
        assert abs(middle - 40) <= 3
        assert strip.strip().startswith("…") and strip.rstrip().endswith("…")
        await press(pilot, "left")
        assert abs(line(pilot, "[word28]").index("[word28]") + 4 - middle) <= 1
        await press(pilot, "home")
        assert line(pilot, "[<bos>]").rstrip().endswith("…")


@pytest.mark.parametrize("size", [TINY, (39, 24), (80, 9), (1, 1)])
async def test_too_small_a_window_is_said_and_survived(size: tuple[int, int]) -> None:
    backend = FakeBackend()
    async with bench(backend, WIDE) as pilot:
        await pilot.resize_terminal(*size)
        await pilot.pause()
        if size[0] >= 20:
            assert "Too small" in text(pilot) and "Several" not in text(pilot)
        await press(pilot, "left", "2", "down", "g", "h", "x", "escape", "tab", "[", "]")
        await pilot.resize_terminal(*NARROW)
        await until(pilot, lambda: "Several whales" in text(pilot) and answered(pilot, "features"))
        assert the(pilot).place.position == 8


async def test_ascii_marks_leave_nothing_but_ascii_beside_borders_and_model_text() -> None:
    backend = FakeBackend()
    async with bench(backend, marks="ascii") as pilot:
        await press(pilot, "g", "h", *"ports", "enter")
        await until(pilot, lambda: answered(pilot, "explain") and "gap +1.27" in text(pilot))
        lines = text(pilot).splitlines()
        above = "\n".join(lines[: next(at for at, row in enumerate(lines) if "activation against" in row)])
        assert not set(above) & set("▸✓✗≈·▶●○◆∩≥▁▂▃▄▅▆▇█")


async def test_without_colour_the_heat_stands_as_bars_and_as_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    backend = FakeBackend()
    async with bench(backend) as pilot:
        assert "▁▁▁▁▁▁ ▂▂▂▂▂▂▂▂ ▃▃▃▃▃▃ ▄▄▄" in text(pilot)
        assert "heat: residual norm at L3 40.0 here" in text(pilot)
        await press(pilot, "left")
        assert "heat: residual norm at L3 37.0 here" in text(pilot)
