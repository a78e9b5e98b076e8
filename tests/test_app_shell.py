"""The shell: actions as data, palette, line of keys, status line, keymap, and what may be imported before the start."""

import subprocess
import sys
from collections import Counter

import pytest
from bench_pilot import NARROW, bench, line, press, text, the, until
from textual.content import Content

from fake_backend import FakeBackend
from screens import keys
from screens.app import InvestigatorApp
from screens.bench import BenchScreen
from screens.commands import ActionCommands


def test_action_ids_are_unique_and_no_two_share_a_key_on_one_screen() -> None:
    assert len({action.id for action in keys.ACTIONS}) == len(keys.ACTIONS)
    for screen in {action.screen for action in keys.ACTIONS}:
        used = Counter(key for action in keys.of(screen, *({"app"} - {screen})) for key in action.keys)
        assert [key for key, times in used.items() if times > 1] == []


def test_every_action_of_bench_and_app_exists_as_a_method() -> None:
    for action in keys.of("bench", "app"):
        name = "action_" + action.call.split("(")[0]
        owner = BenchScreen if action.screen == "bench" else InvestigatorApp
        assert hasattr(owner, name) or hasattr(InvestigatorApp, name), action


def test_every_action_says_in_a_sentence_what_it_does() -> None:
    for action in keys.ACTIONS:
        assert action.title and action.tooltip.endswith("."), action


def test_keys_are_shown_as_a_person_reads_them() -> None:
    assert keys.symbol("ctrl+g") == "^g"
    assert keys.symbol("shift+left") == "⇧←"
    assert keys.symbol("left_square_bracket") == "["
    shown = {word: key for key, word in keys.footer(keys.of("bench", "app"))}
    assert shown["token"] == "←→" and shown["layer"] == "[]" and shown["help"] == "?"
    moved = {word: key for key, word in keys.footer(keys.of("bench"), {"bench.explain": "e"})}
    assert moved["explain"] == "e"


async def test_the_line_of_keys_always_ends_with_help_and_commands() -> None:
    async with bench(FakeBackend(), NARROW) as pilot:
        last = text(pilot).splitlines()[-1]
        assert last.rstrip().endswith("? help ^p commands")
        for word in ("token", "row", "layer", "i prompt", "g explain", "h test"):
            assert word in last
        await pilot.resize_terminal(44, 20)
        await until(pilot, lambda: text(pilot).splitlines()[-1].rstrip().endswith("^p commands"))


async def test_a_moved_key_works_and_the_old_one_does_not() -> None:
    backend = FakeBackend()
    made = InvestigatorApp(backend.connect, None, settings_of(), keymap={"bench.explain": "z"})
    async with made.run_test(size=(140, 45)) as pilot:
        await until(pilot, lambda: "6 active" in text(pilot))
        await press(pilot, "g")
        assert not backend.verbs("explain")
        assert "z explain" in text(pilot)
        await press(pilot, "z")
        await until(pilot, lambda: len(backend.verbs("explain")) == 1)


def settings_of():  # noqa: ANN201 - the settings of the other tests
    from bench_pilot import settings

    return settings()


async def test_the_palette_offers_the_screens_actions_as_plain_text_and_runs_them() -> None:
    backend = FakeBackend()
    async with bench(backend) as pilot:
        provider = ActionCommands(the(pilot))
        found = [hit async for hit in provider.discover()]
        shown = [hit.display.plain for hit in found if isinstance(hit.display, Content)]
        assert len(shown) == len(found)
        assert any("layer below  [ ," in title for title in shown)
        hits = [hit async for hit in provider.search("explain in its")]
        best = max(hits, key=lambda hit: hit.score)
        await best.command()  # type: ignore[misc]
        await until(pilot, lambda: len(backend.verbs("explain")) == 1)


async def test_the_palette_opens_over_the_bench() -> None:
    async with bench(FakeBackend()) as pilot:
        await press(pilot, "ctrl+p")
        await until(pilot, lambda: pilot.app.screen is not the(pilot))
        await until(pilot, lambda: "bench: " in text(pilot))
        await press(pilot, "escape")
        await until(pilot, lambda: pilot.app.screen is the(pilot))


async def test_the_status_line_says_model_layer_device_and_place() -> None:
    async with bench(FakeBackend()) as pilot:
        first = text(pilot).splitlines()[0]
        for words in ("pocket", "L3", "cpu f32", "llama 7.1M", "[bench]", "notebook"):
            assert words in first
        await press(pilot, "]")
        await until(pilot, lambda: "L4" in line(pilot, "pocket ·"))


async def test_ctrl_c_leaves_and_the_lease_is_given_back() -> None:
    backend = FakeBackend()
    async with bench(backend) as pilot:
        await press(pilot, "h", "x", "ctrl+c")
    assert backend.closed == 1


def test_before_the_first_frame_nothing_heavy_is_imported() -> None:
    heavy = "torch transformers httpx sessions sqlite3 sqlite_utils numpy textual_plot starlette uvicorn"
    script = f"import sys, screens.run, screens.bench; print([name for name in {heavy.split()} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


async def test_the_first_frame_stands_before_the_backend_is_reached() -> None:
    backend = FakeBackend()
    frames: list[bool] = []

    async def connect() -> FakeBackend:
        frames.append("hypothesis" in "\n".join(strip.text for strip in made.screen._compositor.render_strips()))
        return await backend.connect()

    made = InvestigatorApp(connect, None, settings_of())
    async with made.run_test(size=(140, 45)) as pilot:
        await until(pilot, lambda: "6 active" in text(pilot))
    assert frames == [True]


@pytest.mark.parametrize("turns", range(4))
async def test_the_app_can_be_left_at_any_moment_of_its_start(turns: int) -> None:
    async with bench(FakeBackend(), NARROW, settle=turns > 1) as pilot:
        for _ in range(turns):
            await pilot.pause()
        await pilot.press("ctrl+q")
    assert pilot.app.return_code == 0
