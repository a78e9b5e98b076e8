"""The controls beside hypotheses at their places: measured in steps, and what a verdict rests on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from backends.engine.controls.panels import OtherTokens, Panels, panels_of
from backends.engine.controls.prompt_only import prompt_only_of
from backends.engine.controls.reading import Reading
from backends.engine.controls.statistics import Evidence, Floats, middle, share_above
from backends.engine.likelihood import Ids
from backends.engine.readers.backgrounds import Panel, filled
from investigator.records import Control
from investigator.sources import Residual, Source

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

MOST_VALUES = 256
"""Scores behind a control's mean that are shown."""
MOST_PLACES = 64
"""Places of one question up to which each gets the controls that are its own: random norm, prompt only."""
READABLE = 0.05
"""Largest p over the prompt-only reader's own background at which a text is also readable from the words."""


class Measures:
    """Every control of the hypotheses of a reading; `sources` are where its vectors come from."""

    def __init__(self, engine: WorkbenchEngine, reading: Reading, sources: Sequence[Source]) -> None:
        self.reading = reading
        self.panels: Panels | None = panels_of(engine, reading.reader)
        own = self.panels is not None and len(sources) <= MOST_PLACES
        self.alone = len(sources) == 1
        self._norm = [self.panels.norm(vector) for vector in reading.at] if self.panels and own else []
        self._prompt_only = prompt_only_of(engine, reading.reader) if own else None
        self._texts = [self._text(source) for source in sources]
        self.finished = 0
        """How many of the controls are measured."""
        self._others: OtherTokens | None = None
        if self.panels and self.alone and isinstance(sources[0], Residual):
            self._others = self.panels.others(sources[0])

    def _text(self, source: Source) -> Panel | None:
        return self._prompt_only.at(source) if self._prompt_only and isinstance(source, Residual) else None

    def measure(self) -> Iterator[tuple[int, int] | None]:
        """Score every phrasing on every control: yields None at each model step, and after it how far the work is."""
        steps = list(self._work())
        total = sum(panel.size * len(ids) for panel, ids in steps)
        before = 0
        for panel, ids in steps:
            for done in filled(panel, ids):
                yield None if done is None else (before + done[0], total)
            before += panel.size * len(ids)
            self.finished += 1

    def _work(self) -> Iterator[tuple[Panel, list[Ids]]]:
        if self.panels is None:
            return
        asked = self.reading.asked
        yield self.panels.mean, asked
        yield self.panels.covariance, asked
        for panel in dict.fromkeys(self._norm):
            yield panel, asked
        if self._others:
            yield self._others.panel, asked
        if self._prompt_only and self._prompt_only.background:
            fitting = [ids for ids in asked if self._prompt_only.fits(ids)]
            for place in (self._prompt_only.background, *self._texts):
                if place is not None:
                    yield place, fitting

    # What came out

    def evidence(self, place: int, text: int) -> Evidence | None:
        """Return what a verdict on a hypothesis at a place rests on; None where a part is missing or not a number."""
        found = self.spread_out(text)
        if found is None:
            return None
        background, covariance = found
        evidence = Evidence(float(middle(self.reading.here(place, text))), background, covariance)
        return evidence if evidence.finite else None

    def spread_out(self, text: int) -> tuple[Floats, Floats] | None:
        """Return a hypothesis' scores over the background and the covariance-random vectors; None while unknown."""
        if self.panels is None:
            return None
        tables = [self.reading.table(panel, text) for panel in (self.panels.background, self.panels.covariance)]
        return None if tables[0] is None or tables[1] is None else (middle(tables[0]), middle(tables[1]))

    def controls(self, place: int, text: int) -> tuple[Control, ...]:
        """Return the controls of a hypothesis at a place, those that are known."""
        if self.panels is None or self.reading.phrased.error(text):
            return ()
        base = self.reading.table(self.panels.background, text)
        if base is None:
            return ()
        mean = float(middle(base).mean())
        named: list[tuple[str, Floats | None]] = [
            ("mean", self._over(self.panels.mean, text)),
            ("random norm", self._over(self._norm[place], text) if self._norm else None),
            ("random covariance", self._over(self.panels.covariance, text)),
            ("background", middle(base)),
            ("other tokens", self._others.without_own(self._over(self._others.panel, text)) if self._others else None),
        ]
        found = [self._control(name, values, mean) for name, values in named if values is not None and len(values)]
        from_text = self._from_text(place, text)
        return tuple([*found, from_text[0]] if from_text else found)

    def note(self, place: int, text: int) -> str:
        """Return whether a hypothesis could be read off the words anyway, gap compared with gap."""
        found, score = self._from_text(place, text), self.reading.at_place(place, text)
        if found is None or score.gap is None or found[1] > READABLE:
            return ""
        control = found[0]
        return f"also readable from the text: gap {control.gap:+.2f} from the words alone, {score.gap:+.2f} here"

    def _over(self, panel: Panel, text: int) -> Floats | None:
        table = self.reading.table(panel, text)
        return None if table is None else middle(table)

    def _control(self, name: str, values: Floats, mean: float) -> Control:
        shown = strip(values) if self.alone and len(values) > 1 else ()
        return Control(name, float(values.mean()), float(values.mean()) - mean, shown, len(values))

    def _from_text(self, place: int, text: int) -> tuple[Control, float] | None:
        """Return the prompt-only control, and its p over its own background; None where there is none."""
        only, here = self._prompt_only, self._texts[place]
        if only is None or only.background is None or here is None:
            return None
        value, base = self._over(here, text), self._over(only.background, text)
        if value is None or base is None:
            return None
        control = Control("prompt only", float(value[0]), float(value[0] - base.mean()))
        return control, share_above(float(value[0]), base)


def strip(values: Floats) -> tuple[float, ...]:
    """Return at most 256 of the values, evenly chosen by rank, ascending."""
    ordered = np.sort(values)
    if len(ordered) > MOST_VALUES:
        ordered = ordered[np.linspace(0, len(ordered) - 1, MOST_VALUES).round().astype(int)]
    return tuple(ordered.tolist())
