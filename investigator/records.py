"""Records: the rows and results that answers are made of, the same on the wire, on disk and on screen."""

from __future__ import annotations

from typing import Literal

import msgspec

Status = Literal["ok", "warning", "error"]


class Record(msgspec.Struct, frozen=True, omit_defaults=False):
    """Base of every record: immutable, unknown fields ignored when decoded."""


class Token(Record, frozen=True):
    """One token of a prompt."""

    id: int
    text: str
    """The token's own text, spaces kept; not yet made inert."""
    special: bool = False


class Likely(Record, frozen=True):
    """A token and its probability or logit."""

    text: str
    value: float


class Control(Record, frozen=True):
    """What the same text gets on something that should not support it."""

    name: str
    score: float
    """Nats per token."""


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
    verdict: str | None = None
    error: str | None = None


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

    @property
    def key(self) -> str:
        """Return the identity by which partial rows replace each other."""
        return f"{self.prompt}:{self.text}"


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


Row = FeatureRow | LabelRow | ExplanationRow | HypothesisRow | LensRow | CheckRow | Figure


class Opened(Record, frozen=True, tag_field="result", tag="open"):
    """A prompt as the subject model sees it."""

    subject: str
    prompt: str
    tokens: tuple[Token, ...]
    layers: int
    width: int
    norms: tuple[tuple[float, ...], ...]
    """L2 norm of the residual stream, [layers][positions]."""
    next: tuple[Likely, ...]
    """Most likely next tokens after the prompt, with probabilities."""
    continued: int = 0
    """How many of the last tokens the model wrote."""


class Features(Record, frozen=True, tag_field="result", tag="features"):
    """The active latents at one place."""

    sae: str
    order: str
    active: int
    unlabelled: int
    rows: tuple[FeatureRow, ...]


class LabelNote(Record, frozen=True):
    """A latent's label and where it comes from."""

    text: str
    author: str = ""
    rule: str = ""
    score: float | None = None


class Context(Record, frozen=True):
    """A short excerpt on which a latent fires."""

    tokens: tuple[str, ...]
    activations: tuple[float, ...]
    peak: int
    document: str = ""


class Neighbour(Record, frozen=True):
    """A latent with a similar decoder direction."""

    latent: int
    cosine: float
    labels: tuple[str, ...] = ()


class Feature(Record, frozen=True, tag_field="result", tag="feature"):
    """One latent's page."""

    sae: str
    latent: int
    labels: tuple[LabelNote, ...]
    rate: float
    median: float
    iqr: float
    maximum: float
    contexts: tuple[Context, ...]
    histogram_edges: tuple[float, ...]
    histogram_counts: tuple[int, ...]
    nearest: tuple[Neighbour, ...]
    top_logits: tuple[Likely, ...]
    bottom_logits: tuple[Likely, ...]


class Point(Record, frozen=True):
    """One label in the plot of activation against log p (L2EL, figure 2)."""

    text: str
    activation: float
    score: float


class Labels(Record, frozen=True, tag_field="result", tag="labels"):
    """Every label ranked under one source."""

    reader: str
    order: str
    total: int
    """Number of distinct labels scored."""
    ties: int
    """Number of rows of the top k whose score lies within 1e-4 of a neighbour's."""
    rows: tuple[LabelRow, ...]
    frontier: tuple[Point, ...] = ()
    """The Pareto frontier of activation against log p."""
    points: tuple[Point, ...] = ()
    """All labels with an activation, for the plot."""
    failed: int = 0
    """Number of labels that could not be scored."""


class Explanations(Record, frozen=True, tag_field="result", tag="explain"):
    """Texts drawn from a reader, the diverse top k first."""

    reader: str
    drawn: int
    distinct: int
    rows: tuple[ExplanationRow, ...]


class Tested(Record, frozen=True, tag_field="result", tag="test"):
    """Typed hypotheses, scored."""

    reader: str
    rows: tuple[HypothesisRow, ...]


class Lens(Record, frozen=True, tag_field="result", tag="lens"):
    """The logit lens at every layer for one position."""

    rows: tuple[LensRow, ...]


class Checkup(Record, frozen=True, tag_field="result", tag="doctor"):
    """What the doctor found."""

    rows: tuple[CheckRow, ...]


class Worked(Record, frozen=True, tag_field="result", tag="job"):
    """The end of a long command."""

    command: str
    rows: tuple[Figure, ...] = ()
    message: str = ""


Result = Opened | Features | Feature | Labels | Explanations | Tested | Lens | Checkup | Worked
