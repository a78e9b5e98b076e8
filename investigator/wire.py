"""The wire: verbs, questions, events and the handshake of protocol version 1."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from investigator.provenance import Provenance, WorkbenchSummary
from investigator.records import Record, Result, Row
from investigator.sources import Residual, Source

PROTOCOL = 1
"""Raised when an old client and a new backend would misunderstand each other."""


class Open(Record, frozen=True, tag_field="verb", tag="open"):
    """Tokenise a prompt, run the subject once and capture every layer and position."""

    prompt: str = ""
    token_ids: tuple[int, ...] | None = None
    """Instead of `prompt`: the exact tokens."""
    subject: str = ""
    """Empty: the workbench's first."""
    chat: bool = False
    """Wrap the prompt as one user turn of the model's chat template."""
    continue_tokens: int = 0
    """How many tokens the model writes on (greedy where seed is None)."""
    seed: int | None = None


class ShowFeatures(Record, frozen=True, tag_field="verb", tag="features"):
    """List the active latents of an SAE at a source."""

    source: Source
    sae: str = ""
    """Empty: the SAE at the source's layer."""
    order: Literal["activation", "z", "rate"] = "z"
    filter: str = ""
    """Words that a label must hold, or a latent's number, or `rate<0.01`, `z>3`, `act>1`; several are all required."""
    unlabelled: bool = True
    limit: int = 200


class ShowFeature(Record, frozen=True, tag_field="verb", tag="feature"):
    """Show one latent's page."""

    latent: int
    sae: str = ""


class RankLabels(Record, frozen=True, tag_field="verb", tag="labels"):
    """Score every label, or the user's own sentences, under a source."""

    source: Source
    reader: str = ""
    """Empty: the default reader at the source's layer."""
    order: Literal["gap", "score", "activation"] = "gap"
    labels: tuple[str, ...] | None = None
    """The user's own sentences instead of the label set."""
    limit: int = 50
    filter: str = ""
    method: Literal["auto", "exact", "proven", "index"] = "auto"
    """`exact`: score every label; `proven`: exact top rows without visiting what cannot win; `index`: the estimate
    and exact numbers for its best candidates; `auto`: the index first where there is one, then whichever of the
    others is cheaper."""
    controls: bool = True
    """Whether the rows are judged: verdict and false discovery rate."""


class Explain(Record, frozen=True, tag_field="verb", tag="explain"):
    """Draw explanations from a reader (L2EL, appendix B)."""

    source: Source
    reader: str = ""
    samples: int = 50
    temperature: float = 1.0
    top_p: float = 0.9
    max_tokens: int = 32
    beta: float = 0.2
    keep: int = 10
    """How many texts the MMR order picks before the rest follows by likelihood."""
    seed: int = 0
    controls: bool = True
    """Whether the kept texts are judged, against self-scores."""


class Test(Record, frozen=True, tag_field="verb", tag="test"):
    """Score typed hypotheses at a source, at every position of its prompt, or at every layer with a reader."""

    hypotheses: tuple[str, ...]
    sources: tuple[Source, ...]
    """Usually one; a table of prompts gives one each."""
    reader: str = ""
    scope: Literal["position", "positions", "layers"] = "position"
    controls: bool = True
    """Whether the score is judged: controls, interval and verdict."""
    templates: tuple[str, ...] | None = None
    """Phrasings, `{}` standing for the hypothesis; None: the default ones, (): the words as typed alone."""
    wordings: dict[str, tuple[str, ...]] = {}
    """The user's own phrasings of a hypothesis, by its text."""
    tried: int = 0
    """How many other wordings were already tried at this place, which the verdict is corrected for."""
    drawn: bool = False
    """Whether the hypotheses were drawn from this activation or picked after seeing such texts: self-scores judge."""
    seed: int = 0


class Contrast(Record, frozen=True, tag_field="verb", tag="contrast"):
    """Compare two hypotheses at one place, or one at two places, with a paired interval on the difference."""

    left: str
    right: str
    source: Source
    """Where the left one is scored."""
    other: Source | None = None
    """Where the right one is scored; None: at the same place."""
    reader: str = ""
    templates: tuple[str, ...] | None = None
    seed: int = 0
    wordings: dict[str, tuple[str, ...]] = {}
    """The user's own phrasings of a hypothesis, by its text."""


class Find(Record, frozen=True, tag_field="verb", tag="find"):
    """Rank every position of an indexed corpus by log p(sentence | activation there)."""

    text: str
    corpus: str = ""
    """Name or folder of a corpus index; empty: the workbench's first corpus."""
    reader: str = ""
    """Empty: the default reader at the corpus index's layer."""
    limit: int = 20
    all_positions: bool = False
    """Whether a context may give more than its best position."""
    exact: bool = False
    """Score every position instead of the best candidates."""
    order: Literal["score"] = "score"
    seed: int = 0


class Compare(Record, frozen=True, tag_field="verb", tag="compare"):
    """Let one model's readers say what another model's activation or direction holds, through a linear map."""

    source: Source
    """Any of model A."""
    map: str = ""
    """Empty: the workbench's first map from the source's subject and layer."""
    wash: float = 0.5
    """Weight w of the background b in the washed column: unit((1 - w) d + w b); 0 leaves the column out."""
    readers: tuple[str, ...] = ()
    """Readers of model B at the map's target; empty: all of them."""
    own: str = ""
    """Reader of model A; empty: the default one at the source's layer."""
    methods: tuple[Literal["drawn", "labels"], ...] = ("drawn", "labels")
    """`drawn`: texts that a reader writes; `labels`: the best of the reader's label set by gap."""
    samples: int = 16
    temperature: float = 1.0
    top_p: float = 0.9
    max_tokens: int = 32
    keep: int = 3
    """Texts a reading keeps, best first; agreement is their mean cosine."""
    others: int = 8
    """How many other sources' own texts lift is reckoned against; 0: no lift."""
    controls: bool = False
    """Whether the controls are read too: another source, the mean, random directions, a permuted map, another text."""
    seed: int = 0


class Intervene(Record, frozen=True, tag_field="verb", tag="intervene"):
    """Change the residual stream at a place and see what follows, beside random directions of the same norm."""

    source: Source
    """The place: a token or span of a prompt at one layer, whose block output is changed."""
    ablate: tuple[int, ...] = ()
    """Latents taken away: each one's activation at every changed position times its decoder row, times the dose."""
    sae: str = ""
    """The SAE of `ablate`; empty: the one at the layer."""
    add: Source | None = None
    """Instead of `ablate`: any source of that subject; dose times what it holds beyond the layer's mean is added."""
    later: bool = False
    """Whether every later position is changed too, those of the continuation included."""
    doses: tuple[float, ...] = ()
    """Empty: 0, 0.5, 1 and 2 for an ablation, 0, 0.25, 0.5 and 1 for a direction."""
    hypotheses: tuple[str, ...] = ()
    """Sentences whose score downstream is followed."""
    reader: str = ""
    """Which reader scores them; empty: the default one at the first layer from the changed one on that has one."""
    read_at: int | None = None
    """Where they are scored; None: the last changed position for a reader at the changed layer, else the last one."""
    continue_tokens: int = 16
    """Tokens of the greedy continuation; 0: none."""
    randoms: int = 5
    """Random directions that stand beside every dose."""
    top: int = 5
    """Tokens shown whose probability rises most, and as many whose falls most."""
    seed: int = 0


class Sweep(Record, frozen=True, tag_field="verb", tag="sweep"):
    """Read every token of a prompt at every layer, each by itself: a text's gap, the reader's own words, or a latent.

    With a text, a cell is its score as typed minus its mean over the layer's background, by the reader of that layer.
    """

    source: Source
    """A prompt, or a span of one (kind `prompted`, `position` 0 and `end` 0: all of it); its layer is not used."""
    text: str = ""
    """Empty: what the reader of each layer says itself."""
    reader: str = ""
    """Empty: at each layer the workbench's default one there; one that needs no training reads any layer."""
    layers: tuple[int, ...] = ()
    """Empty: all that the reader reads."""
    method: Literal["auto", "labels", "greedy"] = "auto"
    """Without a text, `labels`: the best of the reader's label set by gap; `greedy`: its likeliest words; `auto`:
    labels by readers that are trained to rank them (soft prompts), greedy words by all others."""
    latent: int | None = None
    """Instead of text and reader: the activation of this latent at its SAE's layer."""
    sae: str = ""
    """The SAE of `latent`; empty: the workbench's first."""


class Agree(Record, frozen=True, tag_field="verb", tag="agree"):
    """Say which texts of different lists mean the same in other words, by the cosine of their embeddings."""

    texts: tuple[tuple[str, ...], ...]
    """Lists of texts, such as one a reader; only texts of different lists are compared, no text with itself."""
    share: float = 0.001
    """A pair agrees where at most this share of random pairs of the workbench's labels has as large a cosine."""
    labels: str = ""
    """The SAE whose labels the random pairs are of; empty: the first that has labels."""
    every: bool = False
    """Whether pairs that do not agree are listed too."""
    limit: int = 500
    """Pairs listed, the largest cosine first."""
    seed: int = 0
    """Picks the labels, where there are too many to pair all."""
    embedder: Literal["", "own", "minilm"] = ""
    """`own`: the workbench's; `minilm`: all-MiniLM-L6-v2, where it is installed; empty: own, else minilm."""


class ShowLens(Record, frozen=True, tag_field="verb", tag="lens"):
    """Read the logit lens at every layer for one position."""

    source: Residual
    k: int = 5


class CheckWorkbench(Record, frozen=True, tag_field="verb", tag="doctor"):
    """Check that the workbench's parts fit together."""


class Fetch(Record, frozen=True, tag_field="verb", tag="fetch"):
    """Write a prompt's activations into a file; the only question whose answer lets activations travel."""

    token_ids: tuple[int, ...]
    """The whole prompt, special tokens included."""
    subject: str = ""
    """Empty: the workbench's first."""
    layers: tuple[int, ...] = ()
    """Block indices; empty: all."""


class Work(Record, frozen=True, tag_field="verb", tag="work"):
    """A long command run by a child of the backend: train, evaluate, index."""

    command: str
    """`train STAGE`, `evaluate NAME`, `index labels` or `index corpus`."""
    arguments: dict[str, str | int | float | bool] = {}
    files: tuple[str, ...] = ()
    """Files or folders that the command reads."""


Verb = (
    Open
    | ShowFeatures
    | ShowFeature
    | RankLabels
    | Explain
    | Test
    | Contrast
    | Find
    | Compare
    | Intervene
    | Sweep
    | Agree
    | ShowLens
    | CheckWorkbench
    | Fetch
    | Work
)


class Question(Record, frozen=True):
    """A verb with an identity: asking the same id again is asking once."""

    id: str
    client: str
    """Who asks; fairness, leases and slots are by client."""
    verb: Verb
    slot: str = ""
    """A newer question in the same slot of the same client supersedes the older; empty: none."""
    priority: int = 0
    """Higher runs first."""
    protocol: int = PROTOCOL
    detached: bool = False
    """Whether it goes on without its client, its events kept on disk, until it is done or cancelled."""


class Accepted(Record, frozen=True, tag_field="event", tag="accepted"):
    """First event: the verb with every default resolved, and its provenance."""

    verb: Verb
    provenance: Provenance
    n: int = 0


class Progress(Record, frozen=True, tag_field="event", tag="progress"):
    """How far the work is."""

    done: int
    total: int
    message: str = ""
    n: int = 0


class Partial(Record, frozen=True, tag_field="event", tag="partial"):
    """Rows that replace earlier rows of the same key."""

    rows: tuple[Row, ...]
    n: int = 0


class Finished(Record, frozen=True, tag_field="event", tag="result"):
    """Last event of a question that was answered; complete alone."""

    result: Result
    n: int = 0


class Failed(Record, frozen=True, tag_field="event", tag="error"):
    """Last event of a question that could not be answered, as sentences for a person."""

    kind: str
    message: str
    mend: str = ""
    n: int = 0


class Cancelled(Record, frozen=True, tag_field="event", tag="cancelled"):
    """Last event of a question that was stopped."""

    reason: str = ""
    n: int = 0


Event = Accepted | Progress | Partial | Finished | Failed | Cancelled
LAST = (Finished, Failed, Cancelled)
"""The events that end a question."""


class Handshake(Record, frozen=True):
    """What a backend says of itself before anything is asked."""

    protocol: int
    version: str
    build: str
    pid: int
    nonce: str
    state: Literal["loading", "ready", "failed"]
    workbench: WorkbenchSummary | None = None
    """Known once the state is ready."""
    device: str = ""
    dtype: str = ""
    message: str = ""
    """What is being loaded, or why loading failed and what to do."""


class Running(Record, frozen=True):
    """A question as the status route shows it."""

    id: str
    client: str
    verb: str
    state: Literal["queued", "running", "ended"]
    events: int


class ServerStatus(Record, frozen=True):
    """What a backend is doing."""

    handshake: Handshake
    questions: tuple[Running, ...] = ()
    clients: tuple[str, ...] = ()
    idle_seconds: float = 0.0
    started_at: str = ""
    """When the process began, ISO 8601 in UTC."""
    memory_bytes: int = 0
    """Resident memory of the process; 0 where the system does not say."""
    linger: float = 0.0
    """Seconds that it stays after its last client."""


class Lease(Record, frozen=True):
    """A client's promise to come back within `seconds`."""

    client: str
    seconds: float


def encode(record: Any) -> bytes:
    """Encode a record as one line of JSON; NaN becomes null, which no decoder of ours takes for a number."""
    return msgspec.json.encode(record)
