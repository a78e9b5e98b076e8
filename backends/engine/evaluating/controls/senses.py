"""Pairs of contexts that end in the same token in another sense or topic: can the activation tell them apart?"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass

import msgspec
import numpy as np
import torch

from backends.engine.controls.phrasings import Phrased, phrased
from backends.engine.controls.statistics import middle
from backends.engine.evaluating.controls import embedding, prompt_only
from backends.engine.evaluating.controls.arithmetic import Floats, Ints, share
from backends.engine.evaluating.controls.bench import ControlBench
from backends.engine.evaluating.controls.embedding import Embedder
from backends.engine.likelihood import Ids, score_pairs
from backends.engine.training.dictionary_lines import CLASS_OF_WORD
from backends.engine.training.progress import Progress
from investigator.errors import WorkbenchError
from investigator.records import Figure

Steps = Iterator[Progress | Figure]
NAME = "same_token_accuracy"
_BESIDE = {
    "prompt_only": "the reader trained on the text up to the token, hypotheses as typed",
    "embedding": "MiniLM's cosine of hypothesis and context: what can be told from the text at all",
}


class Sense(msgspec.Struct, frozen=True):
    """Two contexts that end in one word, and a hypothesis that is true of each alone."""

    word: str
    left: str
    right: str
    left_hypothesis: str
    right_hypothesis: str


@dataclass(frozen=True)
class Case:
    """One hypothesis: the context that it is true of, and the other one."""

    pair: int
    text: str
    true: str
    other: str


def read_senses(bench: ControlBench) -> list[Sense]:
    """Return the hand-written pairs; raise WorkbenchError where there are none or a row cannot be read."""
    file = bench.folders.root / "heldout" / "senses.jsonl"
    if not file.is_file():
        raise WorkbenchError(f"There are no pairs of senses in {file}.", "Write some, one object a line.")
    decoder = msgspec.json.Decoder(Sense)
    try:
        return [decoder.decode(line) for line in file.read_bytes().splitlines() if line.strip()]
    except msgspec.DecodeError as error:
        raise WorkbenchError(f"{file} cannot be read: {error}.", "Mend that row.") from error


def cases_of(senses: list[Sense]) -> list[Case]:
    """Return two cases a pair, one a hypothesis."""
    return [
        case
        for pair, sense in enumerate(senses)
        for case in (
            Case(pair, sense.left_hypothesis, sense.left, sense.right),
            Case(pair, sense.right_hypothesis, sense.right, sense.left),
        )
    ]


def wins(true: Floats, other: Floats) -> Floats:
    """Return 1 where the true context scores higher, 0 where the other does, one half where they are equal."""
    return np.where(true > other, 1.0, np.where(true == other, 0.5, 0.0))


def senses_figure(bench: ControlBench) -> Steps:
    """Yield how often a hypothesis has the larger gap at the context that it is true of, and the same of two baselines.

    The two places share the token, so a table by token gives 0.5; the hypothesis is the same, so its background
    cancels, and gap and score agree. A hypothesis is the median over its default phrasings, as on screen.
    """
    senses = read_senses(bench)
    chosen = bench.random(10).permutation(len(senses))[: bench.options.count(len(senses))]
    senses = [senses[pair] for pair in np.sort(chosen)]
    cases = cases_of(senses)
    pairs = np.array([case.pair for case in cases])
    said = phrased(bench.reader, list(dict.fromkeys(case.text for case in cases)), None, {})
    yield Progress(0, len(cases), "reading pairs of contexts")
    own, typed = yield from _reader_wins(bench, said, cases)
    plain = np.array([is_plain(senses[case.pair].word) for case in cases])
    beside = [
        "0.5 by chance and by token",
        f"{len(senses)} pairs, {len(cases)} hypotheses",
        f"as typed {typed.mean():.3f}",
        f"both hypotheses right {np.mean((own.reshape(-1, 2) == 1).all(1)):.3f}",
    ]
    if plain.any():
        beside.append(f"function words and punctuation {own[plain].mean():.3f} of {int(plain.sum())}")
    value, interval = share(own, pairs, bench.options.seed)
    yield Figure(NAME, value, "share", "> 0.5, aim 0.7", interval, "; ".join(beside))
    for name, found in (("prompt_only", _text_wins(bench, cases)), ("embedding", _embedding_wins(bench, cases))):
        if isinstance(found, str):
            yield Figure(f"{NAME}_{name}", None, "share", "", None, found)
        else:
            yield Figure(f"{NAME}_{name}", *_share(found, pairs, bench), _BESIDE[name])


def _share(found: Floats, pairs: Ints, bench: ControlBench) -> tuple[float, str, str, tuple[float, float]]:
    value, interval = share(found, pairs, bench.options.seed)
    return value, "share", "", interval


def is_plain(word: str) -> bool:
    """Say whether a word has a grammatical role and little sense of its own, so that the topic alone differs."""
    return not word.isalpha() or word in CLASS_OF_WORD


def _reader_wins(
    bench: ControlBench, said: Phrased, cases: list[Case]
) -> Generator[Progress, None, tuple[Floats, Floats]]:
    """Return whether each case is won by the median over phrasings, and as typed."""
    subject, layer = bench.reader.subject, bench.reader.layer
    contexts = {text: tuple(subject.encode(text)) for case in cases for text in (case.true, case.other)}
    at = {text: bench.engine.captures.get(subject, ids).residuals[layer, -1] for text, ids in contexts.items()}
    ids = dict(zip(said.prepared.valid.tolist(), said.prepared.ids, strict=True))
    where = {text: index for index, text in enumerate(said.texts)}
    jobs = [
        (number, side, way)
        for number, case in enumerate(cases)
        for side in (0, 1)
        for way in said.valid(where[case.text])
    ]
    vectors = torch.stack([at[(cases[number].true, cases[number].other)[side]] for number, side, _ in jobs])
    values = np.full(len(jobs), np.nan)
    for done in score_pairs(subject, bench.reader.soft(vectors), [ids[way] for _, _, way in jobs]):
        values[done.pairs.numpy()] = done.scores.numpy()
        yield Progress(int(np.isfinite(values).sum()), len(jobs), "scoring hypotheses at both contexts")
    table: dict[tuple[int, int], list[float]] = {}
    for (number, side, _), value in zip(jobs, values.tolist(), strict=True):
        table.setdefault((number, side), []).append(value)
    numbers = range(len(cases))
    medians = [
        np.array([float(middle([[v] for v in table[number, side]])[0]) for number in numbers]) for side in (0, 1)
    ]
    typed = [np.array([table[number, side][0] for number in numbers]) for side in (0, 1)]
    return wins(*medians), wins(*typed)


def _text_wins(bench: ControlBench, cases: list[Case]) -> Floats | str:
    """Return the prompt-only reader's wins, or why there are none."""
    only = prompt_only.reader_of(bench)
    if only is None:
        return prompt_only.MISSING
    subject = bench.reader.subject
    encode = {text: tuple(subject.encode(text)) for case in cases for text in (case.true, case.other)}
    texts: list[Ids] = [tuple(subject.tokenizer.encode(case.text, add_special_tokens=False)) for case in cases]
    sides = ([encode[case.true] for case in cases], [encode[case.other] for case in cases])
    true, other = (prompt_only.text_scores(only, contexts, texts) for contexts in sides)
    return wins(true, other)


def _embedding_wins(bench: ControlBench, cases: list[Case]) -> Floats | str:
    """Return MiniLM's wins, or why there are none."""
    if not embedding.installed():
        return embedding.INSTALL
    embedder = Embedder(bench.device)
    texts, true, other = (embedder.embed([getattr(case, name) for case in cases]) for name in ("text", "true", "other"))
    return wins((texts * true).sum(1), (texts * other).sum(1))
