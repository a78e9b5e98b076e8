"""`lens`: the logit lens at every layer."""

from __future__ import annotations

import argparse

from investigator.commands import common
from investigator.commands.common import Options
from investigator.commands.desk import desk
from investigator.commands.printing import print_answer
from investigator.errors import BadInput
from investigator.sources import Residual
from investigator.wire import ShowLens

NAME = "lens"
HELP = "read the logit lens at every layer for one token"
EXAMPLE = "investigator lens 'The harbour of Lisbon' --token -1 --top 5"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    common.add_prompt(parser)
    common.add_place(parser)
    parser.add_argument("--top", type=int, default=5, metavar="K", help="tokens at each layer (default: 5)")
    common.add_asking(parser)


def run(options: Options) -> int:
    """Ask for the lens and print it."""
    with desk(options) as at:
        source, _ = at.source(options)
        if not isinstance(source, Residual):
            raise BadInput("The lens reads a prompt's own layers, not this source.", "Give a prompt.")
        print_answer(at.ask(ShowLens(source, options.top)), json=options.json)
    return 0
