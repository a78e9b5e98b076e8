"""`find`: the positions of a corpus at which a sentence scores highest."""

from __future__ import annotations

import argparse

from investigator import targets
from investigator.commands import common
from investigator.commands.common import Options
from investigator.commands.desk import desk
from investigator.commands.printing import print_answer
from investigator.wire import Find

NAME = "find"
HELP = "find the places of a corpus whose activations make a sentence most likely"
EXAMPLE = "investigator find 'references to the sea' --corpus books --limit 10"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("text", metavar="SENTENCE", help="what to look for; - reads standard input")
    parser.add_argument(
        "--corpus",
        default="",
        metavar="NAME",
        help="an index by name or folder (default: the workbench's first, or its held-out documents)",
    )
    parser.add_argument(
        "--reader", default="", metavar="NAME", help="the reader (default: the one at the index's layer)"
    )
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="rows (default: 20)")
    parser.add_argument(
        "--all-positions", action="store_true", help="several positions of one context (default: its best one)"
    )
    parser.add_argument("--exact", action="store_true", help="score every position instead of the best candidates")
    parser.add_argument("--seed", type=int, default=0, help="of the positions that a search begins with (default: 0)")
    common.add_asking(parser)


def run(options: Options) -> int:
    """Search and print the hits."""
    verb = Find(
        targets.text_of(options.text),
        options.corpus,
        options.reader,
        options.limit,
        options.all_positions,
        options.exact,
        seed=options.seed,
    )
    with desk(options) as at:
        print_answer(at.ask(verb), json=options.json)
    return 0
