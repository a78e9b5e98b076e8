"""`replay`: what was saved, asked again and compared."""

from __future__ import annotations

import argparse
from collections import Counter
from typing import TYPE_CHECKING

from investigator.commands import common
from investigator.commands.common import Options
from investigator.commands.printing import print_json, print_tables
from investigator.commands.stored import store
from investigator.errors import BadInput
from investigator.tables import Table, number
from investigator.text import inert

if TYPE_CHECKING:
    from investigator.commands.replaying import Replayed
    from sessions.replay import Comparison

NAME = "replay"
HELP = "run stored answers again and say what differs; the exit code says which"
EXAMPLE = "investigator replay notebook --limit 20"
CODES = {"identical": 0, "not replayed": 0, "within tolerance": 3, "different": 4, "failed": 1}
"""From what came of an answer to the exit code; of several answers the worst counts."""
WORST = ("failed", "different", "within tolerance", "identical", "not replayed")


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("target", metavar="SESSION", help="a session's name, or the id of a finding or an answer")
    parser.add_argument("--limit", type=int, metavar="N", help="only a session's newest answers (default: all)")
    parser.add_argument("--rows", type=int, default=10, metavar="N", help="differences printed an answer (default: 10)")
    parser.add_argument(
        "--tolerance",
        type=float,
        default=1e-4,
        metavar="T",
        help="nats per token for scores, relative for other numbers (default: 1e-4)",
    )
    parser.add_argument("--session", default="", metavar="NAME", help="record the answers here (default: nowhere)")
    common.add_output(parser)
    common.add_backend(parser)


def run(options: Options) -> int:
    """Ask again, print what differs, and return what the worst answer says."""
    from investigator.commands.replaying import replay, stored_answers

    if options.tolerance < 0:
        raise BadInput(f"The tolerance {options.tolerance:g} is negative.", "Give 0 or more.")
    with store() as opened:
        several = stored_answers(opened, options.target, options.limit)
    found: list[Replayed] = []
    for one in replay(several, options):
        found.append(one)
        if not options.json:
            _print(one, max(options.rows, 0))
    counts = Counter(one.outcome for one in found)
    worst = next(name for name in WORST if counts[name])
    if options.json:
        print_json({"outcome": worst, "tolerance": options.tolerance, "answers": [one.document() for one in found]})
    else:
        print(", ".join(f"{counts[name]} {name}" for name in reversed(WORST) if counts[name]))
    if worst == "not replayed":
        raise BadInput("Nothing of this can be replayed.", "Work is done again by its command.")
    return CODES[worst]


def _print(one: Replayed, rows: int) -> None:
    print(inert(f"{one.saved.id[:12]}  {one.what}: {one.sentence}"))
    if one.comparison is not None and one.comparison.rows:
        for reason in one.comparison.reasons:
            print(inert(f"  {reason.sentence}"))
        print_tables([differences_table(one.comparison, rows)])
    elif one.comparison is None:
        print(f"  {one.command}")


def differences_table(comparison: Comparison, rows: int) -> Table:
    """Return what differs as a table, those values first that lie outside the tolerance."""
    cells = tuple(
        (row.path, row.before, row.after, number(row.difference, 6), "" if row.within else "outside")
        for row in comparison.rows[:rows]
    )
    left = len(comparison.rows) - len(cells)
    title = f"Differences ({left} more in --json)" if left else "Differences"
    return Table(title, ("value", ">before", ">now", ">by", "tolerance"), cells)
