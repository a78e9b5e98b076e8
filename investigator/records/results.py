"""Results: complete answers, one kind a verb."""

from __future__ import annotations

from typing import Literal

from investigator.records.base import Likely, Record, Token
from investigator.records.rows import (
    AgreementRow,
    CheckRow,
    ComparedRow,
    DoseRow,
    ExplanationRow,
    FeatureRow,
    Figure,
    HitRow,
    HypothesisRow,
    LabelRow,
    LensRow,
)
from investigator.records.sweep import Swept


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
    stage: Literal["estimate", "rescored", "proven", "exact"] = "exact"
    """`exact`: every label was scored; `proven`: the top rows are exact and no other label can be among them;
    `rescored`: exact numbers for the index's best candidates only; `estimate`: the index alone."""
    recall: float | None = None
    """Share of the true top rows that the index finds on held-out calibration sources; None without an index."""
    visited: float | None = None
    """Share of the trie's nodes that were computed for this answer."""
    supported: int | None = None
    """How many labels of the whole ranking are called supported."""
    note: str = ""
    """What changed how it was computed: an index that cannot be used, batches halved for want of memory."""


class Explanations(Record, frozen=True, tag_field="result", tag="explain"):
    """Texts drawn from a reader, the diverse top k first."""

    reader: str
    drawn: int
    distinct: int
    rows: tuple[ExplanationRow, ...]
    note: str = ""
    """What forced another way of drawing than asked, such as too little memory for one batch."""


class Contrasted(Record, frozen=True, tag_field="result", tag="contrast"):
    """Two hypotheses at one place, or one at two places, compared pair by pair."""

    reader: str
    left: HypothesisRow
    right: HypothesisRow
    difference: float | None
    """Gap of the left minus gap of the right, in nats per token."""
    interval: tuple[float, float] | None
    """95 % paired bootstrap interval of the difference."""
    why: str = ""


class Found(Record, frozen=True, tag_field="result", tag="find"):
    """The positions of a corpus at which a sentence scores highest."""

    reader: str
    corpus: str
    text: str
    positions: int
    """Number of positions searched."""
    contexts: int
    rows: tuple[HitRow, ...]
    background: tuple[float, ...] = ()
    """Scores of the sentence at the layer's background positions, ascending: where real hits end."""
    rescored: int = 0
    """Number of positions scored exactly."""
    recall: float | None = None
    """Calibrated share of the true best positions that the search finds; None when every position was scored."""
    exact: bool = False
    """Whether every position was scored exactly."""


class Tested(Record, frozen=True, tag_field="result", tag="test"):
    """Typed hypotheses, scored."""

    reader: str
    rows: tuple[HypothesisRow, ...]


class MapFacts(Record, frozen=True):
    """What a map between two models is, and what it is worth on held-out sentences."""

    name: str
    kind: str
    """ridge or procrustes."""
    source: str
    """Subject of model A."""
    source_layer: int
    target: str
    """Subject of model B."""
    target_layer: int
    sentences: int = 0
    """Sentences that it was fitted on."""
    penalty: float | None = None
    """Ridge lambda; None for Procrustes."""
    cosine: float | None = None
    """Mean cosine of mapped and true vectors over held-out sentences."""
    mean_cosine: float | None = None
    """The same of the mean predictor, which knows nothing of the sentence."""
    variance: float | None = None
    """Share of the held-out variance about the mean predictor that is explained."""
    permuted: float | None = None
    """The same share for a map fitted on shuffled pairs."""
    underdetermined: bool = False
    """Whether there were fewer sentences than dimensions."""


class Compared(Record, frozen=True, tag_field="result", tag="compare"):
    """What model B's readers say of model A's vector, beside what model A's own reader says."""

    map: MapFacts
    wash: float
    own: str
    """Reader of model A."""
    embedder: str
    """What agreement was reckoned with; empty: nothing, for want of an embedder."""
    others: int
    """How many other sources stand behind lift and p."""
    rows: tuple[ComparedRow, ...]
    note: str = ""


class Intervened(Record, frozen=True, tag_field="result", tag="intervene"):
    """What a change of the residual stream does, dose by dose."""

    subject: str
    layer: int
    positions: int
    """How many positions of the prompt are changed."""
    norm: float
    """Mean L2 norm of the residual stream at those positions."""
    next: tuple[Likely, ...]
    """Most likely next tokens of the unedited run, with probabilities."""
    continuation: str
    """What the model writes on unedited."""
    rows: tuple[DoseRow, ...]
    reader: str = ""
    read_layer: int = -1
    read_at: int = -1
    """Position at which hypotheses are scored; -1 where there are none."""
    scores: tuple[float | None, ...] = ()
    """Each hypothesis' score in the unedited run."""
    note: str = ""
    """What is worth knowing, e.g. that no latent to ablate fires there."""


class Agreed(Record, frozen=True, tag_field="result", tag="agree"):
    """Which texts of different lists mean the same in other words."""

    embedder: str
    """Cosines of one embedder are not those of another."""
    threshold: float
    """A pair agrees where its cosine is above this one."""
    share: float
    """At most this share of random pairs of labels has a cosine above the threshold."""
    labels: int
    """Number of labels that were paired with each other."""
    pairs: int
    """Number of their pairs."""
    compared: int
    """Number of pairs of texts compared; times `share`: how many agree by chance, were they paired at random."""
    agreeing: int
    """Number of pairs that agree, also those past the limit."""
    rows: tuple[AgreementRow, ...]
    note: str = ""
    """What is worth knowing, e.g. how many texts hold no word that the embedder knows and agree with nothing."""


class Lens(Record, frozen=True, tag_field="result", tag="lens"):
    """The logit lens at every layer for one position."""

    rows: tuple[LensRow, ...]


class Checkup(Record, frozen=True, tag_field="result", tag="doctor"):
    """What the doctor found."""

    rows: tuple[CheckRow, ...]


class Fetched(Record, frozen=True, tag_field="result", tag="fetch"):
    """Activations of a prompt, written on the backend's machine into a file that `/questions/{id}/file` gives out."""

    subject: str
    layers: tuple[int, ...]
    positions: int
    width: int
    bytes: int
    """Size of the file: float32 `[positions, width]` for every layer, as safetensors."""


class Worked(Record, frozen=True, tag_field="result", tag="job"):
    """The end of a long command."""

    command: str
    rows: tuple[Figure, ...] = ()
    message: str = ""


Result = (
    Opened
    | Features
    | Feature
    | Labels
    | Explanations
    | Tested
    | Contrasted
    | Found
    | Compared
    | Intervened
    | Swept
    | Agreed
    | Lens
    | Checkup
    | Fetched
    | Worked
)
