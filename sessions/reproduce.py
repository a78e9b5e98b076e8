"""The command that asks a stored question again, exactly."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

import msgspec

from investigator import expressions
from investigator.sources import Residual, Source, worded
from investigator.text import inert
from investigator.wire import (
    Agree,
    Compare,
    Contrast,
    Find,
    Intervene,
    Open,
    RankLabels,
    ShowFeature,
    ShowFeatures,
    Sweep,
    Test,
    Verb,
    Work,
)
from sessions.records import SavedAnswer, source_of, verb_name

Arguments = Iterator[str]

FLAGS: dict[str, str] = {
    "sae": "--sae",
    "reader": "--reader",
    "order": "--order",
    "filter": "--filter",
    "limit": "--limit",
    "samples": "--samples",
    "temperature": "--temperature",
    "top_p": "--top-p",
    "max_tokens": "--max-tokens",
    "beta": "--beta",
    "keep": "--keep",
    "seed": "--seed",
    "scope": "--scope",
    "method": "--method",
    "corpus": "--corpus",
    "tried": "--tried",
    "k": "--top",
    "map": "--map",
    "wash": "--wash",
    "own": "--own",
    "others": "--others",
    "share": "--share",
    "top": "--top",
    "randoms": "--randoms",
    "read_at": "--read-token",
}
"""From a verb's field to the flag that sets it, where both hold one value."""
ALWAYS = frozenset({"seed", "tried"})
"""Fields whose flag is printed also where it says the default: what stands in their place may come from elsewhere."""


def arguments(saved: SavedAnswer) -> list[str]:
    """Return the words after `investigator` that ask the stored question again."""
    verb = saved.question
    words = [*_head(verb), *_place(verb, saved), *_flags(verb, saved), *_workbench(saved)]
    return [*words, *_sentences(verb)]


def _head(verb: Verb) -> Arguments:
    if isinstance(verb, Work):
        yield from verb.command.split()
        return
    yield verb_name(verb)
    if isinstance(verb, ShowFeature):
        yield str(verb.latent)


def _place(verb: Verb, saved: SavedAnswer) -> Arguments:
    if isinstance(verb, Open):
        # As it was asked: the answer's strip also holds what the model wrote on.
        asked = saved.asked if isinstance(saved.asked, Open) else verb
        yield from _prompt(asked.prompt if asked.token_ids is None else "", asked.chat, verb.token_ids or ())
        yield from _subject(verb.subject)
        if verb.continue_tokens:
            yield from ("--continue", str(verb.continue_tokens))
        return
    sources: tuple[Source, ...] = verb.sources if isinstance(verb, Test) else ()
    one = source_of(verb)
    if isinstance(one, Residual) and len(sources) <= 1:
        strip = saved.strip
        typed = strip is not None and strip.typed
        yield from _prompt(saved.prompt if typed else "", strip is not None and strip.chat, one.token_ids)
        yield from _subject(one.subject)
        yield from ("--token", _span(one))
        if not isinstance(verb, Sweep):  # which reads every layer
            yield from ("--layer", str(one.layer))
    elif one is not None:
        typed_as: tuple[Source | None, ...] = (
            saved.asked.sources if isinstance(saved.asked, Test) else (source_of(saved.asked),)
        )
        for at, source in enumerate(sources or (one,)):
            yield f"--source={_shown(source, typed_as[at] if at < len(typed_as) else None)}"


def _shown(source: Source, asked: Source | None) -> str:
    return expressions.show(source if asked is None else worded(asked, source))


def _prompt(text: str, chat: bool, token_ids: tuple[int, ...]) -> Arguments:
    # A lone dash would read standard input, and no argument of a program can hold a NUL.
    if text and text != "-" and "\0" not in text:
        yield f"--prompt={text}" if text.startswith("-") else text
        if chat:
            yield "--chat"
    elif token_ids:
        yield from ("--ids", ",".join(map(str, token_ids)))


def _subject(name: str) -> Arguments:
    if name:
        yield from ("--subject", name)


def _span(source: Residual) -> str:
    return f"{source.position}" if source.end is None else f"{source.position}:{source.end}"


def _flags(verb: Verb, saved: SavedAnswer) -> Arguments:
    for field in msgspec.structs.fields(type(verb)):
        value: Any = getattr(verb, field.name)
        if field.name in FLAGS and value is not None and (value != field.default or field.name in ALWAYS):
            yield from (FLAGS[field.name], f"{value}")
    if isinstance(verb, ShowFeatures) and not verb.unlabelled:
        yield "--labelled"
    if isinstance(verb, RankLabels) and verb.labels is not None:
        yield from (f"--label={text}" for text in verb.labels)
    if isinstance(verb, Compare):
        yield from _comparison(verb)
    elif getattr(verb, "controls", True) is False:
        yield "--no-controls"
    if isinstance(verb, Test | Contrast):
        yield from _phrasing(verb)
    if isinstance(verb, Intervene):
        yield from _change(verb, saved)
    if isinstance(verb, Agree):
        yield from _agreement(verb)
    if isinstance(verb, Sweep):
        yield from _sweep(verb)
    if isinstance(verb, Find):
        yield from (f"--{name.replace('_', '-')}" for name in ("all_positions", "exact") if getattr(verb, name))
    if isinstance(verb, Work):
        yield from _work(verb)


def _comparison(verb: Compare) -> Arguments:
    yield from (f"--reader={name}" for name in verb.readers)
    yield f"--methods={','.join(verb.methods)}"
    if verb.controls:
        yield "--controls"


def _agreement(verb: Agree) -> Arguments:
    if verb.labels:
        yield f"--labels={verb.labels}"
    if verb.embedder:
        yield f"--embedder={verb.embedder}"
    if not verb.every:
        yield "--agreeing"
    if not _alone(verb):
        yield from (f"--{'also' if at else 'list'}={text}" for texts in verb.texts for at, text in enumerate(texts))


def _alone(verb: Agree) -> bool:
    """Whether every list holds one text, which are then given one after the other."""
    return all(len(texts) == 1 for texts in verb.texts)


def _phrasing(verb: Test | Contrast) -> Arguments:
    if verb.templates == ():
        yield "--as-typed"
    yield from (f"--template={text}" for text in verb.templates or ())
    if isinstance(verb, Contrast):
        if verb.other is not None:
            yield f"--other-source={expressions.show(verb.other)}"
        return
    yield from (f"--wording={text}={phrasing}" for text, several in verb.wordings.items() for phrasing in several)
    if verb.drawn:
        yield "--drawn"


def _change(verb: Intervene, saved: SavedAnswer) -> Arguments:
    yield from (f"--ablate={latent}" for latent in verb.ablate)
    if verb.add is not None:
        yield f"--add={_shown(verb.add, saved.asked.add if isinstance(saved.asked, Intervene) else None)}"
    if verb.later:
        yield "--from-here"
    yield from (f"--dose={dose!r}" for dose in verb.doses)
    yield from ("--continue", str(verb.continue_tokens))


def _sweep(verb: Sweep) -> Arguments:
    if verb.text:
        yield f"--text={verb.text}"
    if verb.latent is not None:
        yield f"--latent={verb.latent}"
        return
    yield from ("--layers", ",".join(map(str, verb.layers)))


def _work(verb: Work) -> Arguments:
    for name, value in verb.arguments.items():
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            yield flag
        elif value is not False and value != "":
            yield f"{flag}={value}"


def _workbench(saved: SavedAnswer) -> Arguments:
    if saved.provenance is not None and saved.provenance.workbench not in {"", "pocket"}:
        yield from ("--workbench", saved.provenance.workbench)


def _sentences(verb: Verb) -> Arguments:
    """Yield the hypotheses, each behind its flag, because one may begin with a dash; or a work's files."""
    match verb:
        case Test() | Intervene():
            yield from (f"--hypothesis={text}" for text in verb.hypotheses)
        case Contrast():
            yield from (f"--hypothesis={text}" for text in (verb.left, verb.right))
        case Find():
            yield from _positional(verb.text)
        case Agree() if _alone(verb):
            yield from _positional(*(text for texts in verb.texts for text in texts))
        case Work():
            yield from _positional(*verb.files)


def _positional(*words: str) -> Arguments:
    if any(word.startswith("-") for word in words):
        yield "--"
    yield from words


def quoted(word: str) -> str:
    """Return a word quoted for bash and zsh, with nothing in it that acts on a terminal."""
    if inert(word) == word:
        return shlex.quote(word)
    return "$'" + "".join(map(_escaped, word)) + "'"


def _escaped(char: str) -> str:
    if char in "\\'":
        return "\\" + char
    if inert(char) == char:
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def command(saved: SavedAnswer) -> str:
    """Return the whole command line, quoted."""
    return " ".join(["investigator", *map(quoted, arguments(saved))])
