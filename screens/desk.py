"""What the bench and the hypotheses share: the place, and every hypothesis that was tested, with a count."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Literal

from investigator.records import HypothesisRow, Score, Tested
from investigator.sources import Source
from investigator.wire import Test
from screens.bench_place import Place
from screens.sentence import Sentence

if TYPE_CHECKING:
    from screens.work import Work

Scope = Literal["position", "positions", "layers"]
_numbers = count(1)


@dataclass(eq=False)
class Trial:
    """One sentence tested at one place; its work goes on changing while it streams."""

    sentence: Sentence
    place: Place
    work: Work
    number: int = field(default_factory=lambda: next(_numbers))
    """The order in which trials were made."""

    @property
    def row(self) -> HypothesisRow | None:
        """Return what is known of it so far."""
        return row_of(self.work, self.sentence.text)

    @property
    def drawn(self) -> bool:
        """Whether it was judged as text drawn from this activation."""
        return isinstance(self.work.verb, Test) and self.work.verb.drawn

    @property
    def key(self) -> str:
        """Return what a finding calls the row."""
        return self.row.key if self.row else ""

    def score_at(self, place: Place) -> Score | None:
        """Return its bare score at another token or layer of its prompt, where that was asked as well."""
        row = self.row
        if row is None or place.ids != self.place.ids or place.given or place.residual.end is not None:
            return None
        scores = dict(row.layers).get(place.layer) or (row.positions if place.layer == self.place.layer else ())
        return scores[place.position] if place.position < len(scores) else None


def row_of(work: Work, text: str = "") -> HypothesisRow | None:
    """Return a test's row, of the sentence named where there are several: the whole one, else what has streamed in."""
    result = work.answer.result
    given: Iterable[object] = result.rows if isinstance(result, Tested) else work.answer.rows.values()
    rows = [row for row in given if isinstance(row, HypothesisRow) and row.prompt == 0]
    return next((row for row in rows if row.text == text), rows[0] if rows else None)


class Desk:
    """The cursor's place, and the trials of this run and of the session."""

    def __init__(self) -> None:
        self.place: Place | None = None
        self.trials: list[Trial] = []
        self.seeded: set[str] = set()
        """Sessions whose earlier tests are here."""
        self.dropped: set[tuple[tuple[int, ...], str]] = set()
        """Sentences taken off the list of a prompt; they still count as tried."""
        self._tried: dict[Source, dict[str, None]] = {}
        self._drawn: dict[Source, set[str]] = {}

    def drew(self, source: Source, texts: Iterable[str]) -> None:
        """Note that texts were drawn from an activation: tested there, they are judged against self-scores."""
        self._drawn.setdefault(source, set()).update(texts)

    def was_drawn(self, source: Source, sentence: Sentence) -> bool:
        """Whether a sentence was drawn from this very activation, wherever it is typed."""
        return sentence.text in self._drawn.get(source, ())

    def verb(self, place: Place, sentence: Sentence, scope: Scope = "positions") -> Test:
        """Return the question that tests a sentence at a place, and count it there."""
        # Only a prompt has other positions and layers.
        scope = scope if place.given is None else "position"
        tried = self._tried.setdefault(place.source, {})
        tried[sentence.line] = None
        return Test(
            (sentence.text,),
            (place.source,),
            scope=scope,
            wordings=sentence.wordings,
            tried=len(tried) - 1,
            drawn=self.was_drawn(place.source, sentence),
        )

    def tried(self, source: Source) -> int:
        """Return how many different wordings were tried at a place."""
        return len(self._tried.get(source, ()))

    def count(self, source: Source, sentence: Sentence) -> None:
        """Count a sentence that was tested before this run of the app."""
        self._tried.setdefault(source, {})[sentence.line] = None

    def add(self, trial: Trial) -> None:
        """Remember a trial; an older one of the same sentence and place gives way."""
        self.trials = [old for old in self.trials if not _same(old, trial)]
        self.trials.append(trial)
        self.dropped.discard((trial.place.ids, trial.sentence.line))

    def drop(self, trial: Trial) -> None:
        """Take a sentence off its prompt's list."""
        self.dropped.add((trial.place.ids, trial.sentence.line))

    def of_prompt(self, place: Place) -> list[Trial]:
        """Return the trials on a place's prompt, one a sentence: the one at the place, else the newest elsewhere."""
        best: dict[str, Trial] = {}
        for trial in self.trials:
            line = trial.sentence.line
            if trial.place.ids != place.ids or (trial.place.ids, line) in self.dropped:
                continue
            held = best.get(line)
            if held is None or trial.place.same_as(place) or not held.place.same_as(place):
                best[line] = trial
        return sorted(best.values(), key=lambda trial: trial.number)


def _same(old: Trial, new: Trial) -> bool:
    return old.sentence == new.sentence and old.place.same_as(new.place)
