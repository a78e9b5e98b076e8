"""The prompt: one line of input that is entered with i and left with esc."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Static

from screens.widgets.inert_input import InertInput


class PromptBar(Horizontal):
    """A sign and an input; what was typed but not opened is kept until the next prompt is opened."""

    class Entered(Message):
        """A prompt is to be opened."""

        def __init__(self, prompt: str) -> None:
            super().__init__()
            self.prompt = prompt

    def __init__(self) -> None:
        super().__init__(id="prompt")
        self.opened = ""
        """The prompt that is open."""

    def compose(self) -> ComposeResult:
        """Lay out the sign and the input."""
        yield Static("prompt ", id="prompt-sign", markup=False)
        yield InertInput(placeholder="type a prompt; enter opens it", id="prompt-input", compact=True)

    def on_mount(self) -> None:
        """Hold the cursor still."""
        self.input.cursor_blink = False

    @property
    def input(self) -> InertInput:
        """Return the input."""
        return self.query_one(InertInput)

    def show(self, prompt: str) -> None:
        """Show the prompt that is open."""
        self.opened = prompt
        if self.input.value != prompt:
            self.input.value = prompt
        self._sign()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Say where the line differs from what is open."""
        event.stop()
        self._sign()

    def _sign(self) -> None:
        sign = self.query_one("#prompt-sign", Static)
        words = "prompt " if self.input.value == self.opened else "prompt, not opened yet: "
        if sign.content != words:
            sign.update(words)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Open what was typed."""
        event.stop()
        self.post_message(self.Entered(event.value))
