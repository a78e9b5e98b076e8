"""`evaluate`: a workbench's figures on its held-out documents."""

from __future__ import annotations

import argparse
from typing import cast

from investigator import workbench
from investigator.commands import common
from investigator.commands.common import Options
from investigator.commands.figures import print_worked
from investigator.commands.work import do
from investigator.records import Worked

NAME = "evaluate"
HELP = "measure a workbench's readers on held-out documents, with intervals"
EXAMPLE = "investigator evaluate pocket --json"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("name", metavar="WORKBENCH", help="bundled name, folder or TOML file")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1 (default: cpu)")
    common.add_output(parser)


def run(options: Options) -> int:
    """Measure, with a progress bar, and print the figures."""
    file = workbench.locate(options.name).resolve()
    arguments = {"workbench": str(file), "device": options.device}
    answer = do("evaluate pocket", arguments, folder=file.parent)
    print_worked(cast(Worked, answer.result), json=options.json)
    return 0
