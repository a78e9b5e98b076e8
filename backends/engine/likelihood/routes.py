"""Which models a walk may run: those on which it agrees with their own attention, measured once a model."""

from __future__ import annotations

from backends.engine.likelihood.model import LanguageModel


def walks(model: LanguageModel) -> bool:
    """Return whether packed walks give what this model gives one text at a time."""
    return not getattr(model.model.config.get_text_config(), "is_encoder_decoder", False)
