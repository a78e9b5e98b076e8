"""`index controls`: a reader's thresholds, decoy rankings and self-scores, measured once."""

from __future__ import annotations

import argparse
from typing import cast

from investigator import settings, workbench
from investigator.commands import common
from investigator.commands.common import Options
from investigator.commands.figures import print_worked
from investigator.commands.work import do
from investigator.errors import BadInput
from investigator.records import Worked

_FEWEST, _MOST = 20, 10_000
"""One in twenty must be more than none."""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--reader", default="", metavar="NAME", help="the reader (default: every one with labels)")
    parser.add_argument(
        "--vectors", type=int, default=200, metavar="N", help="random vectors that are ranked and read (default: 200)"
    )
    parser.add_argument(
        "--ship", action="store_true", help="write them into the reader's own folder (default: into the cache)"
    )
    common.add_backend(parser, elsewhere=False)
    common.add_output(parser)


def run(options: Options) -> int:
    """Build them, with a progress bar; asked again after a stop it goes on."""
    if not _FEWEST <= options.vectors <= _MOST:
        raise BadInput(f"{options.vectors} random vectors cannot be used.", f"Choose from {_FEWEST} to {_MOST}.")
    file = workbench.locate(options.workbench or settings.load().app.workbench).resolve()
    arguments = {
        "workbench": str(file),
        "reader": options.reader,
        "ship": options.ship,
        "vectors": options.vectors,
        "device": options.device,
        "dtype": options.dtype,
    }
    answer = do("index controls", arguments, folder=file.parent)
    print_worked(cast(Worked, answer.result), json=options.json)
    return 0
