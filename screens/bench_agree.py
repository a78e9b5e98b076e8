"""Which rows of the bench's panes mean the same in other words: asked once a change of panes, marked in the tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec
from textual.timer import Timer

from investigator import agreement_tables
from investigator.records import Agreed, AgreementRow
from investigator.text import inert, one_line
from investigator.wire import Agree

if TYPE_CHECKING:
    from screens.bench import BenchScreen
    from screens.widgets.pane import Pane
    from screens.work import Work

SLOT = "agree"
MOST = 100
"""Texts of one pane that are compared: its first."""
PRIORITY = -1
"""Below all that fills the panes."""
Partners = dict[str, tuple[AgreementRow, ...]]
"""From a text to its agreeing pairs, the nearest first."""


class Partner(msgspec.Struct, frozen=True):
    """A text of the same meaning in another pane."""

    pane: int
    text: str
    cosine: float
    p: float


class Agreeing:
    """Asks `agree` about what the panes show, and tells every pane which of its texts another says in other words."""

    def __init__(self, bench: BenchScreen) -> None:
        self.bench = bench
        self.found: Agreed | None = None
        self.trouble = ""
        """Why nothing is compared: said by `w`, and not asked again of this backend."""
        self._verb: Agree | None = None
        self._partners: Partners = {}
        self._texts: dict[int, frozenset[str]] = {}
        """Texts by the pane's number."""
        self._rest: Timer | None = None

    def changed(self) -> None:
        """Take note that a pane changed: compare once all of them rest."""
        if self._rest is not None:
            self._rest.stop()
        self._rest = self.bench.set_timer(self.bench.app.settings.app.rest_ms / 1000, self.ask)

    def reset(self) -> None:
        """Forget why nothing was compared: another backend may know an embedder."""
        if self.trouble:
            self.trouble, self._verb = "", None

    def mark(self) -> None:
        """Mark what agrees among the rows that the panes show now."""
        if self._partners or any(self._texts.values()):
            shown = {pane.NUMBER: pane.texts(MOST) for pane in self.bench.panes} if self._partners else {}
            self._texts = {number: frozenset(texts) for number, texts in shown.items()}
            for pane in self.bench.panes:
                mine = self._texts.get(pane.NUMBER, frozenset())
                pane.mark_agreeing(frozenset(text for text in mine if self.partners(pane, (text,))))

    def ask(self) -> None:
        """Compare what the panes show, unless that was done already or a pane still fills."""
        panes = self.bench.panes
        if self.trouble or any(pane.work is not None and pane.work.active for pane in panes):
            return
        texts = {pane.NUMBER: pane.texts(MOST) for pane in panes}
        lists = tuple(tuple(found) for found in texts.values() if found)
        if len(lists) < 2:
            self._verb = None
            self._show(None)
            return
        # Its own alone: MiniLM would load a model, in the queue of the questions that a person asked.
        verb = Agree(lists, embedder="own")
        if verb != self._verb:
            self._verb = verb
            app = self.bench.app
            app.ask(verb, slot=SLOT, listener=self.bench, priority=PRIORITY)

    def take(self, work: Work) -> None:
        """Show an answer about what the panes still show; a failure is kept in words."""
        if work.verb != self._verb:
            return
        if isinstance(work.answer.result, Agreed):
            self._show(work.answer.result)
        elif work.state == "error" and work.failure is not None:
            self.trouble = f"{work.failure.message} {work.failure.mend}".strip()
            self._show(None)

    def partners(self, pane: Pane, texts: tuple[str, ...]) -> list[Partner]:
        """Return the texts of other panes that mean the same as one of these in other words, the nearest first."""
        rows = {row.key: (row, text) for text in texts for row in self._partners.get(text, ())}
        found = []
        for row, text in sorted(rows.values(), key=lambda pair: -pair[0].cosine):
            other = row.right if row.left == text else row.left
            numbers = [number for number, several in self._texts.items() if number != pane.NUMBER and other in several]
            found += [Partner(numbers[0], other, row.cosine, row.p)] if numbers else []
        return found

    def lines(self, pane: Pane, texts: tuple[str, ...]) -> Iterator[str]:
        """Yield what `w` says of a row's agreement with other panes."""
        if self.trouble:
            yield f"agreement   not known: {inert(self.trouble)}"
        if self.found is None:
            return
        partners = self.partners(pane, texts)
        if not partners:
            yield "agreement   no other pane says the same in other words"
        for at, one in enumerate(partners):
            yield f"{'' if at else 'agreement':<12}pane {one.pane}: {inert(one.text)}"
            yield f"            cosine {one.cosine:.3f}, p {one.p:.2g} among random pairs of labels"
        yield f"            {agreement_tables.threshold_words(self.found)}; by {inert(self.found.embedder)}"
        yield f"            between the panes {agreement_tables.words(self.found)}"
        if self.found.note:
            yield f"            {inert(self.found.note)}"

    def short(self, pane: Pane, texts: tuple[str, ...]) -> str:
        """Return the nearest partner in a line, for below the rows; empty where there is none."""
        partners = self.partners(pane, texts)
        if not partners or self.found is None:
            return ""
        first, more = partners[0], len(partners) - 1
        many = f", {more} more" if more else ""
        cosine = f"cosine {first.cosine:.2f}, {self.found.threshold:.2f} needed"
        mark = self.bench.app.marks.agrees
        return f"{mark} pane {first.pane}: {one_line(first.text, 60)} ({cosine}; {inert(self.found.embedder)}{many})"

    def beside(self) -> str:
        """Return what stands on a pane's border: how many pairs agree, how many would by chance."""
        mark, found = self.bench.app.marks.agrees, self.found
        if self.trouble:
            return f"{mark} not known, w says why"
        return f"{mark} {found.agreeing} pairs, by chance {found.compared * found.share:.2g}" if found else ""

    def _show(self, found: Agreed | None) -> None:
        self.found = found
        partners: dict[str, list[AgreementRow]] = {}
        for row in found.rows if found else ():
            partners.setdefault(row.left, []).append(row)
            partners.setdefault(row.right, []).append(row)
        self._partners = {text: tuple(rows) for text, rows in partners.items()}
        self.mark()
