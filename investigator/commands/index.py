"""`index`: what is computed once so that a ranking or a search answers at once, by a child of a backend."""

from __future__ import annotations

import argparse
import importlib
from typing import Protocol, cast

from investigator.commands.common import Options

NAME = "index"
HELP = "make what answers at once: a corpus' activations for a search, a label set's gradients for a ranking"
EXAMPLE = "investigator index corpus novels.txt reviews.jsonl --name books"
KINDS = {
    "controls": "what a reader's verdicts rest on: thresholds, rankings of nothing, texts drawn from nothing",
    "corpus": "activations of every position of a corpus, for `investigator find`",
    "labels": "gradients of a reader's labels, for rankings that answer at once",
}
"""From a kind of index to what it is; its module, of the same name, lies in `investigator.commands.indexes`."""


class Kind(Protocol):
    """A module that makes one kind of index."""

    def add(self, parser: argparse.ArgumentParser) -> None:
        """Add the kind's arguments."""
        ...

    def run(self, options: Options) -> int:
        """Make it, and return the exit code."""
        ...


def _kind(name: str) -> Kind:
    return cast(Kind, importlib.import_module(f"investigator.commands.indexes.{name}"))


def add(parser: argparse.ArgumentParser) -> None:
    """Add each kind as a sub-command."""
    rooms = parser.add_subparsers(
        dest="kind", metavar="KIND", required=True, help="; ".join(f"{name}: {words}" for name, words in KINDS.items())
    )
    for name, words in KINDS.items():
        _kind(name).add(rooms.add_parser(name, help=words, description=words[0].upper() + words[1:] + "."))


def run(options: Options) -> int:
    """Make the index of the asked kind."""
    return _kind(options.kind).run(options)
