"""The canned backend with controls, wordings, stages and hits: a test streams its parts, a corpus its hits."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from fake_backend import BACKGROUND, PROVENANCE, SAE_LAYER, FakeBackend, place, score, tag
from investigator.provenance import ReaderSummary, WorkbenchSummary
from investigator.records import Contrasted, Control, Found, HitRow, HypothesisRow, Score, Tested, Wording
from investigator.sources import Residual
from investigator.wire import Accepted, Contrast, Event, Find, Finished, Handshake, Partial, Progress, Test, Verb

BASE = -0.95 - 1.27
"""Mean score of every canned text over the background."""
GAPS = {"supported": 1.27, "not above baseline": 0.31, "fits almost anything": 0.05}


def judged(text: str, tried: int = 0, *, drawn: bool = False) -> Score:
    """Return a score with every control; its verdict follows from the text's first word."""
    named = {"vague": "fits almost anything", "wrong": "not above baseline"}
    verdict = named.get(text.split(" ")[0], "supported")
    gap = GAPS[verdict]
    spread = tuple(BASE - 0.3 + 0.01 * step for step in range(60))
    controls = [
        Control("mean", BASE - 0.2, -0.2),
        Control("random norm", BASE - 0.1, -0.1, spread, 200),
        Control("random covariance", BASE, 0.0, tuple(value + 0.1 for value in spread), 200),
        Control("other tokens", BASE + 0.4, 0.4, (BASE, BASE + 0.4, BASE + 0.8), 9),
        Control("prompt only", -7.0, gap - 0.4),
    ]
    if drawn:
        controls.append(Control("self-scores", BASE + 0.5, 0.5, tuple(value + 0.5 for value in spread), 200))
    why = "Above all 512 background activations (p .002), and above 95 % of random vectors."
    note = "also readable from the text" if verdict == "supported" else ""
    interval = (gap - 0.2, gap + 0.2)
    return Score(
        BASE + gap, gap, 0.002, 5, 512, tuple(controls), interval, verdict, 0.4, why, note, tried=tried + 1  # type: ignore[arg-type]
    )  # fmt: skip


class JudgedBackend(FakeBackend):
    """Answers tests in stages, contrasts, and finds eight hits of which six stand above the background."""

    def __init__(self, reader_layers: tuple[int, ...] = (SAE_LAYER,)) -> None:
        super().__init__()
        self.reader_layers = reader_layers
        self.document = "held.jsonl"

    async def handshake(self, *, wait: bool = False) -> Handshake:
        """Return a workbench with readers at the layers wanted."""
        hands = await super().handshake(wait=wait)
        if hands.workbench is None:
            return hands
        layers = self.reader_layers
        readers = tuple(ReaderSummary(f"mapper-{at}", "soft_prompt", "pocket", at, "", 3912) for at in layers)
        book: WorkbenchSummary = msgspec.structs.replace(hands.workbench, readers=readers)
        return msgspec.structs.replace(hands, workbench=book)

    def _events(self, verb: Verb) -> Iterator[Event]:
        if tag(verb) in self.fail or not isinstance(verb, (Test, Find, Contrast)):
            yield from super()._events(verb)
            return
        yield Accepted(verb, PROVENANCE)
        match verb:
            case Test():
                yield from self._staged(verb)
            case Find():
                yield from self._hits(verb)
            case Contrast():
                yield from self._compared(verb)

    def _row(self, verb: Test, text: str) -> HypothesisRow:
        source = verb.sources[0]
        count = len(source.token_ids) if isinstance(source, Residual) else 0
        every = tuple(score(-2.0 + 0.1 * at, -0.5 + 0.2 * at, 0.5) for at in range(count))
        others = verb.wordings.get(text, ())
        wordings = tuple(Wording(one, -1.0 - 0.1 * n, 1.2 - 0.1 * n) for n, one in enumerate((text, *others)))
        layers = tuple((layer, every) for layer in self.reader_layers) if verb.scope == "layers" else ()
        here = judged(text, verb.tried, drawn=verb.drawn)
        positions = every if verb.scope == "positions" else ()
        spread = 0.1 * len(wordings)
        return HypothesisRow(
            text, here, 0, SAE_LAYER, place(source), BACKGROUND, positions, layers, wordings, spread
        )  # fmt: skip

    def _staged(self, verb: Test) -> Iterator[Event]:
        whole = tuple(self._row(verb, text) for text in verb.hypotheses)
        yield Progress(1, 3, "background")
        yield Partial(tuple(_bare(row) for row in whole))
        yield Progress(2, 3, "controls")
        yield Partial(tuple(_undecided(row) for row in whole))
        yield Finished(Tested("mapper", whole))

    def _compared(self, verb: Contrast) -> Iterator[Event]:
        left = self._row(Test((verb.left,), (verb.source,)), verb.left)
        right = self._row(Test((verb.right,), (verb.other or verb.source,)), verb.right)
        yield Progress(1, 2, "scoring both")
        yield Finished(Contrasted("mapper", left, right, 0.42, (0.1, 0.8), "The left one fits better."))

    def _hits(self, verb: Find) -> Iterator[Event]:
        rows = tuple(self._hit(at) for at in range(min(verb.limit, 8)))
        yield Progress(400, 800, "rescoring")
        yield Partial(rows[:3])
        background = tuple(-3.0 + 0.002 * step for step in range(512))
        recall = None if verb.exact else 0.94
        yield Finished(
            Found("mapper", "pocket-held", verb.text, 50_000, 1_200, rows, background, 800, recall, verb.exact)
        )  # fmt: skip

    def _hit(self, at: int) -> HitRow:
        label = self.labels[at % len(self.labels)]
        words = ("They", " sailed", f" {label}", " into", " the", " harbour", " at", " dusk")
        value = -0.8 - 0.25 * at
        return HitRow(at, 40 + at, f"{self.document}:{at}", words, 5, Score(value, value + 2.2, 0.002, 5, 512), at + 1)


def _bare(row: HypothesisRow) -> HypothesisRow:
    score = Score(row.score.score, tokens=5)
    return msgspec.structs.replace(row, score=score, background=(), positions=(), wordings=())


def _undecided(row: HypothesisRow) -> HypothesisRow:
    score = msgspec.structs.replace(row.score, verdict=None, why="", note="", interval=None)
    return msgspec.structs.replace(row, score=score)
