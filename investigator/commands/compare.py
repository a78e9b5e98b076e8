"""`compare`: what one model's readers say of another model's vector, through a linear map."""

from __future__ import annotations

import argparse

from investigator.commands import common
from investigator.commands.common import Options
from investigator.commands.desk import desk
from investigator.commands.printing import print_answer
from investigator.errors import BadInput
from investigator.wire import Compare

NAME = "compare"
HELP = "let the readers of a second model say what an activation or direction of the first one holds"
EXAMPLE = "investigator compare 'The harbour of Lisbon' --token -1 --wash 0.5 --controls"
METHODS = ("drawn", "labels")


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    common.add_prompt(parser)
    common.add_place(parser)
    parser.add_argument("--map", default="", metavar="NAME", help="the map (default: the first that leads from there)")
    parser.add_argument(
        "--wash", type=float, default=0.5, metavar="W", help="weight of the background, 0 to 1; 0: none (default: 0.5)"
    )
    parser.add_argument(
        "--reader",
        action="append",
        metavar="NAME",
        help="a reader of the second model; may be repeated (default: all where the map leads)",
    )
    parser.add_argument("--own", default="", metavar="NAME", help="the first model's reader (default: the one there)")
    parser.add_argument(
        "--methods", default="drawn,labels", metavar="LIST", help="drawn, labels or both (default: drawn,labels)"
    )
    parser.add_argument("--samples", type=int, default=16, metavar="N", help="texts drawn (default: 16)")
    parser.add_argument("--temperature", type=float, default=1.0, metavar="T", help="of the draw (default: 1.0)")
    parser.add_argument("--top-p", type=float, default=0.9, metavar="P", help="share drawn from (default: 0.9)")
    parser.add_argument("--max-tokens", type=int, default=32, metavar="N", help="tokens of one text (default: 32)")
    parser.add_argument("--keep", type=int, default=3, metavar="N", help="texts a reading keeps (default: 3)")
    parser.add_argument(
        "--others", type=int, default=8, metavar="N", help="other sources behind lift and p (default: 8)"
    )
    parser.add_argument("--controls", action="store_true", help="read the controls too")
    parser.add_argument("--seed", type=int, default=0, help="of draws and of other sources (default: 0)")
    common.add_asking(parser)


def run(options: Options) -> int:
    """Compare and print every column."""
    methods = tuple(name.strip() for name in options.methods.split(",") if name.strip())
    if not methods or any(name not in METHODS for name in methods):
        raise BadInput(f"{options.methods!r} names no method.", f"They are {' and '.join(METHODS)}.")
    with desk(options) as at:
        source, _ = at.source(options)
        verb = Compare(
            source,
            options.map,
            options.wash,
            tuple(options.reader or ()),
            options.own,
            methods,
            options.samples,
            options.temperature,
            options.top_p,
            options.max_tokens,
            options.keep,
            options.others,
            options.controls,
            options.seed,
        )
        print_answer(at.ask(verb), json=options.json)
    return 0
