"""What parts of the app tell each other; only handlers on the receiving screen change what is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from screens.work import Work


class WorkChanged(Message, bubble=False):
    """A question asked by the receiving screen moved on; posted at most ten times a second, and at its end."""

    def __init__(self, work: Work) -> None:
        super().__init__()
        self.work = work

    def can_replace(self, message: Message) -> bool:
        """Whether a queued message is made pointless by this one: the same question, seen earlier."""
        return isinstance(message, WorkChanged) and message.work is self.work


class OpenPrompt(Message):
    """Open this prompt on the bench."""

    def __init__(self, prompt: str) -> None:
        super().__init__()
        self.prompt = prompt


class OpenAnswer(Message):
    """Show a saved answer on the bench exactly as it was."""

    def __init__(self, answer_id: str, row_key: str = "") -> None:
        super().__init__()
        self.answer_id = answer_id
        self.row_key = row_key
        """The row to select, as findings name it (`LabelRow:text`); empty: none."""


class OpenFeature(Message):
    """Open a latent's page."""

    def __init__(self, latent: int, sae: str = "") -> None:
        super().__init__()
        self.latent = latent
        self.sae = sae


class FindingsChanged(Message):
    """A finding was kept or edited."""
