"""Which label strings no reader's training may see: a tenth of them, whole head words at a time."""

import random
from collections import defaultdict


def hold_out(heads: dict[str, str], share: float, seed: int) -> set[str]:
    """Label strings held out: head words are drawn until `share` of the strings is reached.

    `heads` maps each label string to its head word; all strings of a head word go together, so that a held-out
    `the word "dog"` leaves no `forms of the word "dog"` in training.
    """
    strings: dict[str, list[str]] = defaultdict(list)
    for text, head in heads.items():
        strings[head].append(text)
    order = sorted(strings)
    random.Random(f"{seed}/heldout-labels").shuffle(order)
    held: set[str] = set()
    for head in order:
        # A head word with many strings would overshoot; it is passed over.
        if len(held) + len(strings[head]) <= share * len(heads):
            held.update(strings[head])
    return held
