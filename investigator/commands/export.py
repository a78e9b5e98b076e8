"""`export`: a session as markdown or JSON, or one ranking's plot as SVG."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from investigator.commands.common import Options
from investigator.commands.stored import store
from investigator.errors import BadInput, StoreError
from investigator.records import Labels
from investigator.text import inert

if TYPE_CHECKING:
    from sessions import Session, Store

NAME = "export"
HELP = "write a session as markdown for a paper or an issue, as JSON, or a ranking's plot as SVG"
EXAMPLE = "investigator export notebook --findings --out findings.md"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("name", metavar="SESSION", help="the session")
    parser.add_argument(
        "--format", choices=("markdown", "json"), default="markdown", help="what to write (default: markdown)"
    )
    parser.add_argument("--json", dest="format", action="store_const", const="json", help="the same as --format json")
    parser.add_argument("--findings", action="store_true", help="only findings, with the answers behind them")
    parser.add_argument("--rows", type=int, default=50, metavar="N", help="rows of a markdown table (default: 50)")
    parser.add_argument("--plot", metavar="ID", help="instead: the plot of this stored labels answer, as SVG")
    parser.add_argument("--out", metavar="FILE", help="write to this file (default: standard output)")


def run(options: Options) -> int:
    """Write the export."""
    with store() as opened:
        session = opened.session(options.name, create=False)
        text = _plot(opened, options.plot) if options.plot else _text(opened, session, options)
    if options.out is None:
        sys.stdout.write(text)
    else:
        _write(Path(options.out).expanduser(), text)
    return 0


def _text(opened: Store, session: Session, options: Options) -> str:
    from sessions import export_json, export_markdown

    if options.format == "json":
        return export_json(opened, session)
    return export_markdown(opened, session, findings_only=options.findings, rows=max(options.rows, 1))


def _plot(opened: Store, id: str) -> str:
    saved = opened.answer(id)
    if not isinstance(saved.result, Labels):
        raise BadInput(
            f"The answer {id} is no ranking of labels, so it has no plot.", "Give the id of a labels answer."
        )
    from screens.pareto import from_labels
    from screens.plot_svg import svg

    return svg(from_labels(saved.result), title=saved.prompt)


def _write(path: Path, text: str) -> None:
    # Written beside and renamed, so that a full disk leaves no half export in the place of a whole one.
    beside = path.with_name(f".{path.name}.part")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise StoreError(
            f"The export could not be written to {inert(str(path))}: {reason}.", "Name another file."
        ) from error
