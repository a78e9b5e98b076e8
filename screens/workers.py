"""Starting a worker: the same options every time."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from textual.dom import DOMNode


def start(
    node: DOMNode, group: str, work: Callable[..., Coroutine[Any, Any, Any]], *arguments: Any, exclusive: bool = True
) -> None:
    """Run a coroutine function beside the event loop's other work; where `exclusive`, a newer one ends the older.

    Takes the function and not its coroutine: a worker that is superseded before it began would leave that unawaited.
    """
    called = partial(work, *arguments)
    node.run_worker(called, group=group, exclusive=exclusive, exit_on_error=False, description=group)
