"""What a search learns of labels' own tokens, and of their gaps in other rankings, against plain loops."""

from __future__ import annotations

import pytest
import torch

from backends.engine.index import label_words
from backends.engine.index.label_contexts import make_contexts
from backends.engine.index.label_directions import with_rankings
from backends.engine.index.label_refine import Refiner

TEXTS = [(5, 6, 7), (9,), (6, 6, 11, 12), (5, 9), (40, 41, 42)]
EOS = 1


def share(text: tuple[int, ...], token: int) -> float:
    whole = (*text, EOS)
    return whole.count(token) / len(whole)


@pytest.mark.parametrize("most", [2, 1024])
def test_words_are_the_shares_of_tokens_that_two_texts_have(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(label_words, "_MOST", most)
    words = make_contexts(TEXTS, EOS).words
    rows = torch.tensor([0, 2, 3])
    tokens, table = words.table(rows)
    often = {5: 2, 6: 3, EOS: 3}
    assert set(tokens.tolist()) == (set(often) if most > 2 else {6, EOS})
    for row, text in zip(table, (TEXTS[row] for row in rows), strict=True):
        assert row.tolist() == pytest.approx([share(text, token) for token in tokens.tolist()])
    weights = torch.randn(len(tokens), generator=torch.Generator().manual_seed(0))
    expected = [sum(share(t, k) * w for k, w in zip(tokens.tolist(), weights.tolist(), strict=True)) for t in TEXTS]
    assert words.sums(tokens, weights).tolist() == pytest.approx(expected, abs=1e-6)


def test_a_search_learns_that_a_token_is_worth_something() -> None:
    generator = torch.Generator().manual_seed(1)
    texts = [tuple(torch.randint(2, 30, (6,), generator=generator).tolist()) for _ in range(600)]
    gaps = torch.tensor([3.0 * share(text, 7) - 2.0 * share(text, 8) for text in texts])
    nothing = torch.zeros(len(texts))
    words = make_contexts(texts, EOS).words
    refiner = Refiner(nothing, nothing[:, None], nothing[:, None], nothing, words)
    refiner.learn(torch.arange(300), gaps[:300])
    assert torch.corrcoef(torch.stack([refiner.estimate[300:], gaps[300:]]))[0, 1] > 0.95


def test_directions_carry_gaps_in_rankings_of_unit_size_and_no_nan() -> None:
    generator = torch.Generator().manual_seed(2)
    rankings, means = torch.randn(3, 50, generator=generator), torch.randn(50, generator=generator)
    means[4] = torch.nan
    found = with_rankings(torch.ones(50, 2), rankings, means, torch.rand(50, generator=generator))
    assert found.shape == (50, 6)
    assert torch.isfinite(found).all()
    assert torch.allclose(found[:, 2:].square().mean(0), torch.ones(4))
    kept = torch.arange(50) != 4
    assert torch.corrcoef(torch.stack([found[kept, 3], (rankings[1] - means)[kept]]))[0, 1] > 0.999
