"""How a line can go on: subjects, SAEs, layers, maps and functions where each may stand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from investigator.expressions.parser import FUNCTIONS
from investigator.expressions.printer import named
from investigator.provenance import WorkbenchSummary

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_AFTER_TEXT = re.compile(r'(?:([\w.-]+):)?"T"$')
_LAYER = re.compile(r'(?:([\w.-]+):)?"T"(?:@[-.\d]*)?/(L?\d*)$')
_CALL = re.compile(r"(?:mean|random)\(\s*(?:([\w.-]+):)?(L?\d*)$")
_MAP = re.compile(r"map\(\s*([\w.-]*)$")
_LATENT = re.compile(r"(?:sae:|ablate\(.*,\s*)([\w.-]*)$", re.DOTALL)
_POSITION = re.compile(r'"T"@$')
_NAME = re.compile(r"(?:^|[-+*(,\s])([A-Za-z_][\w.-]*)?$")
_ENDED = re.compile(r'(?:"T"|\d|\))\s*$')


@dataclass(frozen=True)
class Names:
    """What a workbench has that an expression can name."""

    subjects: tuple[tuple[str, int, int], ...] = ()
    """(name, layers, default layer), the first of the workbench first."""
    saes: tuple[str, ...] = ()
    maps: tuple[str, ...] = ()

    @classmethod
    def of(cls, book: WorkbenchSummary | None) -> Names:
        """Return the names of a workbench; none where it is not known yet."""
        if book is None:
            return cls()
        subjects = tuple((one.name, one.layers, one.layer) for one in book.subjects)
        maps = tuple(str(getattr(one, "name", "")) for one in getattr(book, "maps", ()))
        return cls(subjects, tuple(one.name for one in book.saes), maps)


def complete(text: str, names: Names) -> tuple[str, ...]:
    """Return lines that begin with `text` and go on as an expression may, the likeliest first; none inside a text."""
    bare = _STRING.sub('"T"', text)
    if bare.replace('"T"', "").count('"'):
        return ()
    return tuple(dict.fromkeys(text + more for more in _endings(bare, names) if more))


def _endings(bare: str, names: Names) -> Iterator[str]:
    for pattern in (_LAYER, _CALL):
        if (found := pattern.search(bare)) is not None:
            yield from _rest(found[2], _layers(found[1] or "", names))
            if pattern is _LAYER or found[2]:
                return
    if (found := _AFTER_TEXT.search(bare)) is not None:
        yield from (f"@-1/{layer}" for layer in list(_layers(found[1] or "", names))[:1])
    elif _POSITION.search(bare):
        yield "-1"
    elif (found := _MAP.search(bare)) is not None:
        yield from _rest(found[1], (f"{named(one)}, " for one in names.maps))
    elif (found := _LATENT.search(bare)) is not None:
        yield from _rest(found[1], (f"{named(one)}#" for one in names.saes))
    elif not _ENDED.search(bare) and (found := _NAME.search(bare)) is not None:
        yield from _rest(found[1] or "", _factors(names))


def _layers(subject: str, names: Names) -> Iterator[str]:
    for name, layers, default in names.subjects:
        if subject in {"", name}:
            yield from (f"L{layer}" for layer in dict.fromkeys((default, *range(layers))) if 0 <= layer < layers)
            return


def _factors(names: Names) -> Iterator[str]:
    yield from (f"{named(one)}#" for one in names.saes)
    yield from (f'{named(name)}:"' for name, _, _ in names.subjects)
    yield from (f"{one}(" for one in FUNCTIONS)
    yield "sae:"


def _rest(begun: str, words: Iterator[str]) -> Iterator[str]:
    yield from (word[len(begun) :] for word in words if word.startswith(begun) and word != begun)
