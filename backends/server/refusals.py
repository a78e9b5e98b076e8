"""Refusals: requests that are not taken, each with an HTTP status and a sentence."""

from __future__ import annotations

import re
from typing import get_args

import msgspec

from backends.server import limits
from investigator.errors import BadInput
from investigator.wire import PROTOCOL, Lease, Open, Question, Verb

VERBS = sorted(str(verb.__struct_config__.tag) for verb in get_args(Verb))
NAME_PATTERN = "^[A-Za-z0-9._:-]{1,128}$"
"""What an id or a client is called."""
_NAME = re.compile("[A-Za-z0-9._:-]{1,128}")


class Refused(BadInput):
    """A request that is not taken."""

    def __init__(self, message: str, mend: str = "", status: int = 400) -> None:
        super().__init__(message, mend)
        self.status = status


def read_question(body: bytes) -> Question:
    """Decode and check a question; raise Refused with a sentence that names what is wrong."""
    try:
        question = msgspec.json.decode(body, type=Question)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _refusal(body, error) from None
    _check_name("id", question.id)
    _check_name("client", question.client)
    if question.protocol != PROTOCOL:
        raise Refused(
            f"The question is asked in protocol {question.protocol}; this backend speaks {PROTOCOL}.",
            "Use the same version of Investigator on both sides.",
        )
    if isinstance(question.verb, Open) and len(question.verb.prompt) > limits.PROMPT_CHARACTERS:
        raise Refused(
            f"The prompt has {len(question.verb.prompt)} characters; {limits.PROMPT_CHARACTERS} are the most.",
            "Ask with a shorter prompt.",
        )
    return question


def _refusal(body: bytes, error: Exception) -> Refused:
    verb = _verb_of(body)
    if verb is not None and verb not in VERBS:
        return Refused(f"There is no verb {verb!r}.", f"The verbs are: {', '.join(VERBS)}.")
    return Refused(f"The question cannot be read: {error}.", "It is one JSON object; docs/protocol.md shows one.")


def _verb_of(body: bytes) -> str | None:
    try:
        verb = msgspec.json.decode(body)["verb"]["verb"]
    except (msgspec.MsgspecError, ValueError, LookupError, TypeError, RecursionError):
        return None
    return verb[:40] if isinstance(verb, str) else None


def _check_name(what: str, name: str) -> None:
    if _NAME.fullmatch(name) is None:
        raise Refused(f"The {what} is not a name of 1 to 128 letters, digits, dots, colons, dashes and underscores.")


def read_lease(body: bytes) -> Lease:
    """Decode a lease; raise Refused where it is none."""
    try:
        lease = msgspec.json.decode(body, type=Lease)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"The lease cannot be read: {error}.", "It has `client` and `seconds`.") from None
    _check_name("client", lease.client)
    return lease
