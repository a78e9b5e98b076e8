"""What the subject loses when an autoencoder's output stands in the place of the activation."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from backends.engine.blocks import first_tensor
from backends.engine.evaluating.bench import TestBench
from backends.engine.evaluating.bootstrap import Values, interval_over_documents
from backends.engine.training.frozen_sae import FrozenSae
from backends.engine.training.splits import read_heldout
from investigator.records import Figure

_DOCUMENTS = 160
Edit = Callable[[Tensor], Tensor]


def loss_recovered_figure(bench: TestBench) -> Figure:
    """Share of the loss that the mean activation costs and that the autoencoder's output wins back; 1 loses nothing.

    (L_mean - L_sae) / (L_mean - L), nats a token over test documents; `<|bos|>` is left as it is, because the
    autoencoder never saw one.
    """
    sae = FrozenSae.load(bench.folders.sae(bench.layer), device=bench.device, dtype="float32")
    mean = bench.places.residuals.mean(0).to(bench.device)
    edits: list[Edit] = [lambda x: x, sae.reconstruct, lambda x: mean.expand_as(x)]
    texts = read_heldout(bench.folders, "test")[:_DOCUMENTS]
    rows = [[*(nats(bench, text, edit) for edit in edits), float(_length(bench, text))] for text in texts]
    counted = np.array([row for row in rows if row[-1] > 0])
    documents = np.arange(len(counted), dtype=np.int32)
    interval = interval_over_documents(counted, documents, _recovered, seed=bench.recipe.mapper.seed)
    plain, spliced, flat = (counted[:, :3].sum(0) / counted[:, 3].sum()).tolist()
    beside = f"nats/token: {plain:.3f} as it is, {spliced:.3f} with the autoencoder, {flat:.3f} with the mean"
    return Figure("sae_loss_recovered", _recovered(counted), "share", "", interval, beside)


def _recovered(counted: Values) -> float:
    plain, spliced, flat = counted[:, 0].sum(), counted[:, 1].sum(), counted[:, 2].sum()
    return float((flat - spliced) / (flat - plain))


def _ids(bench: TestBench, text: str) -> list[int]:
    return bench.subject.encode(text)[: bench.subject.context]


def _length(bench: TestBench, text: str) -> int:
    """Tokens that are predicted from an edited place: all but the first two."""
    return max(0, len(_ids(bench, text)) - 2)


@torch.inference_mode()
def nats(bench: TestBench, text: str, edit: Edit) -> float:
    """Summed loss over a document when the block's output, `<|bos|>` apart, goes through `edit`."""
    ids = torch.tensor([_ids(bench, text)], device=bench.device)

    def hook(_module: object, _args: object, output: object) -> object:
        hidden = first_tensor(output)
        changed = torch.cat([hidden[:, :1], edit(hidden[0, 1:])[None]], dim=1)
        return (changed, *output[1:]) if isinstance(output, tuple) else changed

    handle = bench.subject.blocks[bench.layer].register_forward_hook(hook)
    try:
        logits = bench.subject.model(input_ids=ids, use_cache=False).logits[0].float()
    finally:
        handle.remove()
    # The token after `<|bos|>` is predicted from an unedited place.
    return float(functional.cross_entropy(logits[1:-1], ids[0, 2:], reduction="sum"))
