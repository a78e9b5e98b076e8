"""`open`: a prompt as the model sees it."""

from __future__ import annotations

import argparse

from investigator.commands import common
from investigator.commands.common import Options
from investigator.commands.desk import desk
from investigator.commands.printing import print_answer
from investigator.wire import Open

NAME = "open"
HELP = "show a prompt's tokens and what the model expects next"
EXAMPLE = "investigator open 'Several whales surfaced beside the old harbour in Lisbon' --continue 5"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    common.add_prompt(parser)
    parser.add_argument(
        "--continue", dest="continue_tokens", type=int, default=0, metavar="N", help="tokens to write on"
    )
    parser.add_argument("--seed", type=int, help="draw the continuation with this seed (default: the likeliest tokens)")
    common.add_asking(parser)


def run(options: Options) -> int:
    """Open the prompt and print its tokens."""
    prompt = "" if options.ids is not None else common.prompt_of(options)
    verb = Open(prompt, options.ids, options.subject, options.chat, options.continue_tokens, options.seed)
    with desk(options) as at:
        print_answer(at.ask(verb), json=options.json)
    return 0
