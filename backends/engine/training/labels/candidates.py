"""A candidate label: a sentence, and the test that says where it holds."""

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backends.engine.training.labels.evidence import Evidence


@dataclass(frozen=True)
class Candidate:
    """One thing that a latent may be about: `text` holds at a place whose `field` is among `members`."""

    rule: str
    text: str
    head: str
    """The word that the label is about; label strings with one head word are split together."""
    field: str
    members: NDArray[np.int32]
    share: float
    """Weighted share of the firings used for writing at which it holds."""
    base: float
    """Share of all tokens at which it holds."""
    words: dict[str, float] = dataclasses.field(default_factory=dict)
    """The evidence: words found there, with their shares."""

    @property
    def lift(self) -> float:
        """How much more often it holds where the latent fires than anywhere."""
        return self.share / max(self.base, 1e-6)

    def check(self, firing: Evidence, elsewhere: Evidence) -> float:
        """Balanced accuracy on firings not used for writing and on places drawn from all tokens; 0.5 is chance."""
        found = firing.share(self.field, self.members)
        return 0.5 * (found + 1.0 - elsewhere.share(self.field, self.members))
