"""`agree`: which texts mean the same in other words."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from investigator.commands import common
from investigator.commands.common import Options
from investigator.commands.desk import desk
from investigator.commands.printing import print_answer
from investigator.errors import BadInput
from investigator.wire import Agree

NAME = "agree"
HELP = "say which texts mean the same in other words, by embedder, beside random pairs of labels"
EXAMPLE = "investigator agree 'names of cities' 'references to towns' 'words about music'"


class Another(argparse.Action):
    """Collects lists: `--list` begins one, `--also` adds to the last."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Take one text."""
        found = [list(texts) for texts in getattr(namespace, self.dest) or ()]
        if option_string == "--also":
            if not found:
                parser.error("--also adds to a list, and there is none before it")
            found[-1].append(values)
        else:
            found.append([values])
        setattr(namespace, self.dest, found)


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("texts", nargs="*", metavar="TEXT", help="texts, every one compared with every other")
    parser.add_argument(
        "--list",
        dest="lists",
        action=Another,
        metavar="TEXT",
        help="begin a list; only texts of different lists are compared",
    )
    parser.add_argument("--also", dest="lists", action=Another, metavar="TEXT", help="a further text of the last list")
    parser.add_argument(
        "--share",
        type=float,
        default=0.001,
        metavar="S",
        help="share of random pairs of labels allowed above the threshold (default: 0.001)",
    )
    parser.add_argument(
        "--labels", default="", metavar="SAE", help="whose labels the random pairs are of (default: the first labelled)"
    )
    parser.add_argument("--agreeing", action="store_true", help="list only the pairs that agree")
    parser.add_argument(
        "--limit", type=int, default=500, metavar="N", help="pairs listed, the nearest first (default: 500)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="picks labels where there are too many (default: 0)"
    )
    parser.add_argument(
        "--embedder",
        default="",
        choices=("own", "minilm"),
        help="the workbench's, or MiniLM (default: own, else minilm)",
    )
    common.add_asking(parser)


def run(options: Options) -> int:
    """Ask which texts agree and print it."""
    lists = (*((text,) for text in options.texts), *map(tuple, options.lists or ()))
    if len(lists) < 2:
        raise BadInput("There is nothing to compare.", "Give two texts or more, or two lists: --list TEXT --also TEXT.")
    verb = Agree(
        lists, options.share, options.labels, not options.agreeing, options.limit, options.seed, options.embedder
    )
    with desk(options) as at:
        print_answer(at.ask(verb), json=options.json)
    return 0
