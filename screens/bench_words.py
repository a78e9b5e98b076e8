"""The bench's lines of words: where the cursor is, what the heat shows, what each layer would say, what panes share."""

from __future__ import annotations

import msgspec

from investigator.events import Answer
from investigator.records import Labels, Lens, LensRow
from investigator.text import inert, one_line
from screens.bench_place import Place
from screens.heat_map import HeatMap
from screens.marks import Marks


def token_words(place: Place, heat: HeatMap, lens: Lens | None, marks: Marks, *, short: bool) -> str:
    """Return the readout: which token, its norm, the heat's number, and what would come next."""
    count, dot = len(place.opened.tokens), f" {marks.dot} "
    start, end = place.span
    quoted, span = f'"{one_line(place.text, 32)}"', end - start > 1
    parts = [f"mean of tokens {start + 1}-{end}/{count} {quoted}" if span else f"token {start + 1}/{count} {quoted}"]
    parts += [f"L{place.layer} of {place.opened.layers}"] if short else []
    parts += [f"norm {place.norm:.1f}"] if place.norm is not None and not short and not span else []
    parts += [heat_words(place, heat)]
    following = next_words(place, lens)
    parts += [f"next: {following}"] if following and not short else []
    return dot.join(part for part in parts if part)


def heat_words(place: Place, heat: HeatMap) -> str:
    """Return what the heat shows, with its number at the cursor."""
    number = heat.number(place.position)
    return f"heat: {heat.what}{f' {number} here' if number else ''}" if heat.shares else ""


def next_words(place: Place, lens: Lens | None) -> str:
    """Return the tokens most likely to follow: the model's own at the end, else the last layer of the lens."""
    if place.position == len(place.opened.tokens) - 1 and place.opened.next:
        return "  ".join(f"{_shown(likely.text)} {likely.value:.2f}" for likely in place.opened.next[:3])
    if lens is not None and lens.rows:
        return "  ".join(_shown(likely.text) for likely in lens.rows[-1].tokens[:3])
    return ""


def lens_words(lens: Lens | None, layer: int, marks: Marks) -> list[tuple[str, bool]]:
    """Return the logit lens as (text, whether it is the cursor's layer), one piece a layer."""
    if lens is None:
        return []
    return [(f"L{row.layer} {_top(row)}", row.layer == layer) for row in lens.rows]


def _top(row: LensRow) -> str:
    return _shown(row.tokens[0].text) if row.tokens else "?"


def _shown(text: str) -> str:
    bare = inert(text)
    return one_line(bare.strip(), 14) or "␣"


class Overlap(msgspec.Struct, frozen=True):
    """How many texts two panes share among their first ten, and how many chance would give."""

    shared: int
    of: int
    chance: float | None
    """Expected number for as many texts drawn at random from all labels; None where their number is unknown."""

    def words(self, other: str, marks: Marks) -> str:
        """Return it as a few words: `∩ pane 2: 3 of 10, by chance 0.03`."""
        chance = "" if self.chance is None else f", by chance {self.chance:.2g}"
        return f"{marks.shares} {other}: {self.shared} of {self.of}{chance}"


def overlap(left: frozenset[str], right: frozenset[str], total: int) -> Overlap | None:
    """Compare two panes' first ten texts: the expectation is hypergeometric, |left| * |right| / total."""
    if not left or not right:
        return None
    chance = len(left) * len(right) / total if total else None
    return Overlap(len(left & right), min(len(left), len(right)), chance)


def labels_in(answer: Answer | None) -> int:
    """Return how many labels a ranking scored; 0 where it is not known."""
    return answer.result.total if answer is not None and isinstance(answer.result, Labels) else 0
