"""Texts to score as token ids, or the sentence that says why a text cannot be scored."""

from __future__ import annotations

from backends.engine.likelihood.model import LanguageModel
from investigator.errors import ScoreError

Ids = tuple[int, ...]
"""Token ids of a text, without special tokens and without the end."""


def encode_text(model: LanguageModel, text: str, *, slots: int) -> Ids:
    """Return a text's ids; raise ScoreError where it is empty, too long after `slots`, or holds a special token."""
    if not text.strip():
        raise ScoreError("There is no text to score.", "Type a sentence.")
    ids = tuple(int(i) for i in model.tokenizer.encode(text, add_special_tokens=False))
    _check_plain(model, ids)
    return checked_length(model, ids, slots=slots)


def checked_length(model: LanguageModel, ids: Ids, *, slots: int) -> Ids:
    """Return the ids; raise ScoreError where there are none or where prefix, text and end exceed the context."""
    if not ids:
        raise ScoreError("The text has no tokens in this model's vocabulary.", "Type other words.")
    room = model.context - slots - 1
    if len(ids) > room:
        raise ScoreError(
            f"The text has {len(ids)} tokens, but only {room} fit after the reader's {slots} slots.", "Shorten it."
        )
    return ids


def _check_plain(model: LanguageModel, ids: Ids) -> None:
    special = set(model.tokenizer.all_special_ids) | {model.eos_id}
    found = next((i for i in ids if i in special), None)
    if found is not None:
        token = model.tokenizer.convert_ids_to_tokens(found)
        raise ScoreError(f"The text contains the model's special token {token!r}.", "Take it out or reword it.")
