"""A score with what it is compared with: no number without its control."""

from __future__ import annotations

from typing import Literal

from investigator.records.base import Record


class Control(Record, frozen=True):
    """What the same text gets on something that should not support it."""

    name: str
    """mean, random norm, random covariance, background, other tokens, prompt only, self-scores."""
    score: float
    """Nats per token; of several vectors their mean."""
    gap: float | None = None
    """The same above the background's mean."""
    values: tuple[float, ...] = ()
    """The scores behind the mean, for a strip plot; at most 256, evenly chosen by rank."""
    count: int = 1
    """Number of vectors behind the mean."""


class Wording(Record, frozen=True):
    """One phrasing of a hypothesis, and what it gets at the same place."""

    text: str
    score: float | None = None
    gap: float | None = None
    error: str | None = None


Verdict = Literal["supported", "not above baseline", "fits almost anything"]
"""The first that holds, from the last to the first."""


class Score(Record, frozen=True):
    """How well one text fits one source; a failed score has `error` and no numbers."""

    score: float | None = None
    """log p(text + end-of-text | source) / number of tokens including the end, in nats."""
    gap: float | None = None
    """score minus the text's mean score over the layer's background positions."""
    p: float | None = None
    """(1 + #background >= score) / (1 + n): how unusual this place is for the text, not that the text is true."""
    tokens: int = 0
    """Number of tokens scored, the end included."""
    background: int = 0
    """Number n of background positions behind `gap` and `p`."""
    controls: tuple[Control, ...] = ()
    interval: tuple[float, float] | None = None
    """95 % of the gap, phrasings and background resampled together."""
    verdict: Verdict | None = None
    spread: float | None = None
    """Standard deviation of the text's scores over the background, in nats per token."""
    why: str = ""
    """The verdict in one sentence, with the numbers that decided it."""
    note: str = ""
    """What is worth knowing and decides nothing, e.g. `also readable from the text`."""
    estimate: bool = False
    """Whether score and gap come from an index and exact numbers will replace them (`~`)."""
    tried: int = 0
    """How many wordings were tried at this place and are corrected for; 0 where nothing was counted."""
    fdr: float | None = None
    """Empirical false discovery rate of a ranking down to this row; None outside rankings."""
    error: str | None = None


class FidelityControl(Record, frozen=True):
    """What the reconstruction of something else gets at the same activation."""

    name: str
    """mean vector, random text, shuffled words."""
    cosine: float
    fve: float | None = None
    count: int = 1
    """Number of texts behind the means."""


class Fidelity(Record, frozen=True):
    """How much of an activation comes back when a reconstructor reads the text alone; no number without its controls.

    A verbalizer and a reconstructor that were trained together can agree on a code that people misread: `shuffled
    words` says how much of the number rests on the words alone, and the score by another reader whether others agree.
    """

    fve: float | None = None
    """`fve_kitft_rawvar`: 1 - 2 (1 - cosine) / `variance`; 0 is what the mean of all directions gets, 1 is exact."""
    cosine: float | None = None
    """`cos_rt`: cosine of AR(text) and the activation."""
    controls: tuple[FidelityControl, ...] = ()
    variance: float | None = None
    """The baseline of `fve`: variance of the layer's directions, 1 - |mean unit vector|^2."""
    baseline: str = ""
    """What the variance was computed from."""
    error: str | None = None
