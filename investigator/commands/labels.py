"""`labels`: every label scored under a source."""

from __future__ import annotations

import argparse

from investigator import targets
from investigator.commands import common, judging
from investigator.commands.common import Options
from investigator.commands.desk import desk
from investigator.commands.printing import print_answer
from investigator.wire import RankLabels

NAME = "labels"
HELP = "rank every label, or your own sentences, by how well they fit an activation"
EXAMPLE = "investigator labels 'The harbour of Lisbon' --token -1 --limit 10 --json"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    common.add_prompt(parser)
    common.add_place(parser)
    parser.add_argument("--reader", default="", metavar="NAME", help="the reader (default: the one at that layer)")
    common.add_rows(parser, ("gap", "score", "activation"), 50)
    parser.add_argument("--labels", metavar="FILE", help="rank the sentences of this file instead, one a line")
    parser.add_argument("--label", action="append", metavar="TEXT", help="rank this sentence instead; may be repeated")
    parser.add_argument(
        "--method",
        choices=("auto", "exact", "proven", "index"),
        default="auto",
        help="exact: score every label; proven: exact top rows only; index: estimate, then rescore (default: auto)",
    )
    judging.add_controls(parser)
    common.add_asking(parser)


def run(options: Options) -> int:
    """Ask for the ranking and print it."""
    own = _own(options)
    with desk(options) as at:
        source, _ = at.source(options)
        verb = RankLabels(
            source, options.reader, options.order, own, options.limit, options.filter, options.method,
            not options.no_controls,
        )  # fmt: skip
        print_answer(at.ask(verb), json=options.json)
    return 0


def _own(options: Options) -> tuple[str, ...] | None:
    typed = tuple(targets.text_of(f"{text}") for text in options.label or ())
    read = targets.sentences(options.labels, "labels") if options.labels else ()
    return (typed + read) or None
