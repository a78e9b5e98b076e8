"""A backend over canned, deterministic answers, with gates in place of delays: nothing here sleeps.

`gate[verb]` holds back every event after `accepted` until it is set; `fail[verb]` answers with an error; `kill()`
breaks every stream and every later call until `revive()`; `asked` and `cancelled` say what the app did.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import msgspec

from investigator.errors import Disconnected, InvestigatorError
from investigator.provenance import Part, Provenance, ReaderSummary, SaeSummary, SubjectSummary, WorkbenchSummary
from investigator.records import (
    Agreed,
    AgreementRow,
    CheckRow,
    Checkup,
    Context,
    Contrasted,
    Control,
    ExplanationRow,
    Explanations,
    Feature,
    FeatureRow,
    Features,
    Fidelity,
    FidelityControl,
    Found,
    HitRow,
    HypothesisRow,
    LabelNote,
    LabelRow,
    Labels,
    Lens,
    LensRow,
    Likely,
    Neighbour,
    Opened,
    Point,
    Result,
    Score,
    Tested,
    Token,
)
from investigator.sources import Residual, Source
from investigator.wire import (
    Accepted,
    Agree,
    Cancelled,
    CheckWorkbench,
    Contrast,
    Event,
    Explain,
    Failed,
    Find,
    Finished,
    Handshake,
    Open,
    Partial,
    Progress,
    Question,
    RankLabels,
    ServerStatus,
    ShowFeature,
    ShowFeatures,
    ShowLens,
    Test,
    Verb,
)

EXAMPLE = "Several whales surfaced beside the old harbour in Lisbon"
LAYERS = 6
SAE_LAYER = 3
BACKGROUND = tuple(-3.0 + 0.004 * step for step in range(512))
LABELS = (
    "names of cities",
    "references to Portugal",
    "words for seaports",
    "words in a title",
    "references to whales",
    "animals of the sea",
    "old buildings",
    'the word "in" before a place',
    "references to ships and sailing",
    "verbs of rising",
    "numbers above ten",
    "parts of the body",
)

SUMMARY = WorkbenchSummary(
    name="pocket",
    path="/pocket/workbench.toml",
    subjects=(SubjectSummary("pocket", "llama", 7_100_000, LAYERS, 64, 128, SAE_LAYER),),
    saes=(SaeSummary("pocket-l3", "pocket", SAE_LAYER, 4096, 3912),),
    readers=(ReaderSummary("mapper", "soft_prompt", "pocket", SAE_LAYER, "pocket-l3", 3912),),
    example=EXAMPLE,
)

PROVENANCE = Provenance(
    protocol=1,
    version="0.1.0",
    build="test",
    workbench="pocket",
    parts={"subject": Part("pocket", "0011223344556677"), "sae": Part("pocket-l3", "8899aabbccddeeff")},
    device="cpu",
    dtype="float32",
    threads=2,
    seed=0,
    libraries={"torch": "2.13"},
    machine="test machine",
    asked_at="2026-01-01T12:04:00+00:00",
)


def tokens_of(prompt: str) -> tuple[Token, ...]:
    """Return one token a word, spaces kept, with the beginning-of-sequence token in front."""
    words = [word if not at else f" {word}" for at, word in enumerate(prompt.split(" "))]
    return (Token(1, "<bos>", special=True), *(Token(100 + sum(map(ord, word)), word) for word in words))


def score(value: float, gap: float, p: float = 0.002, verdict: str | None = "supported") -> Score:
    """Return a full score with its controls."""
    controls = (Control("mean", value - gap), Control("random", value - gap - 0.1))
    return Score(value, gap, p, 5, 512, controls, (gap - 0.2, gap + 0.2), verdict)


class FakeBackend:
    """Implements `backends.base.Backend`."""

    def __init__(self) -> None:
        self.asked: list[Question] = []
        self.cancelled: list[str] = []
        self.gate: dict[str, asyncio.Event] = {}
        self.pass_through: dict[str, int] = {}
        """Number of a verb's first events that its gate lets through (1, `accepted`, where nothing is said)."""
        self.fail: dict[str, InvestigatorError] = {}
        self.labels = LABELS
        """Replace them to see hostile text go through."""
        self.example = EXAMPLE
        self.meanings: dict[tuple[str, str], float] = {}
        """Cosines of the pairs of texts that mean the same."""
        self.book = SUMMARY
        """What the workbench names."""
        self.ready = asyncio.Event()
        """Unset: the backend says that it is loading."""
        self.ready.set()
        self.connections = 0
        self.closed = 0
        self._dead = asyncio.Event()
        self._stopped: dict[str, asyncio.Event] = {}
        self._prompts: dict[tuple[int, ...], tuple[Token, ...]] = {}
        self._nonce = 0

    async def connect(self) -> FakeBackend:
        """Give this to the app as `connect`."""
        self._alive()
        self.connections += 1
        return self

    def hold(self, verb: str) -> asyncio.Event:
        """Hold a verb's events back until the returned event is set."""
        self.gate[verb] = asyncio.Event()
        return self.gate[verb]

    def kill(self) -> None:
        """Die: every stream breaks."""
        self._dead.set()

    def revive(self) -> None:
        """Come back as another process."""
        self._dead.clear()
        self._nonce += 1

    def verbs(self, name: str = "") -> list[Verb]:
        """Return what was asked, in order: all, or one verb's."""
        return [question.verb for question in self.asked if name in {"", tag(question.verb)}]

    async def handshake(self, *, wait: bool = False) -> Handshake:
        """Return who is there."""
        self._alive()
        if wait:
            await self.ready.wait()
        ready, nonce = self.ready.is_set(), str(self._nonce)
        book = msgspec.structs.replace(self.book, example=self.example)
        if not ready:
            return Handshake(1, "0.1.0", "test", 1, nonce, "loading", message="loading weights")
        return Handshake(1, "0.1.0", "test", 1, nonce, "ready", book, "cpu", "float32")

    async def ask(self, question: Question, *, start: int = 0) -> AsyncIterator[Event]:
        """Stream canned events, numbered."""
        self._alive()
        self.asked.append(question)
        self._supersede(question)
        stop = self._stopped[question.id] = asyncio.Event()
        for number, canned in enumerate(self._events(question.verb)):
            held = number >= self.pass_through.get(tag(question.verb), 1)
            ended = await self._wait(tag(question.verb), stop) if held else None
            event = ended or canned
            yield numbered(event, number)
            if isinstance(event, (Finished, Failed, Cancelled)):
                return

    async def cancel(self, id: str) -> None:
        """Stop a question."""
        self._alive()
        self.cancelled.append(id)
        if id in self._stopped:
            self._stopped[id].set()

    async def acknowledge(self, id: str) -> None:
        """Forget a question's events."""

    async def file(self, id: str, *, start: int = 0) -> AsyncIterator[bytes]:
        """Stream a file of a few bytes."""
        yield b"file"[start:]

    async def status(self) -> ServerStatus:
        """Return an idle status."""
        return ServerStatus(await self.handshake())

    async def aclose(self) -> None:
        """Count the farewell."""
        self.closed += 1

    def _alive(self) -> None:
        if self._dead.is_set():
            raise Disconnected("The backend's process is gone.", "It is started again.")

    def _supersede(self, question: Question) -> None:
        for older in self.asked[:-1]:
            if question.slot and older.slot == question.slot and older.id in self._stopped:
                self._stopped[older.id].set()

    async def _wait(self, name: str, stop: asyncio.Event) -> Cancelled | None:
        """Wait at the verb's gate; return Cancelled where it was stopped meanwhile, raise where the backend died."""
        gate = self.gate.get(name)
        waits = [asyncio.ensure_future(event.wait()) for event in (stop, self._dead, *([gate] if gate else []))]
        try:
            if gate is not None:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        self._alive()
        return Cancelled("stopped") if stop.is_set() else None

    def _events(self, verb: Verb) -> Iterator[Event]:
        yield Accepted(verb, PROVENANCE)
        if tag(verb) in self.fail:
            problem = self.fail[tag(verb)]
            yield Failed(problem.kind, problem.message, problem.mend)
            return
        match verb:
            case RankLabels():
                rows = self._label_rows(verb)
                yield Progress(6, 12, "scoring")
                yield Partial(rows[:4])
                yield Finished(self._labels(verb, rows))
            case Explain():
                yield from self._explain(verb)
            case _:
                yield Finished(self._answer(verb))

    def _answer(self, verb: Verb) -> Result:
        match verb:
            case Open():
                return self._open(verb)
            case ShowFeatures():
                return self._features(verb)
            case ShowFeature():
                return self._feature(verb)
            case Test():
                return Tested("mapper", tuple(self._hypothesis(verb, text) for text in verb.hypotheses))
            case Contrast():
                return self._contrast(verb)
            case Find():
                return self._find(verb)
            case ShowLens():
                words = ("bon", " don", " Portugal", ",", ".", " and")
                return Lens(tuple(LensRow(at, (Likely(words[at], 0.3), Likely(" x", 0.1))) for at in range(LAYERS)))
            case Agree():
                return self._agree(verb)
            case CheckWorkbench():
                return Checkup((CheckRow("subject", "ok", "The subject loads."),))
        raise AssertionError(f"no canned answer for {verb}")

    def _open(self, verb: Open) -> Opened:
        tokens = self._prompts.get(verb.token_ids or ()) or tokens_of(verb.prompt)
        text = verb.prompt or "".join(token.text for token in tokens if not token.special)
        written = tokens_of(", and so on until the end")[1 : 1 + verb.continue_tokens]
        tokens += written
        self._prompts[tuple(token.id for token in tokens)] = tokens
        norms = tuple(tuple(10.0 + 3.0 * at + layer for at in range(len(tokens))) for layer in range(LAYERS))
        following = (Likely(",", 0.31), Likely(".", 0.22), Likely(" and", 0.09))
        return Opened("pocket", text, tokens, LAYERS, 64, norms, following, len(written))

    def _features(self, verb: ShowFeatures) -> Features:
        at = place(verb.source)
        texts = [self.labels[(at + n) % len(self.labels)] for n in range(5)]
        rows = tuple(
            FeatureRow(100 * at + n, 8.5 - n, 6.2 - 0.8 * n, 0.0003 * (n + 1), (text,)) for n, text in enumerate(texts)
        )
        rows += (FeatureRow(100 * at + 90, 0.4, 0.2, 0.08),)
        if not verb.unlabelled:
            rows = rows[:5]
        if verb.order == "rate":
            rows = tuple(sorted(rows, key=lambda row: row.rate))
        if verb.filter:
            rows = tuple(row for row in rows if verb.filter in " ".join(row.labels))
        return Features("pocket-l3", verb.order, len(rows), 1, rows)

    def _feature(self, verb: ShowFeature) -> Feature:
        words = ("the", " old", " harbour", " of", " Lisbon")
        return Feature(
            "pocket-l3",
            verb.latent,
            (LabelNote(self.labels[verb.latent % len(self.labels)], "rule", "hypernym", 0.8),),
            0.0012,
            -0.2,
            0.5,
            9.1,
            (Context(words, (0.0, 0.5, 4.0, 0.0, 9.1), 4, "held:1"), Context(words, (0.0, 0.1, 3.0, 0.0, 2.0), 2)),
            (0.0, 1.0, 2.0, 3.0),
            (30, 12, 4),
            (Neighbour(7, 0.61, ("words for seaports",)), Neighbour(9, 0.44)),
            (Likely(" harbour", 3.1), Likely(" port", 2.2)),
            (Likely(" the", -1.2),),
        )

    def _label_rows(self, verb: RankLabels) -> tuple[LabelRow, ...]:
        at = place(verb.source)
        texts = verb.labels or self.labels
        rows = [
            LabelRow(
                text,
                score(-1.0 - 0.1 * n, 1.9 - 0.2 * n, 0.002 * (n + 1), "supported" if n < 4 else "not above baseline"),
                max(0.0, 8.5 - 2 * n) if n % 2 == 0 else 0.0,
                (100 * at + n,),
                n + 1,
            )
            for n, text in enumerate(texts[(at + n) % len(texts)] for n in range(len(texts)))
        ]
        if verb.filter:
            rows = [row for row in rows if verb.filter in row.text]
        return tuple(rows)

    def _labels(self, verb: RankLabels, rows: tuple[LabelRow, ...]) -> Labels:
        points = tuple(Point(row.text, row.activation, row.score.score or 0.0) for row in rows if row.activation)
        return Labels("mapper", verb.order, 3912, 0, rows, points[:3], points)

    def _explain(self, verb: Explain) -> Iterator[Event]:
        at = place(verb.source)
        if verb.reader:
            yield from self._verbalize(verb)
            return
        texts = (self.labels[at % len(self.labels)], f"names of places, seed {verb.seed}", "words in various contexts")
        verdicts = ("supported", "not above baseline", "fits almost anything")
        rows = tuple(
            ExplanationRow(text, score(-0.9 - 0.1 * n, 1.8 - 0.9 * n, 0.01, verdicts[n]), 3 - n, n + 1, n == 0)
            for n, text in enumerate(texts)
        )
        for done in range(1, 4):
            yield Progress(done * verb.samples // 4, verb.samples, "drawing")
            yield Partial(rows[:done])
        yield Finished(Explanations("mapper", verb.samples, 3, rows))

    def _verbalize(self, verb: Explain) -> Iterator[Event]:
        """Two texts; with their fidelity where the reader's name says that it has a reconstructor."""
        texts = (f"{verb.reader} says ports, seed {verb.seed}", f"{verb.reader} says towns")
        controls = (
            FidelityControl("mean vector", 0.66, -0.2),
            FidelityControl("random text", 0.5, -0.78, 16),
            FidelityControl("shuffled words", 0.87, 0.54),
        )
        known = [Fidelity(0.62 - 0.5 * n, 0.89 - 0.2 * n, controls, 0.28, "512 activations") for n in range(2)]
        has = verb.reader.startswith("nla")
        rows = tuple(
            ExplanationRow(text, score(-1.0, 0.9 - n, verdict=None), 2, n + 1, fidelity=known[n] if has else None)
            for n, text in enumerate(texts)
        )
        yield Partial(rows)
        yield Finished(Explanations(verb.reader, verb.samples, 2, rows))

    def _hypothesis(self, verb: Test, text: str) -> HypothesisRow:
        source = verb.sources[0]
        count = len(source.token_ids) if isinstance(source, Residual) else 0
        every = tuple(score(-2.0 + 0.1 * at, -0.5 + 0.2 * at, 0.5) for at in range(count))
        here = score(-0.95, 1.27)
        return HypothesisRow(
            text, here, 0, SAE_LAYER, place(source), BACKGROUND, every if verb.scope == "positions" else ()
        )

    def _agree(self, verb: Agree) -> Agreed:
        several = [frozenset(texts) for texts in verb.texts]
        rows = [
            AgreementRow(left, right, cosine, 0.0002, True)
            for (left, right), cosine in self.meanings.items()
            if any(left in a and right in b for a in several for b in several if a is not b)
        ]
        rows.sort(key=lambda row: -row.cosine)
        compared = sum(len(a) * len(b) for at, a in enumerate(verb.texts) for b in verb.texts[at + 1 :])
        return Agreed("pocket-static", 0.73, verb.share, 1024, 523_776, compared, len(rows), tuple(rows))

    def _contrast(self, verb: Contrast) -> Contrasted:
        left, right = (
            HypothesisRow(text, score(-0.95 - n, 1.27 - n), 0, SAE_LAYER, place(source), BACKGROUND)
            for n, (text, source) in enumerate(((verb.left, verb.source), (verb.right, verb.other or verb.source)))
        )
        why = "The left one fits better: its gap is larger by 1.00, and 0 lies outside the interval."
        return Contrasted("mapper", left, right, 1.0, (0.8, 1.2), why)

    def _find(self, verb: Find) -> Found:
        words = ("the", " old", " harbour", " of", " Lisbon")
        rows = tuple(
            HitRow(n, 4, f"stories:{n}", words, 4, score(-0.9 - 0.1 * n, 1.8 - 0.9 * n, verdict=None), n + 1)
            for n in range(min(verb.limit, 4))
        )
        return Found("mapper", verb.corpus or "stories", verb.text, 5000, 40, rows, BACKGROUND, 100, 0.95, verb.exact)


def tag(verb: Verb) -> str:
    """Return the verb's name."""
    return str(verb.__struct_config__.tag)


def place(source: Source) -> int:
    """Return a small number that differs between places."""
    if not isinstance(source, Residual):
        return 0
    at = source.position if source.position >= 0 else len(source.token_ids) + source.position
    return at + 20 * source.layer + (500 if source.end is not None else 0)


def numbered(event: Event, n: int) -> Event:
    """Return the event with its number."""
    return msgspec.structs.replace(event, n=n)
