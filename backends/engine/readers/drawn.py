"""Texts drawn from a reader and scored: what `explain` shows, and what self-scores are made of (L2EL, appendix B)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor

from backends.engine.likelihood import Ids
from backends.engine.likelihood.states import one_prefix
from backends.engine.mmr import diverse
from backends.engine.readers.prepared import Prepared, prepare, score_prepared
from backends.engine.readers.reader import Reader
from backends.engine.sampling import draw


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


@dataclass
class Drawing:
    """The texts drawn from one soft prompt `[1, slots, d]`, then their scores under it."""

    reader: Reader
    soft: Tensor
    counts: Counter[str] = field(default_factory=Counter)
    """How often each distinct text was drawn, the empty one included."""
    scores: dict[str, float] = field(default_factory=dict)
    """Score of every text that has one; NaN: it failed."""
    prepared: Prepared | None = None

    def draw(self, how: Sampling, seed: int) -> Iterator[tuple[str, ...]]:
        """Draw all samples in one batch; yields the distinct texts that each model step finished."""
        prefix = one_prefix(self.reader.subject, self.soft)
        yield ()
        steps = draw(
            self.reader.subject,
            prefix,
            samples=how.samples,
            temperature=how.temperature,
            top_p=how.top_p,
            max_tokens=how.max_tokens,
            seed=seed,
        )
        for done in steps:
            texts = [self.reader.subject.decode(drawn.ids).strip() for drawn in done]
            self.counts.update(texts)
            yield tuple(dict.fromkeys(text for text in texts if text))

    def score(self) -> Iterator[None]:
        """Score every distinct text under the soft prompt that it was drawn from."""
        texts = sorted(text for text in self.counts if text)
        self.prepared = prepare(self.reader.subject, texts, slots=self.reader.slots)
        for done in score_prepared(self.reader.subject, self.soft, self.prepared):
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
