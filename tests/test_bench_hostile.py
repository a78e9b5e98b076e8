"""Text from models, labels and prompts is shown inert: no markup, no escapes, no reordering, at both sizes."""

import pytest
from bench_pilot import NARROW, WIDE, answered, bench, press, text, the, until
from textual import events

from fake_backend import FakeBackend

HOSTILE = (
    "[bold]loud[/bold] [@click=app.quit]x[/]",
    "\x1b[31mred\x1b[0m \x1b]0;title\x07",
    "right \u202eot tfel\u202c and zero\u200bwidth",
    "line\nbreak\ttab\r\x00nul",
    "[",
    "wide 漢字 and é",
    "\\[escaped\\]",
)


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_hostile_labels_prompts_and_hypotheses_are_inert(size: tuple[int, int]) -> None:
    backend = FakeBackend()
    backend.labels = HOSTILE
    async with bench(backend, size, prompt="[red]old[/] \u202eharbour \x1b[2J ships") as pilot:
        await press(pilot, "g")
        await until(pilot, lambda: answered(pilot, "explain"))
        for number in "123":
            await press(pilot, number)
            shown = text(pilot)
            assert not {char for char in shown if ord(char) < 32 and char != "\n"}
            assert not set(shown) & set("\u202e\u202c\u200b\x1b\x7f")
        await press(pilot, "2")
        assert "[bold]loud[/bold]" in text(pilot)
        assert "⟨1b⟩[31mred" in text(pilot)
        assert "⟨202e⟩" in text(pilot)
        assert "[red]old[/]" in text(pilot)
        the(pilot).hypothesis.show_text("[bold]x[/] \x1b[2J")
        the(pilot).asking.test("[bold]x[/] \x1b[2J")
        await until(pilot, lambda: "gap +1.27" in text(pilot))
        assert "\x1b" not in text(pilot) and "[bold]x[/] ␛[2J" in text(pilot)
        await press(pilot, "w")
        await press(pilot, "escape", "y")
        assert "\x1b" not in pilot.app.clipboard


async def test_pasted_escapes_and_lines_are_kept_whole_and_shown_inert() -> None:
    async with bench(FakeBackend()) as pilot:
        await press(pilot, "i", "ctrl+u")
        pilot.app.focused.post_message(events.Paste("one\n\x1b[31mtwo\u202e"))  # type: ignore[union-attr]
        await until(pilot, lambda: "one⏎␛[31mtwo\ufffd" in text(pilot))
        assert the(pilot).prompt_bar.input.value == "one\n\x1b[31mtwo\u202e"
        assert "prompt, not opened yet:" in text(pilot)


async def test_rows_keep_their_width_with_wide_and_combining_characters() -> None:
    backend = FakeBackend()
    backend.labels = ("漢" * 60, "e\u0301" * 60, "plain")
    async with bench(backend) as pilot:
        table = the(pilot).labels.table
        widths = {table.render_line(y).cell_length for y in range(4)}
        assert widths == {table.size.width}


async def test_a_hostile_error_is_said_as_plain_text() -> None:
    from investigator.errors import ScoreError

    backend = FakeBackend()
    backend.fail["labels"] = ScoreError("[bold]no[/bold] \x1b[31m", "[/]")
    async with bench(backend, settle=False) as pilot:
        await until(pilot, lambda: the(pilot).labels.state.name == "error")
        assert "[bold]no[/bold] ⟨1b⟩[31m" in text(pilot)
