"""A label index of the bundled model: what recall says is what a search finds."""

from __future__ import annotations

from pathlib import Path

import torch

from backends.engine.engine import WorkbenchEngine
from backends.engine.index.label_build import Build
from backends.engine.index.label_card import read_card
from backends.engine.index.label_index import LabelIndex
from backends.engine.index.label_search import rescore
from backends.engine.likelihood import grid_table
from backends.engine.readers.prepared import prepare
from backends.engine.readers.reader import open_reader


def test_a_search_over_pocket_s_labels_finds_the_best_by_gap(tmp_path: Path) -> None:
    engine = WorkbenchEngine("pocket")
    engine.load()
    reader = open_reader(engine, "l2el")
    texts = engine.parts.labels(reader.sae).texts[:300]
    prepared = prepare(reader.subject, texts, slots=reader.slots)
    build = Build(engine, reader, prepared, "some", anchors=2, sources=4, heldout=2, folder=tmp_path / "index")
    for _ in build.run():
        pass
    card = read_card(build.folder)
    assert card is not None
    assert card.gap.rescored > 0.9
    assert card.gap.candidates < len(prepared.ids)
    index = LabelIndex(build.folder, card)
    vectors = engine.parts.layer_statistics("pocket").background[reader.layer, 200:203]
    found = []
    for vector in vectors:
        soft = reader.soft(vector[None])
        exact = grid_table(reader.subject, soft, prepared.ids)[0] - index.means
        input = reader.mapper.inputs(vector[None])[0].clone()
        refiner = index.refiner(reader, input, soft, by_score=False)
        for _ in rescore(reader.subject, soft, prepared.ids, refiner, index.means, candidates=75):
            pass
        best = exact.topk(15).indices
        found.append(refiner.known[best].float().mean())
        assert torch.allclose(refiner.estimate[refiner.known].double(), exact[refiner.known], atol=1e-4)
    # A quarter of the labels, chosen blindly, would hold a quarter of the best.
    assert float(torch.stack(found).mean()) > 0.75
