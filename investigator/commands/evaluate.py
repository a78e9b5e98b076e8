"""`evaluate`: a workbench's figures on its held-out documents, what its controls are worth, and the paper's tables."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import cast

from investigator import settings, workbench
from investigator.commands import common
from investigator.commands.common import Options
from investigator.commands.figures import print_figures, print_worked
from investigator.commands.progress import Meter
from investigator.commands.work import Arguments, do, far_work, run_work
from investigator.errors import BadInput
from investigator.records import Worked

NAME = "evaluate"
HELP = "measure a workbench's readers, its controls, or the paper's tables on held-out documents"
EXAMPLE = "investigator evaluate controls --json"
KINDS = ("controls", "paper-tables", "crossmodel", "bridge", "faults")
"""Kinds of measurement that take the workbench as a second word; another first word is the workbench itself."""
PAGES = ("paper-tables", "bridge")
"""Kinds that write a page."""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "what",
        metavar="WHAT",
        help="a workbench (bundled name, folder or TOML file) for its readers' figures; `controls` for what verdicts, "
        "p-values and gaps are worth; `paper-tables` for tables 1 to 6 of the L2EL paper; "
        "`crossmodel` for what a map between two models is worth to the second one's readers; `bridge` for the same on "
        "a page with one investigation; "
        "`faults` for what is lost when links, backends and "
        "writers are cut and killed",
    )
    parser.add_argument("workbench", metavar="WORKBENCH", nargs="?", default="pocket", help="default: pocket")
    parser.add_argument(
        "--only", default="", metavar="GROUPS", help="controls: groups of figures, with commas (senses,auroc,...)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of every draw (default: 1)")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="controls, crossmodel: multiplies every count (default: 1)"
    )
    parser.add_argument("--map", default="", metavar="NAME", help="crossmodel, bridge: (default: the first)")
    parser.add_argument("--quick", action="store_true", help="faults: a few of each, as the test suite does")
    parser.add_argument("--times", type=int, default=1, metavar="N", help="faults: N times as many (default: 1)")
    parser.add_argument(
        "--out", default="", metavar="FILE", help="paper-tables, bridge: markdown file (default: print it)"
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1 (default: cpu)")
    common.add_long(parser)
    common.add_output(parser)


def run(options: Options) -> int:
    """Measure, with a progress bar, and print the figures or the tables."""
    if options.what == "faults":
        return _faults(options)
    if options.what in PAGES and (options.on or options.detach) and not options.out:
        raise BadInput("Tables that are made elsewhere or later need a file.", "Name one with --out.")
    if options.on:
        return far_work(options)
    named = options.workbench if options.what in KINDS else options.what
    file = workbench.locate(named).resolve()
    arguments: Arguments = {"workbench": str(file), "device": options.device, "dtype": "float32"}
    if options.what == "controls":
        arguments |= {"only": options.only, "seed": options.seed, "scale": options.scale}
    if options.what in {"crossmodel", "bridge"}:
        arguments |= {"map": options.map, "seed": options.seed, "scale": options.scale}
    if options.what in PAGES:
        return _tables(options, arguments, file)
    kind = options.what if options.what in KINDS else "pocket"
    return run_work(options, f"evaluate {kind}", arguments, folder=file.parent)


def _faults(options: Options) -> int:
    """Make faults from this process, which must outlive what it kills, and print what was lost."""
    from investigator.commands.faults.ground import QUICK, Counts
    from investigator.commands.faults.run import figures

    if options.on or options.detach:
        raise BadInput("Faults are made from this terminal.", "Leave --on and --detach out.")
    if options.times < 1:
        raise BadInput(f"Faults cannot be made {options.times} times.", "Give 1 or more.")
    meter = Meter()
    counts = (QUICK if options.quick else Counts()).times(options.times)
    try:
        found = list(figures(options.workbench, settings.load(), counts, options.seed, meter.note))
    finally:
        meter.clear()
    print_figures(found, json=options.json)
    return 0


def _tables(options: Options, arguments: Arguments, file: Path) -> int:
    """Write the tables where they are wanted, or print them."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(options.out).expanduser().absolute() if options.out else Path(folder) / "tables.md"
        if not out.parent.is_dir():
            raise BadInput(f"There is no folder {out.parent}.", "Make it, or name another file.")
        arguments |= {"out": str(out)}
        if options.out:
            return run_work(options, f"evaluate {options.what}", arguments, folder=file.parent)
        worked = cast(Worked, do(f"evaluate {options.what}", arguments, folder=file.parent).result)
        if options.json:
            print_worked(worked, json=options.json)
        else:
            sys.stdout.write(out.read_text(encoding="utf-8"))
    return 0
