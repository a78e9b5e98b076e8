"""A change in words: `ablate l3#12, l3#40`, `add EXPRESSION`, or a latent alone, which is ablated."""

from __future__ import annotations

from dataclasses import dataclass

from investigator import expressions
from investigator.errors import BadInput
from investigator.expressions import ExpressionError, Names
from investigator.sources import Ablated, Decoder, Source

ABLATE, ADD = "ablate ", "add "
_BEFORE = 'ablate("", '


@dataclass(frozen=True)
class Change:
    """What an intervention does at its place."""

    ablate: tuple[int, ...] = ()
    sae: str = ""
    add: Source | None = None

    @property
    def words(self) -> str:
        """Return it as it is typed."""
        if self.add is not None:
            return ADD + expressions.show(self.add)
        return ABLATE + ", ".join(f"{expressions.named(self.sae) if self.sae else ''}#{each}" for each in self.ablate)


def parse(text: str) -> Change:
    """Return the change that a line describes; raise BadInput where it describes none."""
    line = text.strip()
    if not line:
        raise BadInput("There is no change.", "Type `ablate l3#12` or `add EXPRESSION`.")
    if line.startswith(ABLATE) or line == ABLATE.strip():
        return _ablation(line)
    if line.startswith(ADD):
        return Change(add=_at(line, len(ADD)))
    source = _at(line, 0)
    return Change((source.latent,), source.sae) if isinstance(source, Decoder) else Change(add=source)


def _ablation(line: str) -> Change:
    rest = line[len(ABLATE) :]
    try:
        found = expressions.parse(f"{_BEFORE}{rest})")
    except ExpressionError as error:
        at = max(0, min(len(line), error.at - len(_BEFORE) + len(ABLATE)))
        raise ExpressionError(error.plain, "Write latents as l3#12, l3#40.", line, at) from error
    if not isinstance(found, Ablated):
        raise BadInput("These are no latents.", "Write them as l3#12, l3#40.")
    return Change(found.latents, found.sae)


def _at(line: str, start: int) -> Source:
    try:
        return expressions.parse(line[start:])
    except ExpressionError as error:
        raise ExpressionError(error.plain, error.mend, line, error.at + start) from error


def complete(text: str, names: Names) -> tuple[str, ...]:
    """Return lines that begin with `text` and go on as a change may."""
    if text.startswith(ADD):
        return tuple(ADD + found for found in expressions.complete(text[len(ADD) :], names))
    if text.startswith(ABLATE):
        _, comma, last = text.rpartition(",")
        begun = (last if comma else text[len(ABLATE) :]).lstrip()
        head = text[: len(text) - len(begun)]
        words = (f"{expressions.named(sae)}#" for sae in names.saes)
        return tuple(head + word for word in words if word.startswith(begun) and word != begun)
    verbs = tuple(word for word in (ABLATE, ADD) if word.startswith(text) and word != text)
    return (*verbs, *(expressions.complete(text, names) if text else ()))
