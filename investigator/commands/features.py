"""`features`: the SAE latents active at a place."""

from __future__ import annotations

import argparse

from investigator.commands import common
from investigator.commands.common import Options
from investigator.commands.desk import desk
from investigator.commands.printing import print_answer
from investigator.wire import ShowFeatures

NAME = "features"
HELP = "list the SAE features active at a token and layer"
EXAMPLE = "investigator features 'The harbour of Lisbon' --token -1 --layer 3 --order z --filter 'rate<0.01'"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    common.add_prompt(parser)
    common.add_place(parser)
    parser.add_argument("--sae", default="", metavar="NAME", help="the SAE (default: the one at that layer)")
    common.add_rows(parser, ("z", "activation", "rate"), 200)
    parser.add_argument("--labelled", action="store_true", help="only latents that have a label")
    common.add_asking(parser)


def run(options: Options) -> int:
    """Ask for the active latents and print them."""
    with desk(options) as at:
        source, _ = at.source(options)
        verb = ShowFeatures(source, options.sae, options.order, options.filter, not options.labelled, options.limit)
        print_answer(at.ask(verb), json=options.json)
    return 0
