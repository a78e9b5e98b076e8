"""Modules that the first frame does without, imported in a thread once the first ranking is on screen."""

from __future__ import annotations

import asyncio
import importlib
import sys

PLOT = "screens.widgets.pareto_plot"
MODULES = (
    PLOT,
    "screens.modals",
    "screens.why",
    "screens.hypotheses",
    "screens.corpus",
    "screens.feature",
    "screens.notebook",
    "screens.help_page",
)
"""The plot first: it brings numpy (0.1 s and more), which would hold up the event loop for several frames."""


async def load() -> None:
    """Import them one by one, off the event loop."""
    for module in MODULES:
        await asyncio.to_thread(importlib.import_module, module)


def loaded(module: str) -> bool:
    """Whether a module can be used without a wait."""
    return module in sys.modules
