"""Which hypotheses were scored at a place: the more wordings are tried, the better the best one looks by chance."""

from __future__ import annotations

import contextlib

import msgspec

from investigator.sources import Residual, Source, with_leaves
from investigator.wire import Contrast, Test, Verb


def texts_at(stored: str, source: Source) -> set[str]:
    """Return the hypotheses that a stored verb, as JSON, scored at a source; none where it cannot be read."""
    with contextlib.suppress(msgspec.DecodeError, msgspec.ValidationError):
        verb: Verb = msgspec.json.decode(stored, type=Verb)
        return {text.strip() for text, place in _scored(verb) if counted(place) == counted(source)}
    return set()


def _scored(verb: Verb) -> list[tuple[str, Source]]:
    match verb:
        case Test():
            return [(text, place) for place in verb.sources for text in verb.hypotheses]
        case Contrast():
            return [(verb.left, verb.source), (verb.right, verb.other or verb.source)]
    return []


def counted(source: Source) -> Source:
    """Return the source with its positions counted from the front, so that one place has one name."""
    return with_leaves(source, _counted)


def _counted(place: Source) -> Source:
    if not isinstance(place, Residual):
        return place
    length = len(place.token_ids)
    end = place.end + length if place.end is not None and place.end < 0 else place.end
    position = place.position + length if place.position < 0 else place.position
    return msgspec.structs.replace(place, position=position, end=end)
