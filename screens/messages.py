"""What parts of the app tell each other; only handlers on the receiving screen change what is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from screens.desk import Trial
    from screens.work import Work
    from sessions import SavedAnswer


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

    def __init__(self, prompt: str, hypothesis: str = "") -> None:
        super().__init__()
        self.prompt = prompt
        self.hypothesis = hypothesis
        """A sentence to test at its last token; empty: none."""


class OpenAnswer(Message):
    """Show a saved answer on the bench exactly as it was."""

    def __init__(self, answer_id: str, row_key: str = "") -> None:
        super().__init__()
        self.answer_id = answer_id
        self.row_key = row_key
        """The row to select, as findings name it (`LabelRow:text`); empty: none."""


class OpenHypothesis(Message):
    """Show a tested hypothesis on the bench, at its place, without asking again."""

    def __init__(self, trial: Trial) -> None:
        super().__init__()
        self.trial = trial


class TestText(Message):
    """Test a sentence at the cursor's place."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


class ShowComparison(Message):
    """Show a saved comparison of two models exactly as it was."""

    def __init__(self, saved: SavedAnswer) -> None:
        super().__init__()
        self.saved = saved


class ShowSweep(Message):
    """Show a saved sweep over layers and tokens exactly as it was."""

    def __init__(self, saved: SavedAnswer, row_key: str = "") -> None:
        super().__init__()
        self.saved = saved
        self.row_key = row_key
        """The layer to go to, as findings name it (`SweepRow:3`); empty: the first."""


class FindText(Message):
    """Look for a sentence in the corpus; what was found before stands in `saved`."""

    def __init__(self, text: str, saved: SavedAnswer | None = None) -> None:
        super().__init__()
        self.text = text
        self.saved = saved


class InterveneHere(Message):
    """Run a change at the cursor's place; empty: type one. What was answered before stands in `saved`."""

    def __init__(self, change: str = "", saved: SavedAnswer | None = None) -> None:
        super().__init__()
        self.change = change
        self.saved = saved


class OpenFeature(Message):
    """Open a latent's page."""

    def __init__(self, latent: int, sae: str = "") -> None:
        super().__init__()
        self.latent = latent
        self.sae = sae


class FindingsChanged(Message):
    """A finding was kept or edited."""
