"""Settings for one run: what a flag or an argument names comes before the settings file."""

from __future__ import annotations

import msgspec

from investigator.settings import Settings


def overridden(settings: Settings, device: str = "", dtype: str = "") -> Settings:
    """Return settings with another device or dtype, where they are named."""
    named = {name: value for name, value in (("device", device), ("dtype", dtype)) if value}
    return msgspec.structs.replace(settings, backend=msgspec.structs.replace(settings.backend, **named))
