"""`intervene`: the residual stream changed at a place, and what follows."""

from __future__ import annotations

import argparse

from investigator import targets
from investigator.commands import common, sources
from investigator.commands.common import Options
from investigator.commands.desk import desk
from investigator.commands.printing import print_answer
from investigator.errors import BadInput
from investigator.sources import Decoder
from investigator.wire import Intervene

NAME = "intervene"
HELP = "ablate features or add a direction at a place, and see what follows beside random directions"
EXAMPLE = "investigator intervene 'The harbour of Lisbon' --token -1 --ablate 12 --from-here --hypothesis 'ports'"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    common.add_prompt(parser)
    common.add_place(parser)
    group = parser.add_argument_group("change")
    group.add_argument(
        "--ablate",
        type=common.checked(targets.parse_latent),
        action="append",
        metavar="LATENT",
        help="take this latent away (1234, or l3#1234); may be repeated",
    )
    group.add_argument(
        "--add",
        type=common.checked(targets.parse_source),
        metavar="EXPR",
        help="add what this source holds beyond its layer's mean",
    )
    group.add_argument(
        "--from-here", action="store_true", help="change every later position too, those of the continuation included"
    )
    group.add_argument(
        "--dose",
        type=float,
        action="append",
        metavar="X",
        help="how much of it; may be repeated (default: 0, 0.5, 1, 2 of an ablation; 0, 0.25, 0.5, 1 of a direction)",
    )
    group.add_argument("--sae", default="", metavar="NAME", help="the SAE of --ablate (default: the one at the layer)")
    group = parser.add_argument_group("what is followed")
    group.add_argument("--hypothesis", action="append", metavar="TEXT", help="follow its score; may be repeated")
    group.add_argument("--reader", default="", metavar="NAME", help="the reader (default: the next one downstream)")
    group.add_argument(
        "--read-token", type=int, metavar="T", help="where hypotheses are read (default: where the change arrives last)"
    )
    group.add_argument("--continue", dest="continue_tokens", type=int, default=16, metavar="N", help="tokens (16)")
    group.add_argument("--top", type=int, default=5, metavar="K", help="tokens that rise and fall most (default: 5)")
    group.add_argument("--randoms", type=int, default=5, metavar="N", help="random directions beside it (default: 5)")
    group.add_argument("--seed", type=int, default=0, help="of the random directions (default: 0)")
    common.add_asking(parser)


def run(options: Options) -> int:
    """Ask for the intervention and print it."""
    latents: list[Decoder] = options.ablate or []
    names = {latent.sae for latent in latents if latent.sae} | ({options.sae} if options.sae else set())
    if len(names) > 1:
        raise BadInput(f"These latents are of {len(names)} SAEs.", "Ablate those of one SAE at a time.")
    with desk(options) as at:
        place, _ = at.source(options)
        added = None if options.add is None else sources.given(at, options, options.add)[0]
        verb = Intervene(
            place,
            tuple(latent.latent for latent in latents),
            next(iter(names), ""),
            added,
            options.from_here,
            tuple(options.dose or ()),
            tuple(targets.text_of(f"{text}") for text in options.hypothesis or ()),
            options.reader,
            options.read_token,
            options.continue_tokens,
            options.randoms,
            options.top,
            options.seed,
        )
        print_answer(at.ask(verb), json=options.json)
    return 0
