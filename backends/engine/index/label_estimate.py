"""From a mapper's input to every text's estimated gap."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from backends.engine.index import label_parts
from backends.engine.index.label_contexts import Contexts, boosts, next_tokens
from backends.engine.index.label_features import constant_features, tangent_features
from backends.engine.likelihood import LanguageModel
from backends.engine.likelihood.states import one_prefix


@dataclass(frozen=True)
class Linearised:
    """Gradients of every text at a few anchors, with what the features need."""

    parts: list[Tensor]
    """Of `[anchors, texts of the part, d]`, half precision."""
    anchors: Tensor
    scores: Tensor
    """[anchors, texts]."""
    lengths: Tensor

    def tangents(self, input: Tensor) -> Tensor:
        """Return `[anchors, texts]`: what each anchor's linear expansion says of scores at an input `[d]`."""
        return self.scores + label_parts.tangents(self.parts, input - self.anchors)

    def features(self, input: Tensor, means: Tensor) -> Tensor:
        """Return the features that need no model, `[texts, tangents + constants]`."""
        distances = (input - self.anchors).square().sum(1)
        moving = tangent_features(self.tangents(input), distances, means)
        return torch.cat([moving, constant_features(self.scores, means, self.lengths)], dim=1)


def raised_tokens(model: LanguageModel, soft: Tensor, contexts: Contexts, usual: Tensor) -> Tensor:
    """Return how much likelier than usual every token is after every beginning, `[beginnings, vocabulary]`, nats.

    `soft` is one soft prompt `[1, slots, d]`; `usual` the means of the same over the background.
    """
    return next_tokens(model, one_prefix(model, soft), contexts.beginnings) - usual


def all_features(plain: Tensor, contexts: Contexts, raised: Tensor) -> Tensor:
    """Return the features of the full estimate: those that need no model, and what the source does to tokens."""
    return torch.cat([plain, boosts(contexts, raised)], dim=1)
