"""`train`: make a workbench's parts, each stage a long question run by a child of a backend."""

from __future__ import annotations

import argparse
from pathlib import Path

from investigator.commands import common, train_map
from investigator.commands.common import Options
from investigator.commands.work import Arguments, far_work, run_work
from investigator.errors import BadInput

NAME = "train"
HELP = "train a workbench's parts from a corpus: stage by stage, or all of them"
EXAMPLE = "investigator train mapper --corpus corpus --out my-pocket"
STAGES = (
    "pocket",
    "language-model",
    "sae",
    "statistics",
    "labels",
    "mapper",
    "verbalizer",
    "reconstructor",
    "best-of",
    "embedder",
    "label-sheets",
    "read-labels",
    "map",
)


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "stage",
        choices=STAGES,
        metavar="STAGE",
        help=f"{', '.join(STAGES)}; pocket runs the whole chain up to embedder; map fits a map between two models",
    )
    parser.add_argument(
        "files",
        nargs="*",
        metavar="FILE",
        help='read-labels: what came back, lines of {"latent": N, "label": "..."}; map: sentences, one a line, or JSON '
        "Lines with `text`, `start` and `end` (default: the workbench's held-out documents, cut into sentences)",
    )
    parser.add_argument("--corpus", default="", metavar="FOLDER", help="where the texts lie; map needs none")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="where the parts, checkpoints and figures go")
    parser.add_argument("--recipe", default="", metavar="FILE", help="every choice of the training (default: pocket's)")
    parser.add_argument("--subject", default="", metavar="NAME", help="one of the recipe's subjects (default: all)")
    parser.add_argument("--layer", type=int, metavar="N", help="one layer (default: all with an autoencoder)")
    parser.add_argument("--sheets", default="", metavar="FOLDER", help="label-sheets: default: sheets, in --out")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="label-sheets: leave out the N most telling")
    parser.add_argument("--count", type=int, default=2250, metavar="N", help="label-sheets: latents (default: 2250)")
    parser.add_argument("--reader", default="", metavar="WHO", help="read-labels: recorded with each label")
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
    train_map.add(parser)
    common.add_long(parser)
    common.add_output(parser)


def run(options: Options) -> int:
    """Run the stage with a progress bar, and print its figures."""
    if options.on:
        return far_work(options)
    out = Path(options.out).expanduser().absolute()
    if not options.resume and out.exists() and any(out.iterdir()):
        raise BadInput(f"The folder {out} is not empty.", "Name another, or leave --no-resume out to go on from it.")
    if options.stage == "map":
        return train_map.run(options, out)
    if not options.corpus:
        raise BadInput(f"{options.stage} needs texts.", "Name their folder with --corpus.")
    corpus = Path(options.corpus).expanduser().absolute()
    if not corpus.is_dir():
        raise BadInput(f"There is no folder {corpus} to train from.", "Name the folder that holds the texts.")
    recipe = str(Path(options.recipe).expanduser().absolute()) if options.recipe else ""
    arguments: Arguments = {"corpus": str(corpus), "out": str(out), "recipe": recipe, "device": options.device}
    arguments |= {"dtype": options.dtype, **_of_labels(options)}
    return run_work(options, f"train {options.stage}", arguments, folder=out)


def _of_labels(options: Options) -> Arguments:
    """Return what is meant of the recipe, and what the two stages about read labels take."""
    if options.files and options.stage != "read-labels":
        raise BadInput(f"{options.stage} takes no files.", "Only read-labels does.")
    files = [str(Path(file).expanduser().absolute()) for file in options.files]
    return {
        "subject": options.subject,
        "layer": "" if options.layer is None else str(options.layer),
        "files": "\n".join(files),
        "sheets": str(Path(options.sheets).expanduser().absolute()) if options.sheets else "",
        "first": options.first,
        "count": options.count,
        "reader": options.reader,
    }
