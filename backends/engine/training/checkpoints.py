"""Checkpoints of a stage: written whole or not at all, and refused when another recipe made them."""

from pathlib import Path
from typing import Any

import msgspec
import torch

from backends.engine.training.folders import write_atomically
from backends.engine.training.recipe import RecipeError, Section

# How often a stage saves or reports does not change what it computes.
_IRRELEVANT = {"checkpoint_seconds", "evaluation_seconds"}


def _identity(recipe: Section) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(recipe)
    return {name: value for name, value in fields.items() if name not in _IRRELEVANT}


def save_checkpoint(path: Path, recipe: Section, state: dict[str, Any]) -> None:
    """Store a stage's state with the recipe section that made it."""
    write_atomically(path, lambda temporary: torch.save({"recipe": _identity(recipe), "state": state}, temporary))


def load_checkpoint(path: Path, recipe: Section, device: str) -> dict[str, Any] | None:
    """The stored state, or None when there is none yet; raises RecipeError when the recipe has changed since."""
    if not path.exists():
        return None
    stored = torch.load(path, map_location=device, weights_only=True)
    if stored["recipe"] != _identity(recipe):
        raise RecipeError(f"{path} was made by another recipe. Delete it, or give another output folder.")
    state: dict[str, Any] = stored["state"]
    return state
