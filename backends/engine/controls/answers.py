"""Hypotheses at places, judged: controls, interval and verdict beside each score, as far as they are known."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from backends.engine.controls.artefacts import Artefacts, artefacts_of
from backends.engine.controls.intervals import GapBootstrap
from backends.engine.controls.measures import Measures, strip
from backends.engine.controls.rankings import above
from backends.engine.controls.reading import Reading
from backends.engine.controls.statistics import Evidence, Family, Floats, middle, standardised
from backends.engine.controls.verdicts import Judgement, Tried, judge, judge_drawn
from backends.engine.readers.drawn import Sampling
from investigator.records import Control, Score
from investigator.wire import Test

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

_NOTHING = Judgement(None, "There is nothing to judge by: no layer statistics, or a control that came out as NaN.")


class Judge:
    """Judges the hypotheses of one question, once their scores, background and controls are measured."""

    def __init__(self, engine: WorkbenchEngine, reading: Reading, verb: Test) -> None:
        self.reading, self.verb = reading, verb
        self.measures = Measures(engine, reading, verb.sources)
        self.artefacts = artefacts_of(engine, reading.reader)
        self.judged = False
        """Whether everything is measured, so that verdicts can be given."""
        self._draws: dict[int, GapBootstrap] = {}

    def measure(self) -> Iterator[tuple[int, int] | None]:
        """Measure the controls and draw what intervals need: yields None at each step, and how far the work is."""
        yield from self.measures.measure()
        for text in self._texts:
            table = self.reading.table(self.reading.background, text)
            if table is not None:
                self._draws[text] = GapBootstrap(table, self.verb.seed)
            yield None
        self.judged = True

    def score(self, place: int, text: int) -> Score:
        """Return a hypothesis' score at a place with the controls that are known; judged once all are."""
        score = self.reading.at_place(place, text)
        table = self.reading.table(self.reading.background, text)
        if score.error is not None or table is None:
            return score
        score = msgspec.structs.replace(
            score,
            controls=self._controls(place, text),
            spread=float(middle(table).std()),
            tried=len(self._texts) + self.verb.tried,
        )
        if not self.judged:
            return score
        judgement = self._judgement(place, text)
        return msgspec.structs.replace(
            score,
            interval=self._draws[text].interval(self.reading.here(place, text)),
            verdict=judgement.verdict,
            why=judgement.why,
            note=self.measures.note(place, text),
        )

    @cached_property
    def _texts(self) -> list[int]:
        """The hypotheses that can be scored."""
        return [text for text in range(len(self.reading.phrased.texts)) if not self.reading.phrased.error(text)]

    def _controls(self, place: int, text: int) -> tuple[Control, ...]:
        found = self.measures.controls(place, text)
        return (*found, self_scores(self.artefacts)) if self.verb.drawn and self.artefacts else found

    @cached_property
    def _family(self) -> Family | None:
        known = [found for text in self._texts if (found := self.measures.spread_out(text)) is not None]
        return Family([base for base, _ in known], [drawn for _, drawn in known]) if known else None

    def _judgement(self, place: int, text: int) -> Judgement:
        evidence, artefacts = self.measures.evidence(place, text), self.artefacts
        if evidence is None or self._family is None:
            return _NOTHING
        limits = artefacts.limits(len(self.reading.phrased.valid(text))) if artefacts else None
        if self.verb.drawn:
            return judge_drawn(evidence, limits, artefacts.best if artefacts else None)
        return judge(evidence, limits, self._tried(evidence, self._family))

    def _tried(self, evidence: Evidence, family: Family) -> Tried:
        ordinary = ordinary_shares(self.artefacts, evidence) if self.artefacts else None
        return Tried(*family.corrected(evidence), texts=family.texts, before=self.verb.tried, ordinary=ordinary)


def ordinary_shares(artefacts: Artefacts, evidence: Evidence) -> tuple[float, float]:
    """Return how often an ordinary label reaches a text's standardised gap, at background positions and on decoys."""
    mark = standardised(np.array([evidence.value]), evidence.mean, evidence.spread)
    shares = [
        float(above(artefacts.edges, counts, mark)[0] / counts[0]) for counts in (artefacts.ordinary, artefacts.decoys)
    ]
    return shares[0], shares[1]


def self_scores(artefacts: Artefacts) -> Control:
    """Return the self-scores as a control: the best text drawn from each covariance-random vector, under its own."""
    best, scores = artefacts.best, artefacts.best_scores
    return Control("self-scores", float(scores.mean()), float(best.mean()), strip(scores), len(best))


def drawn_score(score: Score, background: Floats, artefacts: Artefacts | None, how: Sampling) -> Score:
    """Return the score of a drawn text with its controls and verdict; `background` `[n]` are its scores there.

    Where more texts were drawn or picked than the self-scores' own procedure did, the note says so: the best of more
    tries is larger.
    """
    assert score.score is not None
    evidence = Evidence(score.score, background, np.empty(0))
    judgement = judge_drawn(
        evidence, artefacts.card.alone if artefacts else None, artefacts.best if artefacts else None
    )
    behind = Control("background", evidence.mean, 0.0, strip(background), len(background))
    return msgspec.structs.replace(
        score,
        spread=evidence.spread,
        controls=(behind, self_scores(artefacts)) if artefacts else (behind,),
        verdict=judgement.verdict,
        why=judgement.why,
        note=_other_procedure(artefacts, how) if artefacts else "",
    )


def _other_procedure(artefacts: Artefacts, how: Sampling) -> str:
    usual = artefacts.card.drawing
    changed = [
        f"{name} {getattr(how, name):g} instead of {getattr(usual, name):g}"
        for name in ("samples", "temperature", "top_p", "max_tokens", "beta", "keep")
        if getattr(how, name) != getattr(usual, name)
    ]
    return f"the self-scores were drawn otherwise: {', '.join(changed)} here" if changed else ""
