"""InjectionSpec: the one record that says how a reader puts a vector into a prompt and what it says then.

Released readers differ in nothing else: what speaks, the prompt, the site, the positions, the operation, the length
of what is put there, and how the answer is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from backends.engine.likelihood.injected import Norm, Operation, Site
from investigator.errors import WorkbenchError

Positions = Literal["marker", "first", "span", "last", "prepend"]
Parse = Literal["explanation", "line", "all"]
EXPLANATION = "explanation"


class Turn(msgspec.Struct, frozen=True):
    """One turn of a chat prompt."""

    role: Literal["system", "user", "assistant"]
    content: str


class InjectionSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one reader works. `{marker}` in the prompt stands for the marker, `slots` times; `{layer}` for the layer."""

    prompt: str = ""
    """The user's turn, or the whole text where the tokenizer has no chat template."""
    question: str = ""
    """Stands for `{question}` in the prompt, or is a turn of its own after `reply`."""
    system: str = ""
    reply: str = ""
    """A turn of the assistant's between prompt and question (LatentQA)."""
    role: str = "assistant"
    """What the assistant is called in the chat template's headers (LatentQA: reflect)."""
    chat: bool = True
    """Whether the tokenizer's chat template is used, where it has one."""
    thinking: bool = False
    """Handed to the chat template as `enable_thinking`."""
    opening: str = ""
    """What the answer begins with before a text that is scored."""
    lead: str = ""
    """Stands before every text, e.g. the space after a colon."""
    tail: str = ""
    """Stands after every text and is scored with it."""
    end: str = ""
    """Its first token ends a text; empty: the end of the turn, or end-of-text."""

    marker: str = ""
    """What stands at the places; one token, except for positions = "span"."""
    marker_id: int = -1
    """The marker's token, where the files say it: the tokenizer must agree."""
    left: int = -1
    """Token before the marker, where the files say it."""
    right: int = -1
    slots: int = 1
    """How often the marker stands in the prompt."""

    site: Site = "embedding"
    block: int = -1
    """At whose input or output it is done; -1: the block whose output is read."""
    positions: Positions = "marker"
    operation: Operation | Literal["insert"] = "replace"
    norm: Norm = "raw"
    scale: float = 1.0
    """Length of what is put there (fixed), or factor of the length found there (matched) or of the vector (raw)."""
    schedule: Literal["prefill"] = "prefill"
    """Injected while the prompt runs; its key/value states carry it to every later token."""
    vector_map: str = ""
    """safetensors with a `weight` `[out, in]` (and `bias`) that vectors pass first; empty: none."""

    parse: Parse = "all"
    max_tokens: int = 64
    """Longest text that is drawn where nothing else is asked."""


def soft_prompt(slots: int) -> InjectionSpec:
    """Return the spec of a soft-prompt reader: rows made by its mapper are put in front of nothing."""
    return InjectionSpec(positions="prepend", operation="insert", slots=slots, max_tokens=32)


SELFIE = InjectionSpec(
    prompt="{marker}",
    marker=" _",
    slots=5,
    opening="Sure, I will summarize the message:",
    lead=" ",
    site="block_in",
    block=1,
    positions="span",
    max_tokens=30,
)
"""SelfIE (Chen et al., 2024): the vector stands five times at the input of block 1, unchanged."""
SELFIE_PLAIN = msgspec.structs.replace(
    SELFIE, prompt="Message:{marker}\n", opening="Summary of the message:", end="\n", parse="line"
)
"""The same for models without chat."""
PATCHSCOPES = InjectionSpec(
    prompt="Syria: a country in the Middle East\nLeonardo DiCaprio: an American actor\n"
    "Samsung: a South Korean company that makes electronics\n{marker}",
    marker="x",
    chat=False,
    opening=":",
    lead=" ",
    end="\n",
    site="block_out",
    positions="span",
    parse="line",
    max_tokens=30,
)
"""Patchscopes (Ghandeharioun et al., 2024): description by example, the vector in place of the last subject."""
ORACLE = InjectionSpec(
    prompt="Layer: {layer}\n{marker} \n{question}",
    question="Can you explain to me what this concept means?",
    marker=" ?",
    site="block_out",
    block=1,
    positions="first",
    operation="add",
    norm="matched",
    max_tokens=50,
)
"""Activation oracles (formats.md, section 2)."""
SAE_EXPLAINER = msgspec.structs.replace(
    ORACLE,
    prompt="The internal neural feature represented by{marker} is provided only through internal neural conditioning. "
    "Using the injected feature representation, provide one clear, accurate explanation of the feature.",
    question="",
    max_tokens=128,
)
"""SAE explainers (formats.md, section 4.1)."""
LATENTQA = InjectionSpec(
    prompt="{marker}",
    marker="? ",
    reply="Sure, I've analyzed the assistant.",
    question="What is the assistant's message about?",
    role="reflect",
    site="block_out",
    block=0,
    positions="span",
    max_tokens=100,
)
"""LatentQA (formats.md, section 3)."""
NLA = InjectionSpec(
    opening="<explanation>\n",
    tail="\n",
    end="</explanation>",
    site="embedding",
    positions="marker",
    norm="fixed",
    parse="explanation",
    max_tokens=200,
)
"""NLA with the vector in place of the marker's embedding; prompt, marker and scale are its sidecar's."""
NLA_BLOCK = msgspec.structs.replace(NLA, site="block_out", block=1, operation="add", norm="matched", scale=1.0)
"""NLA that adds the vector after block 1, as long as what stands there (formats.md, 5.3)."""


def changed(spec: InjectionSpec, given: Mapping[str, Any], where: str) -> InjectionSpec:
    """Return a spec with some fields replaced; raise WorkbenchError for a field or value that there is not."""
    fields = msgspec.structs.asdict(spec) | dict(given)
    try:
        found = msgspec.convert(fields, InjectionSpec)
    except msgspec.ValidationError as error:
        known = ", ".join(InjectionSpec.__struct_fields__)
        raise WorkbenchError(f"{where} cannot be used: {error}.", f"Its keys are {known}.") from error
    if found.slots < 1:
        raise WorkbenchError(f"{where} puts the marker {found.slots} times into the prompt.", "Give 1 or more.")
    return found
