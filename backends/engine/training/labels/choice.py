"""Choose one label for each latent: the first candidate that holds on other firings and is not worn out."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from backends.engine.training.labels.candidates import Candidate
from backends.engine.training.labels.evidence import Evidence
from backends.engine.training.labels.rules import candidates
from backends.engine.training.labels.tables import Tables
from backends.engine.training.phrasing import is_offensive_word

_WORDS = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class Checked:
    """A candidate and how well it tells other firings from other places."""

    candidate: Candidate
    score: float


def is_offensive(text: str, offensive: set[str]) -> bool:
    """Whether a label holds an offensive word, or a lemma that the dictionary marks as one."""
    words = [word.lower() for word in _WORDS.findall(text)]
    return is_offensive_word(text) or any(
        form in offensive for word in words for form in (word, word.removesuffix("s"))
    )


def checked_candidates(writing: Evidence, checking: Evidence, tables: Tables, offensive: set[str]) -> Iterator[Checked]:
    """The candidates of one latent that pass the check, the preferred first, each text once."""
    seen: set[str] = set()
    for candidate in candidates(writing, tables):
        if candidate.text in seen or is_offensive(candidate.text, offensive):
            continue
        seen.add(candidate.text)
        score = candidate.check(checking, tables.anywhere)
        if score >= tables.settings.least_check:
            yield Checked(candidate, score)


def choose(options: dict[int, list[Checked]], most: int) -> dict[int, Checked]:
    """One label a latent; a text is given to at most `most` latents, those that it fits best.

    A latent whose preferred text is worn out takes its next one, or goes without.
    """
    used: Counter[str] = Counter()
    chosen: dict[int, Checked] = {}
    pending = {latent: 0 for latent, found in options.items() if found}
    while pending:
        # All latents that ask for their current option, the best fitting first.
        asking = sorted(pending, key=lambda latent: (-options[latent][pending[latent]].score, latent))
        for latent in asking:
            option = options[latent][pending[latent]]
            if used[option.candidate.text] < most:
                used[option.candidate.text] += 1
                chosen[latent] = option
                del pending[latent]
            elif pending[latent] + 1 < len(options[latent]):
                pending[latent] += 1
            else:
                del pending[latent]
    return chosen
