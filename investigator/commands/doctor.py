"""`doctor`: does this workbench fit together."""

from __future__ import annotations

import argparse
import sys
from typing import cast

from investigator.commands import common
from investigator.commands.common import Options
from investigator.commands.desk import desk
from investigator.commands.printing import print_answer
from investigator.errors import WorkbenchError
from investigator.records import Checkup
from investigator.text import inert
from investigator.wire import CheckWorkbench

NAME = "doctor"
HELP = "check that the workbench's parts fit together; exit code 3 where one does not"
EXAMPLE = "investigator doctor --workbench my-workbench.toml"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    common.add_asking(parser)


def run(options: Options) -> int:
    """Print every check, and return 3 where one found an error."""
    with desk(options) as at:
        if not at.bench.met:  # else it was said already
            print(*map(inert, at.bench.greeting), sep="\n", end="\n" * bool(at.bench.greeting), file=sys.stderr)
        answer = at.ask(CheckWorkbench())
        print_answer(answer, json=options.json)
    failed = any(row.status == "error" for row in cast(Checkup, answer.result).rows)
    return WorkbenchError.exit_code if failed else 0
