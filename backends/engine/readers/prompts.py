"""A reader's prompt as tokens, and where in it the vector goes; every way in which it can be wrong is a sentence."""

from __future__ import annotations

from dataclasses import dataclass

from backends.engine.readers.spec import InjectionSpec
from backends.engine.subject import Subject
from investigator.errors import WorkbenchError

_AGAIN = "Use the tokenizer and the prompt that it was trained with."


@dataclass(frozen=True)
class Prompt:
    """Token ids up to where the answer begins, and the places of injection, rising."""

    ids: tuple[int, ...]
    positions: tuple[int, ...]
    opening: tuple[int, ...]
    """Tokens of the answer's opening, which stand between the prompt and a text that is scored."""
    end: int
    """The token that ends a scored text."""
    stops: frozenset[int]
    """Tokens that end an answer."""


def prompt_of(name: str, spec: InjectionSpec, speaker: Subject, layer: int) -> Prompt:
    """Render a reader's prompt for its speaker; raise WorkbenchError where the marker is not where it must be."""
    chat = spec.chat and speaker.has_chat
    text = _rendered(spec, speaker, layer) if chat else _filled(spec, layer)
    encoded = speaker.tokenizer(text, add_special_tokens=not chat, return_offsets_mapping=spec.positions == "span")
    ids = tuple(map(int, encoded["input_ids"]))
    if spec.positions == "span":
        positions = _spanned(name, spec, text, encoded["offset_mapping"])
    else:
        positions = _marked(name, spec, speaker, ids)
    end = _end(spec, speaker, chat)
    stops = frozenset({*speaker.stop_ids, end}) if spec.parse != "explanation" else frozenset(speaker.stop_ids)
    return Prompt(ids, positions, tuple(speaker.encode_plain(spec.opening)) if spec.opening else (), end, stops)


def _filled(spec: InjectionSpec, layer: int) -> str:
    said = {"marker": spec.marker * spec.slots, "layer": str(layer), "question": spec.question}
    text = spec.prompt
    for key, value in said.items():
        text = text.replace(f"{{{key}}}", value)
    return text


def _turns(spec: InjectionSpec, layer: int) -> list[dict[str, str]]:
    turns = [{"role": "user", "content": _filled(spec, layer)}]
    if spec.system:
        turns.insert(0, {"role": "system", "content": spec.system})
    if spec.reply:
        turns += [{"role": "assistant", "content": spec.reply}, {"role": "user", "content": spec.question}]
    return turns


def _rendered(spec: InjectionSpec, speaker: Subject, layer: int) -> str:
    """Return the chat as one string: templates that tokenise split multibyte markers (formats.md, G4)."""
    text = _apply(speaker, _turns(spec, layer), spec.thinking)
    if spec.role == "assistant":
        return text
    user = [{"role": "user", "content": "?"}]
    header = _apply(speaker, user, spec.thinking).removeprefix(_apply(speaker, user, spec.thinking, begin=False))
    return text.replace(header, header.replace("assistant", spec.role)) if header else text


def _apply(speaker: Subject, turns: list[dict[str, str]], thinking: bool, *, begin: bool = True) -> str:
    rendered: str = speaker.tokenizer.apply_chat_template(
        turns, tokenize=False, add_generation_prompt=begin, enable_thinking=thinking
    )
    return rendered


def _end(spec: InjectionSpec, speaker: Subject, chat: bool) -> int:
    """Return the token that ends a text: of `end`, else what a chat puts after a turn, else end-of-text."""
    if spec.end:
        return speaker.encode_plain(spec.end)[0]
    if chat:
        turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "@answer@"}]
        after = _apply(speaker, turns, spec.thinking, begin=False).rpartition("@answer@")[2]
        ids = speaker.encode_plain(after) if after else []
        if ids and ids[0] in speaker.special_ids | set(speaker.stop_ids):
            return ids[0]
    return speaker.eos_id


def _marked(name: str, spec: InjectionSpec, speaker: Subject, ids: tuple[int, ...]) -> tuple[int, ...]:
    if spec.positions == "last":
        return tuple(range(len(ids) - min(spec.slots, len(ids)), len(ids)))
    marker = _marker(name, spec, speaker)
    places = [place for place, token in enumerate(ids) if token == marker]
    if spec.positions == "first":
        places = places[: spec.slots]
        if len(places) < spec.slots or places != list(range(places[0], places[0] + spec.slots)):
            raise WorkbenchError(
                f"The prompt of {name} does not hold its marker {spec.marker!r} {spec.slots} times in a row.", _AGAIN
            )
        return tuple(places)
    if len(places) != 1:
        count = "not at all" if not places else f"{len(places)} times"
        raise WorkbenchError(
            f"The prompt of {name} holds its marker {spec.marker!r} {count}; exactly one is needed.", _AGAIN
        )
    _check_neighbours(name, spec, ids, places[0])
    return tuple(places)


def _marker(name: str, spec: InjectionSpec, speaker: Subject) -> int:
    ids = speaker.encode_plain(spec.marker) if spec.marker else []
    if len(ids) != 1:
        raise WorkbenchError(
            f"The tokenizer of {name} splits its marker {spec.marker!r} into {len(ids)} tokens; it must be one.", _AGAIN
        )
    if spec.marker_id not in (-1, ids[0]):
        raise WorkbenchError(
            f"The marker {spec.marker!r} of {name} is token {ids[0]} here, but its sidecar says {spec.marker_id}.",
            _AGAIN,
        )
    return ids[0]


def _check_neighbours(name: str, spec: InjectionSpec, ids: tuple[int, ...], place: int) -> None:
    around = {"before": (spec.left, place - 1), "after": (spec.right, place + 1)}
    for side, (wanted, at) in around.items():
        found = ids[at] if 0 <= at < len(ids) else -1
        if wanted not in (-1, found):
            raise WorkbenchError(
                f"The token {side} the marker of {name} is {found}, but its sidecar says {wanted}: the prompt is not "
                "the one that it was trained with.",
                _AGAIN,
            )


def _spanned(name: str, spec: InjectionSpec, text: str, offsets: list[tuple[int, int]]) -> tuple[int, ...]:
    """Return the tokens that spell the marker's last `slots` appearances, one after the other."""
    whole = (spec.marker * spec.slots).strip()
    start = text.rfind(whole) if whole else -1
    if start < 0:
        raise WorkbenchError(f"The prompt of {name} does not hold its marker {spec.marker!r}.", _AGAIN)
    stop = start + len(whole)
    held = [place for place, (first, last) in enumerate(offsets) if first < last and first < stop and last > start]
    return tuple(place for place in held if text[slice(*offsets[place])].strip())
