"""A prompt opened from Python: every question about its tokens, answered synchronously."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar, cast

from investigator import targets
from investigator.events import Answer
from investigator.records import (
    Contrasted,
    ExplanationRow,
    Explanations,
    Features,
    Fetched,
    LabelRow,
    Labels,
    Lens,
    Opened,
    Record,
    Row,
    Tested,
    Token,
)
from investigator.sources import Residual
from investigator.wire import Explain, Fetch, RankLabels, ShowFeatures, ShowLens, Verb

if TYPE_CHECKING:
    from investigator.api import Investigator

R = TypeVar("R", bound=Record)


class Prompt:
    """An opened prompt. `token` is a position (-1 is the last) or a span (`slice(3, 7)` or `(3, 7)`: their mean).

    `layer` is a block's index, None the workbench's default; layer L is the output of block L.
    """

    def __init__(self, bench: Investigator, opened: Opened) -> None:
        self._bench = bench
        self.opened = opened
        """Tokens, norms and likely next tokens."""

    def __repr__(self) -> str:
        return f"<Prompt {self.opened.prompt!r}, {len(self.opened.tokens)} tokens>"

    @property
    def tokens(self) -> tuple[Token, ...]:
        """Return the prompt's tokens, special ones included."""
        return self.opened.tokens

    def source(self, token: targets.Token = -1, layer: int | None = None) -> Residual:
        """Return the residual stream at a place, as a source; raise BadInput where there is no such place."""
        if layer is None:
            layer = targets.default_layer(self._bench.workbench, self.opened.subject)
        return targets.residual(self.opened, token, layer)

    def features(
        self,
        token: targets.Token = -1,
        layer: int | None = None,
        *,
        sae: str = "",
        order: Literal["activation", "z", "rate"] = "z",
        filter: str = "",
        unlabelled: bool = True,
        limit: int = 200,
    ) -> Features:
        """Return the SAE latents active there."""
        verb = ShowFeatures(self.source(token, layer), sae, order, filter, unlabelled, limit)
        return cast(Features, self._bench.ask(verb).result)

    def labels(
        self,
        token: targets.Token = -1,
        layer: int | None = None,
        *,
        reader: str = "",
        order: Literal["gap", "score", "activation"] = "gap",
        labels: Sequence[str] | None = None,
        limit: int = 50,
        filter: str = "",
        method: Literal["auto", "exact", "proven", "index"] = "auto",
        controls: bool = True,
    ) -> Labels:
        """Return every label of the reader, or your own sentences, ranked by how well they fit."""
        own = tuple(labels) if labels is not None else None
        verb = RankLabels(self.source(token, layer), reader, order, own, limit, filter, method, controls)
        return cast(Labels, self._bench.ask(verb).result)

    def explain(
        self,
        token: targets.Token = -1,
        layer: int | None = None,
        *,
        reader: str = "",
        samples: int = 50,
        temperature: float = 1.0,
        top_p: float = 0.9,
        max_tokens: int = 32,
        beta: float = 0.2,
        keep: int = 10,
        seed: int = 0,
        controls: bool = True,
    ) -> Explanations:
        """Return explanations drawn from the reader, the diverse best first (L2EL, appendix B)."""
        source = self.source(token, layer)
        verb = Explain(source, reader, samples, temperature, top_p, max_tokens, beta, keep, seed, controls)
        return cast(Explanations, self._bench.ask(verb).result)

    def explaining(
        self,
        token: targets.Token = -1,
        layer: int | None = None,
        *,
        reader: str = "",
        samples: int = 50,
        seed: int = 0,
    ) -> Iterator[tuple[ExplanationRow, ...]]:
        """Yield the explanations drawn so far, each time some came; leaving the loop stops the drawing."""
        yield from self._growing(Explain(self.source(token, layer), reader, samples, seed=seed), ExplanationRow)

    def ranking(
        self, token: targets.Token = -1, layer: int | None = None, *, reader: str = "", limit: int = 50
    ) -> Iterator[tuple[LabelRow, ...]]:
        """Yield the labels ranked so far, each time some came; leaving the loop stops the ranking."""
        yield from self._growing(RankLabels(self.source(token, layer), reader, limit=limit), LabelRow)

    def _growing(self, verb: Verb, kind: type[R]) -> Iterator[tuple[R, ...]]:
        seen = 0
        with contextlib.closing(self._bench.stream(verb)) as stream:
            for answer in stream:
                rows = _rows(answer)
                if len(rows) > seen or answer.ended:
                    seen = len(rows)
                    yield tuple(row for row in rows if isinstance(row, kind))

    def test(
        self,
        hypotheses: str | Sequence[str],
        token: targets.Token = -1,
        layer: int | None = None,
        *,
        reader: str = "",
        scope: Literal["position", "positions", "layers"] = "position",
        controls: bool = True,
        templates: Sequence[str] | None = None,
        wordings: Mapping[str, Sequence[str]] | None = None,
        tried: int | None = None,
        drawn: bool = False,
        seed: int = 0,
    ) -> Tested:
        """Score your own sentences there, at every position, or at every layer with a reader.

        What the other arguments mean says `Investigator.test`.
        """
        return self._bench.test(
            hypotheses, [self.source(token, layer)], reader=reader, scope=scope, controls=controls,
            templates=templates, wordings=wordings, tried=tried, drawn=drawn, seed=seed,
        )  # fmt: skip

    def contrast(
        self,
        left: str,
        right: str = "",
        token: targets.Token = -1,
        layer: int | None = None,
        *,
        other: targets.Token | None = None,
        other_layer: int | None = None,
        reader: str = "",
        templates: Sequence[str] | None = None,
        wordings: Mapping[str, Sequence[str]] | None = None,
        seed: int = 0,
    ) -> Contrasted:
        """Compare two sentences there; with `other` or `other_layer` the right one is read there.

        Without a right one, the left is compared with itself at the other place.
        """
        elsewhere = other is not None or other_layer is not None
        at = token if other is None else other
        second = self.source(at, layer if other_layer is None else other_layer) if elsewhere else None
        return self._bench.contrast(
            left,
            right or left,
            self.source(token, layer),
            second,
            reader=reader,
            templates=templates,
            wordings=wordings,
            seed=seed,
        )

    def fetch_activations(self, file: str | Path, layers: Sequence[int] = ()) -> Fetched:
        """Write the residual stream of every layer, or of those named, into a .safetensors file (`layer.L`)."""
        ids = tuple(token.id for token in self.opened.tokens)
        return self._bench.fetch(Fetch(ids, self.opened.subject, tuple(layers)), file)

    def lens(self, token: targets.Token = -1, *, k: int = 5) -> Lens:
        """Return the logit lens at every layer for one token."""
        return cast(Lens, self._bench.ask(ShowLens(self.source(token, None), k)).result)


def _rows(answer: Answer) -> tuple[Row, ...]:
    final: tuple[Row, ...] = getattr(answer.result, "rows", ())
    return final or tuple(answer.rows.values())
