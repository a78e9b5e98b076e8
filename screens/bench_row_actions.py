"""What can be done with the selected row: why, keep, copy, open; drawing explanations; reopening what was saved."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from investigator.events import Answer
from investigator.records import FeatureRow, Features, LabelRow, Row
from investigator.sources import Residual
from investigator.wire import Explain, Intervene, Open, RankLabels, ShowFeatures, Sweep, Test
from investigator.workbench import UNTRAINED
from screens import keeping, workers
from screens.bench_panes import HYPOTHESIS, PLOT, ROWS, VERBALIZERS
from screens.bench_place import Place, place_of
from screens.bench_rows import as_text, title_of
from screens.changes import Change
from screens.desk import Trial
from screens.messages import InterveneHere, OpenAnswer, OpenFeature, ShowSweep
from screens.sentence import Sentence
from screens.widgets.explanation_table import ExplanationPane
from screens.widgets.pane import Pane
from screens.widgets.verbalizer_table import is_verbalizer
from screens.work import Work, saved_work

if TYPE_CHECKING:
    from investigator.provenance import SaeSummary
    from screens.bench import BenchScreen
    from sessions import SavedAnswer


class Chosen(NamedTuple):
    """The selected row and where it comes from."""

    row: Row
    answer: Answer
    place: Place | None


class RowActions:
    """Acts on the bench's selected row."""

    def __init__(self, bench: BenchScreen) -> None:
        self.bench = bench

    def chosen(self) -> Chosen | None:
        """Return the selected row, or say that there is none."""
        bench = self.bench
        if bench.around.number == HYPOTHESIS:
            work, row = bench.hypothesis.work, bench.hypothesis.row
            found = Chosen(row, work.answer, bench.hypothesis.row_place) if work and row else None
        else:
            pane = bench.around.pane
            current = pane.current_row()
            found = Chosen(current, pane.answer, pane.answer_place) if current and pane.answer else None
        if found is None:
            bench.app.tell("There is no row here.")
        return found

    def explain(self) -> None:
        """Draw explanations; where this place has its answer already, draw again with the next seed."""
        self._draw(self.bench.verbalizers if self.bench.around.number == VERBALIZERS else self.bench.explanations)

    def verbalize(self) -> None:
        """Let the verbalizer put the activation into words; again for another seed."""
        self._draw(self.bench.verbalizers)

    def next_verbalizer(self) -> None:
        """Take another verbalizer; what it said here before is shown again."""
        bench = self.bench
        if not bench.verbalizers.next_reader():
            bench.app.tell("There is no other verbalizer for this layer.")
            return
        bench.app.asker.stop(bench.verbalizers.SLOT)
        bench.verbalizers.forget()
        bench.around.go(VERBALIZERS)
        bench.asking.stored(bench.verbalizers)

    def _draw(self, pane: ExplanationPane) -> None:
        bench, place = self.bench, self.bench.place
        if place is None:
            return
        # A drawing that runs goes on; one that has ended gives way to the next seed.
        if pane.work is not None and pane.work.active and place.same_as(bench.asking.place_of(pane.work)):
            return
        done = pane.work is not None and pane.work.state == "done" and place.same_as(pane.answer_place)
        pane.seed = pane.seed + 1 if done else 0
        if bench.has_class("-narrow") or (pane is bench.verbalizers and bench.has_class("-short")):
            bench.around.go(pane.NUMBER)
        bench.asking.pane(pane, fresh=done)

    def why(self) -> None:
        """Show what the row's number is made of."""
        found = self.chosen()
        if found is None:
            return
        from screens.modals import TextViewer
        from screens.why import why

        place = found.place.words if found.place else ""
        reader = str(getattr(found.answer.result, "reader", ""))
        agreement = self._agreement(found)
        text = why(found.row, place=place, reader=reader, provenance=found.answer.provenance, agreement=agreement)
        self.bench.app.push_screen(TextViewer("why", text))

    def _agreement(self, found: Chosen) -> tuple[str, ...]:
        bench = self.bench
        if bench.around.number == HYPOTHESIS or found.answer is not bench.around.pane.answer:
            return ()
        pane = bench.around.pane
        return tuple(bench.agreeing.lines(pane, pane.texts_of(found.row)))

    def intervene(self) -> None:
        """Ablate the selected latent, or a label's strongest one, at the cursor; without one, type the change."""
        row = self.bench.around.pane.current_row()
        latents: tuple[int, ...] = ()
        if isinstance(row, FeatureRow):
            latents = (row.latent,)
        elif isinstance(row, LabelRow):
            latents = row.latents[:1]
        sae = next((one.name for one in self._saes() if latents), "")
        self.bench.post_message(InterveneHere(Change(latents, sae).words if latents else ""))

    def _saes(self) -> list[SaeSummary]:
        """Return the SAEs at the cursor's layer."""
        book, place = self.bench.app.book, self.bench.place
        if book is None or place is None:
            return []
        return [one for one in book.saes if (one.subject, one.layer) == (place.opened.subject, place.layer)]

    def show_trial(self, trial: Trial) -> None:
        """Show a tested hypothesis at its place as it was answered."""
        bench, place = self.bench, trial.place
        if bench.place is not None and bench.place.ids == place.ids:
            # An earlier session's place knows no norms; the prompt that is open does.
            place = replace(bench.place, layer=place.layer, position=place.position, anchor=place.anchor)
        bench.hypothesis.show_text(trial.sentence.line)
        bench.hypothesis.take(trial.work, place)
        bench.go(place)
        bench.around.go(HYPOTHESIS)

    def copy(self) -> None:
        """Copy the row as text."""
        found = self.chosen()
        if found is not None:
            self.bench.app.copy_to_clipboard(as_text(found.row, found.place))
            self.bench.app.tell("Copied.")

    def open(self) -> None:
        """Open a latent's page, a finding, or what a score is made of."""
        bench = self.bench
        if bench.around.number == PLOT:
            finding = bench.findings.current()
            if finding is not None and bench.findings.table.has_focus:
                bench.post_message(OpenAnswer(finding.answer_id, finding.row_key))
            return
        found = self.chosen()
        if found is None:
            return
        match found.row:
            case FeatureRow():
                sae = found.answer.result.sae if isinstance(found.answer.result, Features) else ""
                bench.post_message(OpenFeature(found.row.latent, sae))
            case LabelRow() if found.row.latents:
                bench.post_message(OpenFeature(found.row.latents[0]))
            case _:
                self.why()

    def open_label(self, text: str) -> None:
        """Open the page of the strongest latent here that carries a label."""
        answer = self.bench.features.answer
        rows = answer.result.rows if answer and isinstance(answer.result, Features) else ()
        row = next((row for row in rows if text in row.labels), None)
        if row is None:
            self.bench.app.tell("No latent of the SAE pane carries this label now.")
        else:
            self.bench.post_message(OpenFeature(row.latent))

    # Findings and saved answers.

    def keep(self) -> None:
        """Keep the row as a finding of this session."""
        app, found = self.bench.app, self.chosen()
        if found is None:
            return
        if not found.answer.ended:
            app.tell("Wait until the answer is whole, or stop it with ctrl+g; then keep it.")
            return
        title, key = title_of(found.row, found.place), f"{type(found.row).__name__}:{found.row.key}"
        workers.start(app, "keep", self._keep, found, title, key, exclusive=False)

    async def _keep(self, found: Chosen, title: str, key: str) -> None:
        await keeping.keep(self.bench.app, found.answer.id, title=title, row_key=key)

    def show_findings(self) -> None:
        """List the session's findings."""
        if self.bench.app.store is not None and self.bench.findings.is_mounted:
            workers.start(self.bench.app, "findings", self._list)

    async def _list(self) -> None:
        app = self.bench.app
        assert app.store is not None
        found = await asyncio.to_thread(app.store.findings, app.session)
        if self.bench.findings.is_mounted:
            self.bench.findings.show(found[::-1])

    async def reopen(self, answer_id: str, row_key: str = "") -> None:
        """Show a saved answer exactly as it was: its prompt, its place, its rows; nothing is asked for it again."""
        saved = await keeping.stored(self.bench.app, answer_id)
        if saved is None:
            return
        if isinstance(saved.question, Intervene):
            self.bench.post_message(InterveneHere(saved=saved))
            return
        if isinstance(saved.question, Sweep):
            self.bench.post_message(ShowSweep(saved, row_key))
            return
        self._show(saved)
        row = saved.row(row_key) if row_key else None
        if row is not None and self.bench.around.number in ROWS:
            self.bench.around.pane.table.select(row.key)

    def _show(self, saved: SavedAnswer) -> None:
        bench, source = self.bench, saved.source
        if not isinstance(source, Residual) or saved.strip is None or not saved.tokens:
            bench.app.tell("This answer is about no place in a prompt, so the bench cannot show it.")
            return
        place = place_of(saved.strip, source, bench.app.book)
        work = saved_work(saved, bench)
        self._hold(saved, work, place)
        bench.reopened = True
        bench.go(place)
        bench.asking.open(Open(token_ids=place.ids, subject=place.opened.subject))

    def _pane_of(self, verb: Explain) -> Pane:
        """Return the pane that shows what a reader said: verbalizers have their own."""
        bench, base = self.bench, verb.reader.partition("@")[0]
        named = next((one for one in bench.app.book.readers if one.name == base), None) if bench.app.book else None
        if not (is_verbalizer(named) if named else base in UNTRAINED):
            return bench.explanations
        bench.verbalizers.reader = base
        return bench.verbalizers

    def _hold(self, saved: SavedAnswer, work: Work, place: Place) -> None:
        bench, verb = self.bench, saved.question
        pane: Pane | None = None
        match verb:
            case ShowFeatures():
                pane = bench.features
                pane.order, pane.filter = verb.order, verb.filter
            case RankLabels():
                pane = bench.labels
                pane.order, pane.filter = verb.order, verb.filter
            case Explain():
                pane = self._pane_of(verb)
            case Test():
                text = verb.hypotheses[0]
                sentence = Sentence(text, verb.wordings.get(text, ()))
                bench.hypothesis.show_text(sentence.line)
                bench.hypothesis.take(work, place)
                bench.app.desk.add(Trial(sentence, place, work))
        for other in bench.panes:
            other.forget()
        bench.prompt_bar.show(place.opened.prompt)
        if pane is not None:
            pane.place = pane.held = place
            pane.take(work, place)
            bench.around.go(pane.NUMBER)
