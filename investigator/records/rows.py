"""Rows: what answers stream, each with a key by which later rows replace earlier ones."""

from __future__ import annotations

from typing import Literal

from investigator.records.base import Likely, Record
from investigator.records.score import Fidelity, Score, Wording
from investigator.records.sweep import SweepRow

Status = Literal["ok", "warning", "error"]


class FeatureRow(Record, frozen=True, tag_field="row", tag="feature"):
    """One active latent at one place."""

    latent: int
    activation: float
    z: float
    """Robust z of the pre-activation (L2EL, appendix A)."""
    rate: float
    """Share of tokens on which the latent fires."""
    labels: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Return the identity by which partial rows replace each other."""
        return str(self.latent)


class LabelRow(Record, frozen=True, tag_field="row", tag="label"):
    """One label scored under one source."""

    text: str
    score: Score
    activation: float = 0.0
    """Largest activation here among the latents that carry this label."""
    latents: tuple[int, ...] = ()
    rank: int = 0
    """1 is best in the asked order; equal scores (within 1e-4) share a rank."""

    @property
    def key(self) -> str:
        """Return the identity by which partial rows replace each other."""
        return self.text


class ExplanationRow(Record, frozen=True, tag_field="row", tag="explanation"):
    """One text drawn from a reader, with its likelihood."""

    text: str
    score: Score
    count: int = 1
    """How often it was drawn."""
    rank: int = 0
    """Place in the MMR order, 1 first; 0 while drawing."""
    verbatim: bool = False
    """Whether it is a label of the reader's training set word for word."""
    fidelity: Fidelity | None = None
    """How much of the activation the text brings back; None where the reader has no reconstructor."""

    @property
    def key(self) -> str:
        """Return the identity by which partial rows replace each other."""
        return self.text


class HypothesisRow(Record, frozen=True, tag_field="row", tag="hypothesis"):
    """One typed hypothesis scored at a place, and optionally at every position or layer."""

    text: str
    score: Score
    prompt: int = 0
    """Index of the prompt in a table of prompts; 0 otherwise."""
    layer: int = 0
    position: int = 0
    background: tuple[float, ...] = ()
    """The same text's scores at the background positions, in nats per token; left out in a table of prompts."""
    positions: tuple[Score, ...] = ()
    """One score a token of the prompt, where every position was asked."""
    layers: tuple[tuple[int, tuple[Score, ...]], ...] = ()
    """(layer, one score a token) for every layer with a reader, where every layer was asked."""
    wordings: tuple[Wording, ...] = ()
    """Every phrasing that was scored; `score` holds the medians over them."""
    wording_spread: float | None = None
    """Half the distance between the largest and smallest gap over phrasings, in nats per token."""

    @property
    def key(self) -> str:
        """Return the identity by which partial rows replace each other."""
        return f"{self.prompt}:{self.text}"


class HitRow(Record, frozen=True, tag_field="row", tag="hit"):
    """One position of a corpus at which a sentence scores high."""

    context: int
    """Index of the context (one window of one document) in the corpus index."""
    position: int
    """Position in the context."""
    document: str
    """Where the text comes from: file and place in it."""
    tokens: tuple[str, ...]
    """An excerpt around the position, at most 40 tokens."""
    peak: int
    """Which token of the excerpt it is."""
    score: Score
    rank: int = 0

    @property
    def key(self) -> str:
        """Return the identity by which partial rows replace each other."""
        return f"{self.context}:{self.position}"


class Reading(Record, frozen=True):
    """What one reader says of one vector, and how well that agrees with what model A's own reader says."""

    column: str
    """own, native, mapped, washed, or a control's name."""
    texts: tuple[str, ...] = ()
    """Best first; model text."""
    scores: tuple[Score, ...] = ()
    """One a text."""
    agreement: float | None = None
    """Mean cosine of these texts' embeddings with those of model A's own texts."""
    lift: float | None = None
    """Agreement minus the mean agreement with the own texts of other sources (cross-model NLA, results)."""
    p: float | None = None
    """(1 + #other sources with at least this agreement) / (1 + n)."""
    note: str = ""
    """What is worth knowing, or why there is nothing to read."""
    error: str | None = None


class ComparedRow(Record, frozen=True, tag_field="row", tag="compared"):
    """One reader of model B and one method, column by column."""

    reader: str
    method: str
    """drawn or labels."""
    readings: tuple[Reading, ...]
    """own, native, mapped and washed."""
    controls: tuple[Reading, ...] = ()

    @property
    def key(self) -> str:
        """Return the identity by which partial rows replace each other."""
        return f"{self.method}:{self.reader}"

    def reading(self, column: str) -> Reading | None:
        """Return the reading of a column or control, if there is one."""
        return next((one for one in (*self.readings, *self.controls) if one.column == column), None)


class Mover(Record, frozen=True):
    """A next token whose probability an intervention changes."""

    text: str
    before: float
    after: float


class Shift(Record, frozen=True):
    """How an intervention changes a hypothesis' score downstream, beside random directions of the same norm."""

    text: str
    score: float | None = None
    """Nats per token with the change made."""
    change: float | None = None
    """The same minus the score without it."""
    random: tuple[float, ...] = ()
    """What random directions change it by, one a seed."""
    error: str | None = None


class DoseRow(Record, frozen=True, tag_field="row", tag="dose"):
    """What one dose of an intervention does."""

    dose: float
    norm: float = 0.0
    """Mean L2 norm of what is added over the changed positions of the prompt."""
    kl: float | None = None
    """KL(unedited || edited) of the next-token distribution after the prompt, in nats."""
    random: tuple[float, ...] = ()
    """The same for random directions of the same norm, one a seed."""
    up: tuple[Mover, ...] = ()
    """Tokens whose probability rises most, in probability."""
    down: tuple[Mover, ...] = ()
    continuation: str = ""
    """What the model writes greedily."""
    kept: int = 0
    """How many tokens of the unedited continuation come first unchanged."""
    random_continuations: tuple[str, ...] = ()
    random_kept: tuple[int, ...] = ()
    shifts: tuple[Shift, ...] = ()
    error: str | None = None

    @property
    def key(self) -> str:
        """Return the identity by which partial rows replace each other."""
        return f"{self.dose:.9g}"


class AgreementRow(Record, frozen=True, tag_field="row", tag="agreement"):
    """Two texts of different lists, compared by their embeddings."""

    left: str
    right: str
    cosine: float
    p: float
    """(1 + #random pairs of labels with at least this cosine) / (1 + n)."""
    agrees: bool
    """Whether p is at most the share asked for."""

    @property
    def key(self) -> str:
        """Return the identity by which partial rows replace each other."""
        return f"{self.left}\n{self.right}"


class LensRow(Record, frozen=True, tag_field="row", tag="lens"):
    """The logit lens at one layer."""

    layer: int
    tokens: tuple[Likely, ...]

    @property
    def key(self) -> str:
        """Return the identity by which partial rows replace each other."""
        return str(self.layer)


class CheckRow(Record, frozen=True, tag_field="row", tag="check"):
    """One line of the doctor: what was checked, how it stands, and what to do."""

    name: str
    status: Status
    message: str
    mend: str = ""

    @property
    def key(self) -> str:
        """Return the identity by which partial rows replace each other."""
        return self.name


class Figure(Record, frozen=True, tag_field="row", tag="figure"):
    """One measured figure, always beside what it is compared with."""

    name: str
    value: float | None
    unit: str
    target: str = ""
    interval: tuple[float, float] | None = None
    compared_with: str = ""

    @property
    def key(self) -> str:
        """Return the identity by which partial rows replace each other."""
        return self.name


Row = (
    FeatureRow
    | LabelRow
    | ExplanationRow
    | HypothesisRow
    | HitRow
    | ComparedRow
    | DoseRow
    | SweepRow
    | AgreementRow
    | LensRow
    | CheckRow
    | Figure
)
