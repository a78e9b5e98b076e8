"""`index corpus`: a corpus read once by the subject, its activations kept on disk."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from investigator import paths, settings, workbench
from investigator.commands import common
from investigator.commands.common import Options
from investigator.commands.work import Arguments, far_work, run_work
from investigator.errors import BadInput

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="text, JSON Lines (also .gz, .xz), Parquet, a saved dataset, or a folder",
    )
    parser.add_argument(
        "--name", default="", metavar="NAME", help="what `find --corpus` calls it (default: the first file's)"
    )
    parser.add_argument(
        "--out", default="", metavar="FOLDER", help="where it goes (default: a folder of that name among the data)"
    )
    parser.add_argument(
        "--subject", default="", metavar="NAME", help="the workbench's subject model (default: its first)"
    )
    parser.add_argument(
        "--layer", type=int, action="append", metavar="L", help="block index; may be repeated (default: the subject's)"
    )
    parser.add_argument("--field", default="text", metavar="NAME", help="where rows keep their text (default: text)")
    parser.add_argument(
        "--whole", action="store_true", help="a text file is one document (default: blank lines part documents)"
    )
    parser.add_argument(
        "--window", type=int, default=256, metavar="N", help="longest context, in tokens (default: 256)"
    )
    parser.add_argument("--most-tokens", type=int, default=0, metavar="N", help="stop after so many (default: none)")
    parser.add_argument(
        "--calibrate",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="measure how much a search finds, once a layer (default: --calibrate)",
    )
    common.add_backend(parser, elsewhere=False)
    common.add_long(parser)
    common.add_output(parser)


def run(options: Options) -> int:
    """Read the files, with a progress bar, and say where the index lies; asked again it goes on."""
    if options.on:
        return far_work(options)
    name = (
        options.name
        or re.sub(r"[^A-Za-z0-9._-]+", "-", Path(options.files[0]).name.split(".")[0]).strip("-.")
        or "corpus"
    )
    if not _NAME.fullmatch(name):
        raise BadInput(f"{name!r} is no name for a corpus.", "Use letters, digits, dots, dashes and underscores.")
    out = Path(options.out).expanduser().absolute() if options.out else paths.data_folder() / "corpora" / name
    chosen = settings.load()
    arguments: Arguments = {
        "workbench": str(workbench.locate(options.workbench or chosen.app.workbench).resolve()),
        "name": name,
        "out": str(out),
        "subject": options.subject,
        "layers": ",".join(str(layer) for layer in options.layer or ()),
        "field": options.field,
        "whole": options.whole,
        "window": options.window,
        "most_tokens": options.most_tokens,
        "calibrate": options.calibrate,
        "device": options.device,
        "dtype": options.dtype,
    }
    files = tuple(str(Path(file).expanduser().absolute()) for file in options.files)
    return run_work(options, "index corpus", arguments, folder=out, files=files)
