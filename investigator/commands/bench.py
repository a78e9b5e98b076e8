"""`bench`: how fast this machine answers, always beside a plain program that does the same."""

from __future__ import annotations

import argparse
import importlib
from typing import Protocol, cast

from investigator import settings
from investigator.commands import common
from investigator.commands.common import Options
from investigator.commands.figures import print_figures
from investigator.commands.progress import Meter
from investigator.errors import BadInput
from investigator.overrides import overridden
from investigator.records import Figure
from investigator.settings import Settings

NAME = "bench"
HELP = "measure start, cursor and ranking on this machine, each beside a plain program doing the same"
EXAMPLE = "investigator bench start --json"
MEASURES = {
    "start": ("investigator.commands.benchmarks.start", "cold start: first paint and first ranking"),
    "cursor": ("investigator.commands.benchmarks.cursor", "cursor moves while other work runs"),
    "labels": ("backends.engine.bench_labels", "all labels scored"),
    "likelihood": ("backends.engine.bench_likelihood", "rankings, best labels and one sentence over a corpus"),
}
"""From a measure's name to the module whose `measure` makes its figures, and what it is."""


class Measure(Protocol):
    """A module that measures."""

    def measure(self, workbench: str, settings: Settings, meter: Meter, **parts: tuple[str, ...]) -> list[Figure]:
        """Measure, saying on the meter what is going on, and return the figures; `only` names some of its parts."""
        ...


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    words = "; ".join(f"{name}: {words}" for name, (_, words) in MEASURES.items())
    parser.add_argument("measure", choices=tuple(MEASURES), metavar="WHAT", help=words)
    parser.add_argument(
        "--only",
        type=lambda given: tuple(filter(None, given.split(","))),
        default=(),
        metavar="PARTS",
        help="parts of likelihood: full, top, text, indexed, corpus, profile (default: all)",
    )
    common.add_output(parser)
    common.add_backend(parser)


def run(options: Options) -> int:
    """Measure and print the figures; with --on the host measures itself."""
    if options.on:
        from backends.ssh import far, words
        from investigator.commands.far_work import without

        host = words.host_of(settings.load(), options.on)
        return far.run(options.on, host, *without(options.given, flags=(), valued=("--on",)))
    chosen = overridden(settings.load(), options.device, options.dtype)
    module = cast(Measure, importlib.import_module(MEASURES[options.measure][0]))
    if options.only and not hasattr(module, "PARTS"):
        raise BadInput(f"bench {options.measure} has no parts.", "Leave --only out.")
    parts = {"only": options.only} if options.only else {}
    meter = Meter()
    try:
        figures = module.measure(options.workbench or chosen.app.workbench, chosen, meter, **parts)
    finally:
        meter.clear()
    print_figures(figures, json=options.json)
    return 0
