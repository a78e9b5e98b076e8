"""Questions about any source from Python: a direction, a difference, a row of a file, an expression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TypedDict, Unpack, cast

from investigator import expressions
from investigator.records import Contrasted, Explanations, Features, Intervened, Labels, Tested
from investigator.sources import Prompted, Source, leaves
from investigator.wire import Explain, Intervene, RankLabels, ShowFeatures

if TYPE_CHECKING:
    from investigator.api import Investigator
    from investigator.prompt import Prompt


class Interventions(TypedDict, total=False):
    """What `At.intervene` takes besides, each as in `wire.Intervene`."""

    sae: str
    reader: str
    read_at: int | None
    continue_tokens: int
    randoms: int
    top: int
    seed: int


def source_of(given: Source | str) -> Source:
    """Return a source as it is, or the one that an expression describes; raise ExpressionError where it does not."""
    return expressions.parse(given) if isinstance(given, str) else given


def placed(bench: Investigator, source: Source) -> tuple[Source, Prompt | None]:
    """Open every prompt that a source names as text, so that the session knows its tokens.

    A single place becomes the residual there, returned with its prompt; raises BadInput where there is no such place.
    """
    texts = dict.fromkeys((leaf.subject, leaf.prompt) for leaf in leaves(source) if isinstance(leaf, Prompted))
    opened = [bench.open(prompt, subject=subject) for subject, prompt in texts]
    if not isinstance(source, Prompted):
        return source, None
    token = source.position if source.end is None else slice(source.position, source.end or None)
    return opened[0].source(token, source.layer if source.layer >= 0 else None), opened[0]


class At:
    """One source, to ask about as `Prompt` asks about its places."""

    def __init__(self, bench: Investigator, source: Source | str) -> None:
        self._bench = bench
        self.source, self.prompt = placed(bench, source_of(source))
        """The source, and its prompt where it is one place of one."""

    def __repr__(self) -> str:
        return f"<At {expressions.show(self.source)}>"

    def features(
        self,
        *,
        sae: str = "",
        order: Literal["activation", "z", "rate"] = "z",
        filter: str = "",
        unlabelled: bool = True,
        limit: int = 200,
    ) -> Features:
        """Return the SAE latents active in it."""
        verb = ShowFeatures(self.source, sae, order, filter, unlabelled, limit)
        return cast(Features, self._bench.ask(verb).result)

    def labels(
        self,
        *,
        reader: str = "",
        order: Literal["gap", "score", "activation"] = "gap",
        labels: Sequence[str] | None = None,
        limit: int = 50,
        filter: str = "",
        controls: bool = True,
    ) -> Labels:
        """Return every label of the reader, or your own sentences, ranked by how well they fit."""
        own = tuple(labels) if labels is not None else None
        verb = RankLabels(self.source, reader, order, own, limit, filter, controls=controls)
        return cast(Labels, self._bench.ask(verb).result)

    def explain(self, *, reader: str = "", samples: int = 50, seed: int = 0, controls: bool = True) -> Explanations:
        """Return explanations drawn from the reader; `Explain` asked through `Investigator.ask` takes more."""
        verb = Explain(self.source, reader, samples, seed=seed, controls=controls)
        return cast(Explanations, self._bench.ask(verb).result)

    def test(
        self, hypotheses: str | Sequence[str], *, reader: str = "", controls: bool = True, seed: int = 0
    ) -> Tested:
        """Score your own sentences; `Investigator.test` takes more."""
        return self._bench.test(hypotheses, [self.source], reader=reader, controls=controls, seed=seed)

    def contrast(
        self, left: str, right: str = "", other: Source | str | None = None, *, reader: str = "", seed: int = 0
    ) -> Contrasted:
        """Compare two sentences, or one here and at another source."""
        return self._bench.contrast(left, right or left, self.source, other, reader=reader, seed=seed)

    def intervene(
        self,
        *,
        ablate: Sequence[int] = (),
        add: Source | str | None = None,
        later: bool = False,
        doses: Sequence[float] = (),
        hypotheses: Sequence[str] = (),
        **more: Unpack[Interventions],
    ) -> Intervened:
        """Ablate latents or add a direction at this place, and return what follows, dose by dose.

        later: change every later position too. hypotheses: sentences whose score downstream is followed.
        """
        added = None if add is None else placed(self._bench, source_of(add))[0]
        followed = (hypotheses,) if isinstance(hypotheses, str) else tuple(hypotheses)
        verb = Intervene(
            self.source, tuple(ablate), add=added, later=later, doses=tuple(doses), hypotheses=followed, **more
        )
        return cast(Intervened, self._bench.ask(verb).result)
