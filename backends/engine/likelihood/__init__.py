"""log p(text + end-of-text | soft prompt), exact: many texts under few sources, and many to many."""

from backends.engine.likelihood.best_sources import BestSources, best_sources
from backends.engine.likelihood.grid import GridScores, grid_table, score_grid, score_many
from backends.engine.likelihood.model import LanguageModel, tokens_a_step
from backends.engine.likelihood.one_text import score_text_at
from backends.engine.likelihood.pairs import PairScores, pair_scores, score_pairs
from backends.engine.likelihood.plan import Plan, make_plan
from backends.engine.likelihood.states import PrefixStates, prefix_states
from backends.engine.likelihood.texts import Ids, encode_text, encode_texts
from backends.engine.likelihood.topk import TIE, Top, top_k

__all__ = [
    "TIE",
    "BestSources",
    "GridScores",
    "Ids",
    "LanguageModel",
    "PairScores",
    "Plan",
    "PrefixStates",
    "Top",
    "best_sources",
    "encode_text",
    "encode_texts",
    "grid_table",
    "make_plan",
    "pair_scores",
    "prefix_states",
    "score_grid",
    "score_many",
    "score_pairs",
    "score_text_at",
    "tokens_a_step",
    "top_k",
]
