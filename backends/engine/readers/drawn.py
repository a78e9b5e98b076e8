"""Texts drawn from a reader and scored: what `explain` shows, and what self-scores are made of (L2EL, appendix B)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor

from backends.engine.likelihood import Ids
from backends.engine.likelihood.states import PrefixStates, one_prefix
from backends.engine.mmr import diverse
from backends.engine.readers.prepared import Prepared, prepare, score_prepared
from backends.engine.readers.reader import Reader
from backends.engine.sampling import draw
from backends.engine.shortage import HALVED, fewer
from investigator.sources import Mean
from investigator.wire import Explain


class Sampling(Protocol):
    """How texts are drawn; the verb `Explain` is one."""

    @property
    def samples(self) -> int: ...  # noqa: D102 - the verb's own fields
    @property
    def temperature(self) -> float: ...  # noqa: D102
    @property
    def top_p(self) -> float: ...  # noqa: D102
    @property
    def max_tokens(self) -> int: ...  # noqa: D102
    @property
    def beta(self) -> float: ...  # noqa: D102
    @property
    def keep(self) -> int: ...  # noqa: D102


_SEEDS_APART = 1_000_003
"""Between the seeds of two halves of one drawing."""
_USUAL = Explain(Mean("", 0)).max_tokens


def longest(reader: Reader, asked: int) -> int:
    """Return how many tokens a text may have: where nothing but the usual length is asked, the reader's own."""
    return reader.spec.max_tokens if asked == _USUAL else asked


@dataclass
class Drawing:
    """The texts drawn for one source `[d]`, then their scores under it."""

    reader: Reader
    vector: Tensor
    counts: Counter[str] = field(default_factory=Counter)
    """How often each distinct text was drawn, the empty one included."""
    scores: dict[str, float] = field(default_factory=dict)
    """Score of every text that has one; NaN: it failed."""
    prepared: Prepared | None = None
    note: str = ""
    """What forced other batches than the plan's, for the record."""

    def draw(self, how: Sampling, seed: int) -> Iterator[tuple[str, ...]]:
        """Draw all samples in one batch, or in halves of it where memory is short; yields what each step finished.

        A half has a seed of its own, so halved drawings give other texts than whole ones; `note` says that it was so.
        """
        reader, most = self.reader, how.samples
        prefix = one_prefix(reader.speaker, reader.start(self.vector[None]))
        yield ()
        while True:
            try:
                for number, start in enumerate(range(0, how.samples, most)):
                    yield from self._batch(how, prefix, min(most, how.samples - start), seed + _SEEDS_APART * number)
                return
            except (MemoryError, RuntimeError) as error:
                most = fewer(error, most)
                self.counts.clear()
                self.note = HALVED

    def _batch(self, how: Sampling, prefix: PrefixStates, samples: int, seed: int) -> Iterator[tuple[str, ...]]:
        reader = self.reader
        steps = draw(
            reader.speaker,
            prefix,
            samples=samples,
            temperature=how.temperature,
            top_p=how.top_p,
            max_tokens=how.max_tokens,
            seed=seed,
            stops=reader.stops,
            ended=reader.ended,
        )
        for done in steps:
            texts = [reader.text(drawn.ids) for drawn in done]
            self.counts.update(texts)
            yield tuple(dict.fromkeys(text for text in texts if text))

    def score(self) -> Iterator[None]:
        """Score every distinct text under the source that it was drawn from."""
        texts = sorted(text for text in self.counts if text)
        speaker, soft = self.reader.speaker, self.reader.soft(self.vector[None])
        self.prepared = prepare(speaker, texts, slots=self.reader.slots)
        for done in score_prepared(speaker, soft, self.prepared):
            for index, value in zip(done.texts.tolist(), done.scores[0].tolist(), strict=True):
                self.scores[self.prepared.texts[index]] = value
            yield None

    def ids(self, text: str) -> Ids:
        """Return the token ids of a text that could be scored."""
        assert self.prepared is not None
        index = self.prepared.texts.index(text)
        return self.prepared.ids[self.prepared.valid.tolist().index(index)]

    def picked(self, how: Sampling) -> list[str]:
        """Return the diverse best texts, at most `how.keep` (MMR)."""
        scored = {text: value for text, value in sorted(self.scores.items()) if value == value}
        texts = sorted(scored, key=lambda text: -scored[text])
        return [texts[i] for i in diverse(texts, [scored[text] for text in texts], beta=how.beta, keep=how.keep)]

    def order(self, picked: Sequence[str]) -> list[str]:
        """Return the picked texts, then the rest by likelihood, then what could not be scored."""
        known = {text: value for text, value in sorted(self.scores.items()) if value == value}
        kept = set(picked)
        rest = [text for text in sorted(known, key=lambda text: -known[text]) if text not in kept]
        return [*picked, *rest, *sorted(text for text in self.counts if text and text not in known)]
