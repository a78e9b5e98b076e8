"""Figures of the subject, its autoencoder and its labels."""

import numpy as np

from backends.engine.evaluating.bench import TestBench
from backends.engine.evaluating.bootstrap import Values, interval_over_documents
from backends.engine.training.compression import document_bits
from backends.engine.training.draws import LatentScale
from backends.engine.training.folders import read_lines
from backends.engine.training.frozen_sae import FrozenSae
from backends.engine.training.statistics import latents_folder
from investigator.records import Figure

RARE = 0.01


def _ratio(values: Values) -> float:
    return float(values[:, 0].sum() / values[:, 1].sum())


def bits_per_byte_figure(bench: TestBench) -> Figure:
    """Bits per byte of the test documents' text."""
    texts = [row["text"] for row in read_lines(bench.folders.heldout("test"))]
    counted = np.array(document_bits(bench.subject.model, bench.subject.tokenizer, texts), dtype=np.float64)
    documents = np.arange(len(counted), dtype=np.int32)
    interval = interval_over_documents(counted, documents, _ratio, seed=bench.recipe.mapper.seed)
    return Figure("bits_per_byte", _ratio(counted), "bits/byte", "", interval, f"{len(texts)} test documents")


def coverage_figure(bench: TestBench) -> Figure:
    """Labelled share of the live latents that fire on at most 1 % of tokens."""
    rate = LatentScale.load(latents_folder(bench.folders, bench.layer)).rate
    rare = (rate > 0) & (rate <= RARE)
    covered = float((bench.labels.of_latent[rare] >= 0).mean())
    beside = f"{int(rare.sum())} of {len(rate)} latents; {len(bench.labels.texts)} distinct labels"
    return Figure("label_coverage", covered, "share", ">= 0.5", None, beside)


def read_share_figure(bench: TestBench) -> Figure:
    """Share of the labelled latents whose label was written from reading contexts; the others' are by rule."""
    rows = read_lines(bench.folders.labels(bench.layer))
    read = [row["score"] for row in rows if row.get("method") == "read"]
    rules = [row["score"] for row in rows if row.get("method") != "read"]
    means = [
        f"mean check {np.mean(scores):.2f} {how}" for scores, how in ((read, "read"), (rules, "by rule")) if scores
    ]
    share = len(read) / max(1, len(rows))
    return Figure("label_read_share", share, "share", "", None, f"of {len(rows)} labelled latents; {', '.join(means)}")


def sae_figures(bench: TestBench) -> list[Figure]:
    """Share of variance unexplained on test documents, dead share on training documents, active latents a token."""
    sae = FrozenSae.load(bench.folders.sae(bench.layer), device="cpu", dtype="float32")
    residuals = bench.places.residuals
    missing = (residuals - sae.reconstruct(residuals)).square().sum(1).double().numpy()
    variance = (residuals - residuals.mean(0)).square().sum(1).double().numpy()
    shares = np.stack([missing, variance], axis=1)
    seed = bench.recipe.mapper.seed
    interval = interval_over_documents(shares, bench.places.documents, _ratio, seed=seed)
    rate = LatentScale.load(latents_folder(bench.folders, bench.layer)).rate
    active = float((bench.places.activations > 0).sum(1).mean())
    return [
        Figure("sae_variance_unexplained", _ratio(shares), "share", "", interval, "the variance around the mean"),
        Figure("sae_dead_share", float((rate == 0).mean()), "share", "", None, f"of {len(rate)} latents"),
        Figure("sae_active_latents", active, "latents/token", "", None, f"at most {sae.k}"),
    ]
