"""The feature page: one latent in full, and the walk from latent to latent by their decoder directions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Container, Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import OptionList, Static

from investigator.events import Answer
from investigator.records import Feature
from investigator.wire import ShowFeature
from screens import feature_text, keeping, keys
from screens.base import BaseScreen
from screens.messages import OpenPrompt, TestText, WorkChanged
from screens.modals import Ask, TextViewer
from screens.widgets.context_strip import ContextList
from screens.widgets.histogram import Histogram
from screens.widgets.rows import RowList
from screens.work import Work

SLOT = "feature"
STATES = {
    "waiting": "waiting for the backend",
    "queued": "queued",
    "running": "asking",
    "disconnected": "the backend is gone; r asks again when it is back",
    "stopped": "stopped; r asks again",
    "superseded": "another latent was asked for",
}


class FeatureScreen(BaseScreen[None]):
    """One latent's page; escape leaves it, backspace goes back along the latents that were visited."""

    ROOM = "feature"
    CSS_PATH = "feature.tcss"
    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("feature")

    def __init__(self, latent: int, sae: str = "", answer: Answer | None = None) -> None:
        """Show a latent of an SAE (empty: the workbench's first); with `answer`, a stored page, nothing asked."""
        super().__init__()
        self.latent, self.sae = latent, sae
        self.trail: list[tuple[int, str]] = []
        """Latents visited before this one, the last visited last."""
        self.feature: Feature | None = None
        self.answer_id = ""
        self._given = answer

    def compose_body(self) -> Iterable[Widget]:
        """Lay out the head above excerpts and the three lists at their side."""
        ascii_marks = self.app.settings.app.marks == "ascii"
        yield Static(id="feature-head", markup=False)
        yield Histogram(ascii_marks=ascii_marks, id="feature-flat")
        with Container(id="feature-body"):
            with Vertical(id="feature-excerpts", classes="box"):
                yield ContextList(id="feature-contexts")
                yield Static(id="feature-token", markup=False)
            with Container(id="feature-side"):
                with Vertical(id="feature-near", classes="box"):
                    yield RowList(id="feature-nearest")
                with VerticalScroll(id="feature-logits", classes="box"):
                    yield Static(id="feature-logit-lines", markup=False)
                with Vertical(id="feature-spread", classes="box"):
                    yield Histogram(ascii_marks=ascii_marks, id="feature-histogram")

    def on_mount(self) -> None:
        """Name the panes and ask, unless a stored page was given."""
        titles = {"excerpts": "excerpts", "near": "nearest latents", "logits": "next tokens", "spread": "activations"}
        for name, title in titles.items():
            self.query_one(f"#feature-{name}").border_title = title
        self.query_one(ContextList).focus()
        if self._given is not None and isinstance(self._given.result, Feature):
            self._show(self._given.result, self._given.id)
        else:
            self._ask()

    @property
    def work_slot(self) -> str:
        """Return the slot that ctrl+g stops."""
        return SLOT

    @property
    def place_words(self) -> str:
        """Return which latent stands here."""
        return f"latent {self.latent}"

    def visit(self, latent: int, sae: str = "") -> None:
        """Go to another latent and remember this one."""
        self.trail.append((self.latent, self.sae))
        self.latent, self.sae = latent, sae or self.sae
        self._ask()

    def _ask(self) -> None:
        self.app.ask(ShowFeature(self.latent, self.sae), slot=SLOT, listener=self)

    def on_work_changed(self, message: WorkChanged) -> None:
        """Show the page when it came, or in what state it is; an answer about another latent is ignored."""
        work = message.work
        if not isinstance(work.verb, ShowFeature) or work.verb.latent != self.latent:
            return
        if isinstance(work.answer.result, Feature):
            self._show(work.answer.result, work.answer.id)
        else:
            self._show_state(work)

    def _show_state(self, work: Work) -> None:
        failure = work.failure
        words = f"{failure.message} {failure.mend}" if failure else STATES.get(work.state, work.state)
        self._head([f"latent {self.latent}", words])
        if failure is not None:
            self._clear()

    def _clear(self) -> None:
        self.feature, self.answer_id = None, ""
        self.query_one(ContextList).show(())
        self.query_one("#feature-nearest", RowList).draw(())
        for name in ("logit-lines", "token"):
            self.query_one(f"#feature-{name}", Static).update("")
        for histogram in self.query(Histogram):
            histogram.clear()

    def _show(self, feature: Feature, answer_id: str) -> None:
        self.feature, self.answer_id, self.sae = feature, answer_id, feature.sae
        self._head([*feature_text.label_lines(feature), feature_text.heading(feature)])
        self.query_one(ContextList).show(feature.contexts)
        nearest = self.query_one("#feature-nearest", RowList)
        nearest.draw((str(one.latent), Content(feature_text.neighbour_line(one))) for one in feature.nearest)
        logits = feature_text.logit_lines(feature.top_logits, feature.bottom_logits)
        self.query_one("#feature-logit-lines", Static).update(Content("\n".join(logits)))
        for histogram in self.query(Histogram):
            histogram.draw(feature.histogram_edges, feature.histogram_counts)
        self._say_token()

    def _head(self, lines: list[str]) -> None:
        self.query_one("#feature-head", Static).update(Content("\n".join(lines)))
        trail = " ‹ ".join(str(latent) for latent, _ in reversed(self.trail[-4:]))
        self.query_one("#feature-near").border_subtitle = f"came from {trail}" if trail else ""

    def _say_token(self) -> None:
        self.query_one("#feature-token", Static).update(Content(self.query_one(ContextList).in_words()))

    @on(OptionList.OptionHighlighted, "#feature-contexts")
    def another_excerpt(self) -> None:
        """Put the token cursor on the new excerpt's peak."""
        self.query_one(ContextList).settle()
        self._say_token()

    @on(OptionList.OptionSelected)
    def clicked(self, event: OptionList.OptionSelected) -> None:
        """Open what was clicked."""
        event.stop()
        self.action_open_row()

    def action_row(self, by: int) -> None:
        """Move the cursor of the focused list, or scroll."""
        if isinstance(self.focused, RowList):
            self.focused.step(by)
        elif self.focused is not None:
            self.focused.scroll_relative(y=by, animate=False)

    def action_page(self, by: int) -> None:
        """Move by a page."""
        if isinstance(self.focused, RowList):
            self.focused.page(by)

    def action_token(self, by: int) -> None:
        """Move over the tokens of the highlighted excerpt."""
        self.query_one(ContextList).step_token(by)
        self._say_token()

    def action_pane_step(self, by: int) -> None:
        """Go to the next list or the one before."""
        if by > 0:
            self.focus_next()
        else:
            self.focus_previous()

    def action_open_row(self) -> None:
        """Open the neighbour under the cursor, or the excerpt on the bench."""
        if self.focused is self.query_one("#feature-nearest"):
            self.action_neighbour()
        elif (context := self.query_one(ContextList).context) is not None:
            self.app.post_message(OpenPrompt("".join(context.tokens).strip()))
            self.dismiss(None)

    def action_neighbour(self) -> None:
        """Open the neighbour under the cursor; the nearest where the cursor was not moved."""
        key = self.query_one("#feature-nearest", RowList).key
        if key is None:
            self.app.tell("No neighbours are known here.")
        else:
            self.visit(int(key))

    def action_test(self) -> None:
        """Test the label, or that of the neighbour under the cursor, at the bench's token."""
        nearest = self.query_one("#feature-nearest", RowList)
        text = feature_text.label_of(self.feature, nearest.key if self.focused is nearest else None)
        if not text:
            self.app.tell("This latent has no label to test.")
            return
        self.app.post_message(TestText(text))
        self.dismiss(None)

    def action_earlier(self) -> None:
        """Go back to the latent visited before."""
        if self.trail:
            self.latent, self.sae = self.trail.pop()
            self._ask()
        else:
            self.app.tell("This is where you came in; escape goes back.")

    def action_go(self) -> None:
        """Ask for a latent's number and open it."""
        self.app.push_screen(Ask("go to a latent", "its number"), self._go)

    def _go(self, typed: str | None) -> None:
        if typed and typed.isascii() and typed.isdigit():
            self.visit(int(typed))
        elif typed is not None:
            self.app.tell("A latent is named by its number: digits only.", problem=True)

    def action_again(self) -> None:
        """Ask for the page again."""
        self.app.ask(ShowFeature(self.latent, self.sae), slot=SLOT, listener=self, fresh=True)

    def action_read(self) -> None:
        """Read the whole page as text."""
        if self.feature is not None:
            self.app.push_screen(TextViewer(f"latent {self.feature.latent}", feature_text.text(self.feature)))

    def action_copy(self) -> None:
        """Copy the page as text."""
        if self.feature is not None:
            self.app.copy_to_clipboard(feature_text.text(self.feature))
            self.app.tell("The page is copied as text.")

    async def action_keep(self) -> None:
        """Keep the page as a finding."""
        if self.feature is not None:
            await keeping.keep(self.app, self.answer_id, title=feature_text.title(self.feature))

    def action_back(self) -> None:
        """Leave the page."""
        self.dismiss(None)
