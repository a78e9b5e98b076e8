"""The prompt: one line of input that is entered with i and left with esc; behind = stands an expression."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Static

from screens.widgets.expression_input import TYPING, Complete, ExpressionInput
from screens.widgets.keys_line import KeysLine


class PromptBar(Horizontal):
    """A sign and an input; what was typed but not opened is kept until the next prompt is opened."""

    class Entered(Message):
        """A prompt is to be opened."""

        def __init__(self, prompt: str) -> None:
            super().__init__()
            self.prompt = prompt

    def __init__(self, complete: Complete = lambda _: ()) -> None:
        super().__init__(id="prompt")
        self._complete = complete
        self.opened = ""
        """The prompt that is open."""

    def compose(self) -> ComposeResult:
        """Lay out the sign and the input."""
        yield Static("prompt ", id="prompt-sign", markup=False)
        placeholder = "type a prompt, or = and an expression; enter opens it"
        yield ExpressionInput(self._complete, placeholder=placeholder, id="prompt-input")

    def on_mount(self) -> None:
        """Hold the cursor still."""
        self.input.cursor_blink = False

    @property
    def input(self) -> ExpressionInput:
        """Return the input."""
        return self.query_one(ExpressionInput)

    def show(self, prompt: str) -> None:
        """Show the prompt that is open."""
        self.opened = prompt
        if self.input.value != prompt:
            self.input.value = prompt
        self._sign()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Say where the line differs from what is open, and how an expression may go on."""
        event.stop()
        self._sign()
        if self.input.has_focus:
            self.screen.query_one(KeysLine).say(self.input.offers or TYPING)

    def _sign(self) -> None:
        sign = self.query_one("#prompt-sign", Static)
        words = "prompt " if self.input.value == self.opened else "prompt, not opened yet: "
        if sign.content != words:
            sign.update(words)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Open what was typed."""
        event.stop()
        self.post_message(self.Entered(event.value))
