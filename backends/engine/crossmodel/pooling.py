"""Mean-pooled activations of sentences, kept on disk as they come so that a stopped run goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from backends.engine import fingerprints
from backends.engine.crossmodel.alignment import spell
from backends.engine.crossmodel.sentences import Sentence, digest
from backends.engine.subject import Subject
from investigator.errors import BadInput

_SAVE_EVERY = 200


def pool(
    subject: Subject, sentences: Sequence[Sentence], layers: Sequence[int], folder: Path
) -> Iterator[int | Tensor]:
    """Yield how many sentences are read, then their means over tokens, float32 `[sentences, layers, d]`.

    Special tokens are left out; a sentence with a span is averaged over the tokens that overlap it. What was read is
    kept in the folder, by the subject's fingerprint and the sentences' digest. Raises BadInput naming the sentence
    where no token is left.
    """
    named = ",".join(map(str, layers))
    key = fingerprints.of_text(f"{subject.fingerprint} {digest(sentences)} {named}")
    file = folder / f"pooled-{key}.safetensors"
    rows = _kept(file, len(sentences))
    if rows:
        yield len(rows)
    for at in range(len(rows), len(sentences)):
        rows.append(_one(subject, sentences[at], layers))
        if (at + 1) % _SAVE_EVERY == 0 or at + 1 == len(sentences):
            _keep(file, rows)
        yield at + 1
    yield torch.stack(rows)


def _one(subject: Subject, sentence: Sentence, layers: Sequence[int]) -> Tensor:
    spelled = spell(subject, sentence.text)
    where = f" ({sentence.where})" if sentence.where else ""
    if len(spelled.ids) > subject.context:
        raise BadInput(
            f"The sentence {_short(sentence.text)}{where} has {len(spelled.ids)} tokens, more than the "
            f"{subject.context} that {subject.name} reads.",
            "Shorten it.",
        )
    end = len(sentence.text) if sentence.end is None else sentence.end
    wanted = [
        at
        for at, (first, last) in enumerate(spelled.spans)
        if first < last and first < end and sentence.start < last and spelled.ids[at] not in subject.special_ids
    ]
    if not wanted:
        raise BadInput(
            f"The sentence {_short(sentence.text[sentence.start : end])}{where} aligns to no token of {subject.name}.",
            "Leave it out, or choose other characters.",
        )
    return subject.capture(spelled.ids)[list(layers)][:, wanted].mean(dim=1)


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")


def _kept(file: Path, count: int) -> list[Tensor]:
    try:
        found = load_file(file)["pooled"]
    except (OSError, SafetensorError, KeyError):
        return []
    return list(found[:count])


def _keep(file: Path, rows: Sequence[Tensor]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    save_file({"pooled": torch.stack(list(rows))}, part)
    part.replace(file)
