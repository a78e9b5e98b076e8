"""`sweep`: every token of a prompt at every layer, by any reader."""

from __future__ import annotations

import argparse
import shutil
import sys

from investigator import sweep_tables, targets
from investigator.commands import common
from investigator.commands.common import Options
from investigator.commands.desk import desk
from investigator.commands.printing import document, print_json, print_tables, provenance_line
from investigator.errors import BadInput
from investigator.events import Answer
from investigator.records import Swept
from investigator.sources import Decoder
from investigator.sweeping import ALL, sweep_of
from investigator.text import inert

NAME = "sweep"
HELP = "read every token of a prompt at every layer: a text's gap, the readers' own words, or one latent"
EXAMPLE = "investigator sweep 'The harbour of Lisbon' --text 'references to ports' --reader selfie"
BEFORE, A_LAYER = 30, 9
"""Columns of a terminal that positions and tokens take, and that a layer takes."""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    common.add_prompt(parser)
    group = parser.add_argument_group("what is swept")
    group.add_argument("--text", metavar="TEXT", help="score this in every cell (default: what the readers say)")
    group.add_argument(
        "--latent",
        type=common.checked(targets.parse_latent),
        metavar="LATENT",
        help="a latent's activation instead: 1234, l3#1234",
    )
    group.add_argument("--sae", default="", metavar="NAME", help="the SAE of --latent (default: the workbench's first)")
    group.add_argument(
        "--reader", default="", metavar="NAME", help="one reader (default: at each layer the workbench's own there)"
    )
    group.add_argument(
        "--layers", type=common.checked(parse_layers), default=(), metavar="0,2-4", help="(default: all that are read)"
    )
    group.add_argument(
        "--token",
        type=common.checked(targets.parse_token),
        default=ALL,
        metavar="3:7",
        help="a position or a span of them (default: all)",
    )
    group.add_argument(
        "--method",
        choices=("auto", "labels", "greedy"),
        default="auto",
        help="without a text: the best label, or the likeliest words (default: labels where readers rank them)",
    )
    common.add_asking(parser)


def _named(latent: Decoder | None, sae: str) -> Decoder | None:
    if latent is None or not sae:
        return latent
    if latent.sae not in {"", sae}:
        raise BadInput(f"The latent is of {latent.sae}, not of {sae}.", "Leave --sae out.")
    return Decoder(sae, latent.latent)


def parse_layers(given: str) -> tuple[int, ...]:
    """Return the layers of `0,2-4`; raise BadInput where they are not whole numbers."""
    found: list[int] = []
    for part in given.replace(" ", "").split(","):
        first, dash, last = part.partition("-")
        if not first.isdigit() or (dash and not last.isdigit()) or len(part) > 9:
            raise BadInput(f"{given!r} is no list of layers.", "Write them as 0,2-4.")
        end = int(last) if dash else int(first)
        if not int(first) <= end < int(first) + 10_000:
            raise BadInput(f"{part!r} is no range of layers.", "Write it as 2-4.")
        found += range(int(first), end + 1)
    return tuple(dict.fromkeys(found))


def run(options: Options) -> int:
    """Sweep and print the layers."""
    text = "" if options.text is None else targets.text_of(options.text)
    if options.text is not None and not text.strip():
        raise BadInput("There is no text to sweep.", "Type a sentence, or leave --text out for the readers' own words.")
    with desk(options) as at:
        prompt = at.prompt(options)
        latent = _named(options.latent, options.sae)
        verb = sweep_of(
            prompt.opened, text, reader=options.reader, layers=options.layers, tokens=options.token,
            method=options.method, latent=latent,
        )  # fmt: skip
        answer = at.ask(verb)
        if options.json:
            print_json(document(answer))
        else:
            _print(answer, [token.text for token in prompt.tokens])
    return 0


def _print(answer: Answer, tokens: list[str]) -> None:
    """Print as many layers beside each other as the terminal is wide."""
    found = answer.result
    if isinstance(found, Swept):
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
        across = max(1, (width - BEFORE) // A_LAYER) if width else sweep_tables.ACROSS
        print_tables([*sweep_tables.of_rows(found.rows, tokens, across), *sweep_tables.of_result(found)])
    if answer.provenance is not None:
        print(inert(provenance_line(answer.provenance)))
