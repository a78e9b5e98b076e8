"""`open`: a prompt as the model sees it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import cast

from investigator.commands import common
from investigator.commands.common import Options
from investigator.commands.desk import Desk, desk
from investigator.commands.printing import print_answer
from investigator.errors import Stopped
from investigator.records import Opened
from investigator.wire import Fetch, Open

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
    parser.add_argument(
        "--fetch-activations",
        default="",
        metavar="FILE",
        help="also write every layer's activations to this .safetensors",
    )
    parser.add_argument(
        "--layer", type=int, action="append", metavar="L", help="fetch this layer; may be repeated (default: all)"
    )
    parser.add_argument("--yes", action="store_true", help="fetch without asking, however large they are")
    common.add_asking(parser)


def run(options: Options) -> int:
    """Open the prompt and print its tokens; fetch its activations where that is asked."""
    prompt = "" if options.ids is not None else common.prompt_of(options)
    verb = Open(prompt, options.ids, options.subject, options.chat, options.continue_tokens, options.seed)
    target = Path(options.fetch_activations).expanduser() if options.fetch_activations else None
    if target is not None:
        from investigator import fetching

        fetching.check_target(target)
    with desk(options) as at:
        answer = at.ask(verb)
        print_answer(answer, json=options.json)
        if target is not None:
            _fetch(at, cast(Opened, answer.result), target, options)
    return 0


def _fetch(at: Desk, opened: Opened, target: Path, options: Options) -> None:
    """Say how large the activations are, ask on a terminal, and bring them."""
    from investigator import fetching

    layers = tuple(dict.fromkeys(options.layer or ()))
    size = fetching.size_of(opened, layers)
    where = f"from {options.on} " if options.on else ""
    counts = (len(layers) or opened.layers, len(opened.tokens), opened.width, 4)
    said = f"layers x tokens x width x bytes: {' x '.join(map(str, counts))}"
    print(f"{size:,} bytes of activations ({said}) {where}to {target}", file=sys.stderr)
    if not options.yes and sys.stdin.isatty() and sys.stderr.isatty() and not common.confirmed("Fetch them?"):
        raise Stopped("Nothing was fetched.")
    ids = tuple(token.id for token in opened.tokens)
    fetched = at.fetch(Fetch(ids, opened.subject, layers), target)
    print(f"{target}: {fetched.bytes:,} bytes.", file=sys.stderr)
