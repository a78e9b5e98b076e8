"""`explain`: texts drawn from a reader."""

from __future__ import annotations

import argparse

from investigator import settings
from investigator.commands import common, judging
from investigator.commands.common import Options
from investigator.commands.desk import desk
from investigator.commands.printing import print_answer
from investigator.wire import Explain

NAME = "explain"
HELP = "let the model put an activation into its own words"
EXAMPLE = "investigator explain 'The harbour of Lisbon' --token -1 --samples 50 --seed 0"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    common.add_prompt(parser)
    common.add_place(parser)
    parser.add_argument("--reader", default="", metavar="NAME", help="the reader (default: the one at that layer)")
    parser.add_argument("--samples", type=int, metavar="N", help="texts drawn (default: the setting, 50)")
    parser.add_argument("--temperature", type=float, metavar="T", help="of the draw (default: the setting, 1.0)")
    parser.add_argument(
        "--top-p", type=float, metavar="P", help="share of the probability drawn from (default: the setting, 0.9)"
    )
    parser.add_argument("--max-tokens", type=int, metavar="N", help="tokens of one text (default: the setting, 32)")
    parser.add_argument(
        "--beta", type=float, metavar="B", help="weight of variety in the order (default: the setting, 0.2)"
    )
    parser.add_argument("--keep", type=int, default=10, metavar="N", help="texts ordered for variety (default: 10)")
    parser.add_argument("--seed", type=int, help="of the draw (default: the setting, 0)")
    judging.add_controls(parser)
    common.add_asking(parser)


def run(options: Options) -> int:
    """Ask for explanations and print them."""
    chosen = settings.load().explain
    values = {
        name: getattr(chosen, name) if getattr(options, name) is None else getattr(options, name)
        for name in ("samples", "temperature", "top_p", "max_tokens", "beta", "seed")
    }
    with desk(options) as at:
        source, _ = at.source(options)
        answer = at.ask(Explain(source, options.reader, keep=options.keep, controls=not options.no_controls, **values))
        print_answer(answer, json=options.json)
    return 0
