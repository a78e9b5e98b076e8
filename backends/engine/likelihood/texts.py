"""Texts to score as token ids, or the sentence that says why a text cannot be scored."""

from __future__ import annotations

from collections.abc import Sequence

from backends.engine.likelihood.model import LanguageModel
from investigator.errors import ScoreError

Ids = tuple[int, ...]
"""Token ids of a text, without special tokens and without the end."""


def encode_text(model: LanguageModel, text: str, *, slots: int) -> Ids:
    """Return a text's ids; raise ScoreError where it is empty, too long after `slots`, or holds a special token."""
    (found,) = encode_texts(model, [text], slots=slots)
    if isinstance(found, ScoreError):
        raise found
    return found


def encode_texts(model: LanguageModel, texts: Sequence[str], *, slots: int) -> list[Ids | ScoreError]:
    """Return each text's ids, or why it cannot be scored, in one call of the tokenizer."""
    found: list[Ids | ScoreError | None] = [_refused(text) for text in texts]
    good = [index for index, error in enumerate(found) if error is None]
    if good:
        lead, tail = model.frame
        whole = [f"{lead}{texts[index]}{tail}" for index in good]
        table = model.tokenizer(whole, add_special_tokens=False)["input_ids"]
        special = set(model.tokenizer.all_special_ids) | {model.eos_id}
        for index, ids in zip(good, table, strict=True):
            found[index] = _checked(model, tuple(map(int, ids)), slots, special)
    return [each for each in found if each is not None]


def _refused(text: str) -> ScoreError | None:
    if not text.strip():
        return ScoreError("There is no text to score.", "Type a sentence.")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return ScoreError("The text is not UTF-8.", "Remove the half of a surrogate pair in it.")
    return None


def _checked(model: LanguageModel, ids: Ids, slots: int, special: set[int]) -> Ids | ScoreError:
    room = model.context - slots - 1
    if not ids:
        return ScoreError("The text has no tokens in this model's vocabulary.", "Type other words.")
    if len(ids) > room:
        return ScoreError(
            f"The text has {len(ids)} tokens, but only {room} fit after the reader's {slots} slots.", "Shorten it."
        )
    held = next((token for token in ids if token in special), None)
    if held is not None:
        name = model.tokenizer.convert_ids_to_tokens(held)
        return ScoreError(f"The text contains the model's special token {name}.", "Take it out or reword it.")
    return ids
