"""The session store, opened for a command that reads it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from investigator.text import inert

if TYPE_CHECKING:
    from sessions import Store


@contextlib.contextmanager
def store() -> Iterator[Store]:
    """Open the store, and say what a person should know about it."""
    from sessions import open_store

    with open_store() as opened:
        for sentence in filter(None, (opened.notice, opened.trouble)):
            print(inert(sentence), file=sys.stderr)
        yield opened
