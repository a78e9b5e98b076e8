"""`index labels`: a reader's labels linearised once, so that a ranking answers at once."""

from __future__ import annotations

import argparse
from pathlib import Path

from investigator import paths, settings, workbench
from investigator.commands import common
from investigator.commands.common import Options
from investigator.commands.work import Arguments, far_work, run_work
from investigator.errors import BadInput


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "--reader", default="", metavar="NAME", help="the reader whose labels are indexed (default: the default reader)"
    )
    parser.add_argument("--labels", default="", metavar="FILE", help="index these sentences instead, one a line")
    parser.add_argument(
        "--anchors", type=int, default=4, metavar="N", help="places at which labels are linearised (default: 4)"
    )
    parser.add_argument(
        "--sources", type=int, default=6, metavar="N", help="exact rankings to fit the estimate on (default: 6)"
    )
    parser.add_argument(
        "--heldout", type=int, default=4, metavar="N", help="exact rankings to measure recall on (default: 4)"
    )
    parser.add_argument(
        "--beside",
        action="store_true",
        help="write it beside the reader, to be shipped with it (default: into the cache)",
    )
    common.add_backend(parser, elsewhere=False)
    common.add_long(parser)
    common.add_output(parser)


def run(options: Options) -> int:
    """Make the index, with a progress bar, and print what it finds; asked again it goes on."""
    if options.on:
        return far_work(options)
    file = workbench.locate(options.workbench or settings.load().app.workbench).resolve()
    own = Path(options.labels).expanduser().absolute() if options.labels else None
    if own is not None and not own.is_file():
        raise BadInput(f"There is no file {own}.", "Name a file with one label a line.")
    for name in ("anchors", "sources", "heldout"):
        if not 1 <= getattr(options, name) <= 64:
            raise BadInput(f"--{name} {getattr(options, name)} is out of range.", "Give 1 to 64.")
    arguments: Arguments = {
        "workbench": str(file),
        "reader": options.reader,
        "anchors": options.anchors,
        "sources": options.sources,
        "heldout": options.heldout,
        "beside": options.beside,
        "device": options.device,
        "dtype": options.dtype,
    }
    # Works of one folder are done one after the other, and two runs must not write one index.
    folder = paths.cache_folder() / "label_index"
    return run_work(options, "index labels", arguments, folder=folder, files=(str(own),) if own else ())
