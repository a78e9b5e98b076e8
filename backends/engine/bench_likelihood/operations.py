"""How many operations a full ranking cannot do without: every distinct beginning once, no padding, no masked work."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backends.engine.bench_likelihood.setting import Setting
    from backends.engine.subject import Subject


def node_operations(here: Setting) -> float:
    """Return the floating-point operations of one full ranking, products and attention alone."""
    trie, slots = here.plan.trie, here.reader.slots
    token = 2 * (_body(here.subject) + here.subject.vocabulary * here.subject.width)
    keys = float((trie.depths + 1 + slots).sum()) + slots * (slots + 1) / 2
    return float(token * trie.size + slots * 2 * _body(here.subject) + keys * _attention(here.subject))


def _body(subject: Subject) -> int:
    """Return the number of weights that a token is multiplied with in the blocks."""
    return sum(p.numel() for block in subject.blocks for p in block.parameters() if p.dim() == 2)


def _attention(subject: Subject) -> int:
    """Return the operations of one token attending to one key: its logit and its share of the value, every layer."""
    heads = int(subject.config.num_attention_heads)
    size = int(getattr(subject.config, "head_dim", None) or subject.width // heads)
    return 4 * heads * size * subject.layers
