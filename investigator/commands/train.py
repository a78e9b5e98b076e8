"""`train`: make a workbench's parts, each stage a long question run by a child of a backend."""

from __future__ import annotations

import argparse
from pathlib import Path

from investigator.commands import common
from investigator.commands.common import Options
from investigator.commands.work import Arguments, far_work, run_work
from investigator.errors import BadInput

NAME = "train"
HELP = "train a workbench's parts from a corpus: stage by stage, or all of them"
EXAMPLE = "investigator train mapper --corpus corpus --out my-pocket"
STAGES = ("pocket", "language-model", "sae", "statistics", "labels", "mapper")


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "stage", choices=STAGES, metavar="STAGE", help=f"{', '.join(STAGES)}; pocket runs the whole chain"
    )
    parser.add_argument("--corpus", required=True, metavar="FOLDER", help="where the texts lie")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="where the parts, checkpoints and figures go")
    parser.add_argument("--recipe", default="", metavar="FILE", help="every choice of the training (default: pocket's)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1 (default: cpu)")
    parser.add_argument(
        "--dtype",
        default="auto",
        choices=("auto", "float32", "bfloat16"),
        help="of matrix products (default: auto, measured)",
    )
    parser.add_argument(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="go on from what --out holds; --no-resume refuses a folder that holds something (default: --resume)",
    )
    common.add_long(parser)
    common.add_output(parser)


def run(options: Options) -> int:
    """Run the stage with a progress bar, and print its figures."""
    if options.on:
        return far_work(options)
    out = Path(options.out).expanduser().absolute()
    if not options.resume and out.exists() and any(out.iterdir()):
        raise BadInput(f"The folder {out} is not empty.", "Name another, or leave --no-resume out to go on from it.")
    corpus = Path(options.corpus).expanduser().absolute()
    if not corpus.is_dir():
        raise BadInput(f"There is no folder {corpus} to train from.", "Name the folder that holds the texts.")
    recipe = str(Path(options.recipe).expanduser().absolute()) if options.recipe else ""
    arguments: Arguments = {"corpus": str(corpus), "out": str(out), "recipe": recipe, "device": options.device}
    return run_work(options, f"train {options.stage}", arguments | {"dtype": options.dtype}, folder=out)
