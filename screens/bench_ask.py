"""When the bench asks what: features at once, labels and lens after a rest, explanations when told to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.timer import Timer

from investigator.wire import Open, ShowLens, Verb
from screens.bench_place import Place
from screens.desk import Trial
from screens.sentence import parse
from screens.widgets.feature_table import nowhere
from screens.widgets.pane import Pane
from screens.work import Work

if TYPE_CHECKING:
    from screens.bench import BenchScreen

PRIORITY = {"open": 10, "features": 10, "lens": 5, "labels": 4, "test": 6, "explain": 0, "verbalize": 0}
"""Higher runs first: what follows the cursor before what takes seconds."""


class Asking:
    """The bench's questions, and the place that each was asked about."""

    def __init__(self, bench: BenchScreen) -> None:
        self.bench = bench
        self.places: dict[str, Place] = {}
        """Place of each question, by its id."""
        self._rest: Timer | None = None

    def open(self, verb: Open) -> None:
        """Open a prompt."""
        self._ask(verb, "open", None)

    def moved(self, place: Place) -> None:
        """Follow the cursor: features now, stored answers now, the rest after a rest."""
        bench = self.bench
        bench.hypothesis.go(place)
        for pane in bench.panes:
            pane.go(place)
        self.pane(bench.features)
        for pane in (bench.labels, bench.explanations, bench.verbalizers):
            self._stored(pane, place)
        self._stored_lens(place)
        self._wait()

    def pane(self, pane: Pane, *, fresh: bool = False) -> None:
        """Ask a pane's question about the cursor's place, unless a reopened answer stands there."""
        place = self.bench.place
        if place is None or (place.same_as(pane.held) and not fresh):
            return
        verb = pane.verb(place)
        if verb is None:
            pane.redraw()
            return
        pane.held = None
        pane.take(self._ask(verb, pane.SLOT, place, fresh=fresh), place)

    def rested(self) -> None:
        """Ask what waits for the cursor to rest."""
        place = self.bench.place
        if place is not None:
            self.pane(self.bench.labels)
            self.lens(place)
            self.test(self.bench.hypothesis.text)

    def lens(self, place: Place) -> None:
        """Ask what every layer would say next, at the cursor's token."""
        self._ask(self._lens_verb(place), "lens", place)

    def test(self, text: str) -> None:
        """Score a sentence here and at every token."""
        place, bar = self.bench.place, self.bench.hypothesis
        readers = self.bench.app.layers_with_reader
        if not parse(text) or place is None:
            return
        if place.layer not in readers:
            bar.refuse(nowhere("reader", place, readers))
        else:
            desk, sentence = self.bench.app.desk, parse(text)
            work = self._ask(desk.verb(place, sentence), bar.SLOT, place)
            desk.add(Trial(sentence, place, work))
            bar.take(work, place)

    def again(self) -> None:
        """Ask what no backend was there to answer; what broke off, the app's asker takes up."""
        bench = self.bench
        if bench.place is None:
            # A prompt that was entered while the backend loaded is on its way already.
            if "open" not in bench.app.asker.running:
                book = bench.app.book
                bench.open_text(bench.prompt_bar.opened or (book.example if book else ""))
            return
        self.pane(bench.features)
        self._wait()

    def place_of(self, work: Work) -> Place | None:
        """Return the place that a question was about."""
        return self.places.get(work.id)

    def _ask(self, verb: Verb, slot: str, place: Place | None, *, fresh: bool = False) -> Work:
        asker = self.bench.app.asker
        running = asker.running.get(slot)
        if running is not None and running.verb == verb and not fresh:
            return running
        work = self.bench.app.ask(verb, slot=slot, listener=self.bench, fresh=fresh, priority=PRIORITY.get(slot, 0))
        if place is not None:
            self.places[work.id] = place
            while len(self.places) > 32:
                self.places.pop(next(iter(self.places)))
        return work

    def stored(self, pane: Pane) -> None:
        """Show what is stored about the cursor's place, and ask nothing."""
        if self.bench.place is not None:
            self._stored(pane, self.bench.place)

    def _stored(self, pane: Pane, place: Place) -> None:
        verb = pane.verb(place)
        if verb is not None and not place.same_as(pane.held) and self.bench.app.asker.stored(verb) is not None:
            pane.take(self._ask(verb, pane.SLOT, place), place)

    def _stored_lens(self, place: Place) -> None:
        if self.bench.app.asker.stored(self._lens_verb(place)) is not None:
            self.lens(place)

    def _lens_verb(self, place: Place) -> ShowLens:
        return ShowLens(place.at_token(place.position).residual)

    def _wait(self) -> None:
        if self._rest is not None:
            self._rest.stop()
        self._rest = self.bench.set_timer(self.bench.app.settings.app.rest_ms / 1000, self.rested)
