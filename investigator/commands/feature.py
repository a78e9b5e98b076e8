"""`feature`: one latent's page."""

from __future__ import annotations

import argparse

from investigator.commands import common
from investigator.commands.common import Options
from investigator.commands.desk import desk
from investigator.commands.printing import print_answer
from investigator.wire import ShowFeature

NAME = "feature"
HELP = "show one feature: label, contexts, logits, nearest features"
EXAMPLE = "investigator feature 1234"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("latent", type=int, metavar="LATENT", help="the latent's index")
    parser.add_argument("--sae", default="", metavar="NAME", help="the SAE (default: the workbench's first)")
    common.add_asking(parser)


def run(options: Options) -> int:
    """Ask for the latent's page and print it."""
    with desk(options) as at:
        print_answer(at.ask(ShowFeature(options.latent, options.sae)), json=options.json)
    return 0
