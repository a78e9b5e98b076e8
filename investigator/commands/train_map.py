"""`train map`: a linear map between two models' residual streams."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path

from investigator import settings, workbench
from investigator.commands.common import Options
from investigator.commands.work import Arguments, run_work
from investigator.errors import BadInput
from investigator.text import inert


def add(parser: argparse.ArgumentParser) -> None:
    """Add the stage's own arguments."""
    group = parser.add_argument_group("map")
    group.add_argument("--workbench", default="", metavar="NAME", help="holds both models (default: the setting)")
    group.add_argument("--from", dest="source", default="", metavar="A:L", help="the model and layer it leads from")
    group.add_argument("--to", dest="target", default="", metavar="B:M", help="the model and layer it leads to")
    group.add_argument(
        "--kind", default="ridge", choices=("ridge", "procrustes"), help="how it is fitted (default: ridge)"
    )
    group.add_argument(
        "--lambda", dest="penalty", type=float, default=100.0, metavar="X", help="the ridge's penalty (default: 100)"
    )
    group.add_argument("--heldout", type=float, default=0.2, metavar="SHARE", help="held out (default: 0.2)")
    group.add_argument(
        "--sentences", type=int, default=1500, metavar="N", help="cut from the held-out documents (default: 1500)"
    )
    group.add_argument("--seed", type=int, default=0, help="of the split and the shuffled pairs (default: 0)")
    group.add_argument(
        "--washout", default="", metavar="FILE", help="sentences of the background (default: the bundled 100)"
    )
    group.add_argument("--all-pairs", action="store_true", help="measure all pairs of layers too, as a heat map")


def run(options: Options, out: Path) -> int:
    """Fit the map, with a progress bar, and say where it lies."""
    if not options.source or not options.target:
        raise BadInput("A map leads from one place to another.", "Name them: --from A:L --to B:M.")
    if not options.penalty >= 0:
        raise BadInput(f"The penalty cannot be {options.penalty}.", "Choose 0 or more; the paper takes 100.")
    chosen = settings.load()
    arguments: Arguments = {
        "workbench": str(workbench.locate(options.workbench or chosen.app.workbench).resolve()),
        "source": options.source,
        "target": options.target,
        "kind": options.kind,
        "penalty": options.penalty,
        "heldout": options.heldout,
        "sentences": options.sentences,
        "seed": options.seed,
        "washout": str(Path(options.washout).expanduser().absolute()) if options.washout else "",
        "all_pairs": options.all_pairs,
        "out": str(out),
        "device": options.device,
        "dtype": "" if options.dtype == "auto" else options.dtype,
    }
    files = tuple(str(Path(file).expanduser().absolute()) for file in options.files)
    code = run_work(options, "train map", arguments, folder=out, files=files)
    if not (options.json or options.detach or options.events):
        _show(out, options.all_pairs)
    return code


def _show(out: Path, pairs: bool) -> None:
    """Print the pages beside the map: figures, penalties swept, all pairs."""
    for name in ("map.md", *(("pairs.md",) if pairs else ())):
        with contextlib.suppress(OSError):
            print("\n".join(map(inert, (out / name).read_text(encoding="utf-8").splitlines())))
