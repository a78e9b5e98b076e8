"""Investigator: ask what an activation says, and how you would know if that were wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from investigator.api import Investigator, connect

__all__ = ["Investigator", "__version__", "connect"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Resolve the Python API lazily, so that importing the vocabulary opens no other room (PEP 562)."""
    if name in {"Investigator", "connect"}:
        from investigator import api

        return getattr(api, name)
    raise AttributeError(f"module 'investigator' has no attribute {name!r}")
