"""`index controls`: a reader's thresholds, decoy rankings and self-scores, measured once."""

from __future__ import annotations

import argparse

from investigator import settings, workbench
from investigator.commands import common
from investigator.commands.common import Options
from investigator.commands.work import Arguments, far_work, run_work
from investigator.errors import BadInput

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
    common.add_long(parser)
    common.add_output(parser)


def run(options: Options) -> int:
    """Build them, with a progress bar; asked again after a stop it goes on."""
    if options.on:
        return far_work(options)
    if not _FEWEST <= options.vectors <= _MOST:
        raise BadInput(f"{options.vectors} random vectors cannot be used.", f"Choose from {_FEWEST} to {_MOST}.")
    file = workbench.locate(options.workbench or settings.load().app.workbench).resolve()
    arguments: Arguments = {
        "workbench": str(file),
        "reader": options.reader,
        "ship": options.ship,
        "vectors": options.vectors,
        "device": options.device,
        "dtype": options.dtype,
    }
    return run_work(options, "index controls", arguments, folder=file.parent)
