"""Checks of the machine: the device, and which dtype its processor multiplies fastest."""

from __future__ import annotations

import os
from pathlib import Path

from backends.engine.doctor.lines import Checks, ok, warning
from investigator.settings import Backend


def check_device(settings: Backend) -> Checks:
    """Name the device and the threads."""
    import torch

    from backends.engine.loading import pick_device

    device = pick_device(settings.device)
    threads = settings.threads or torch.get_num_threads()
    named = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
    if threads > (os.cpu_count() or 1):
        yield warning(
            "device", f"{named}, {threads} threads on {os.cpu_count()} processors.", "Set backend.threads to 0."
        )
        return
    yield ok("device", f"{named}, {threads} threads, torch {torch.__version__}.")


def check_dtype(settings: Backend) -> Checks:
    """Measure matrix products of float32 and bfloat16, a few hundredths of a second."""
    from backends.engine.dtypes import fastest_matmul_dtype

    speeds = fastest_matmul_dtype()
    said = f"float32 {speeds.float32:,.0f} GFLOP/s, bfloat16 {speeds.bfloat16:,.0f} GFLOP/s."
    if settings.dtype == "bfloat16" and speeds.bfloat16 < speeds.float32:
        yield warning("dtype speed", said, "Set backend.dtype to auto: bfloat16 is slower and less exact here.")
        return
    faster = str(speeds.fastest).removeprefix("torch.")
    yield ok("dtype speed", f"{said} Scores are float32 unless backend.dtype says otherwise; {faster} is the faster.")


def check_heldout(folder: str, base: Path) -> Checks:
    """Say whether the held-out documents for figures are there."""
    if not folder:
        return
    found = sorted((base / folder).glob("*.jsonl"))
    if found:
        yield ok("held-out documents", f"{', '.join(file.stem for file in found)}.")
        return
    yield warning("held-out documents", f"{base / folder} holds none, so figures cannot be printed.", "Mend `heldout`.")
