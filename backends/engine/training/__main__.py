"""Run stages of training from a shell: `python -m backends.engine.training STAGE --out FOLDER --corpus FOLDER`."""

import argparse
import shutil
import sys
import time
from pathlib import Path

from backends.engine.training.allocator import keep_freed_memory
from backends.engine.training.folders import Folders
from backends.engine.training.recipe import DEFAULT_RECIPE, load_recipe
from backends.engine.training.stages import STAGES, Arguments
from investigator.errors import InvestigatorError


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m backends.engine.training", description=__doc__)
    parser.add_argument("stage", choices=list(STAGES))
    parser.add_argument("--recipe", type=Path, default=DEFAULT_RECIPE)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="auto", help="auto (measured), float32 or bfloat16")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run one stage and print a line of progress every few seconds; 1 after an error a person can mend."""
    options = _parse(arguments)
    keep_freed_memory()
    try:
        folders = Folders(options.out)
        recipe = load_recipe(options.recipe)
        folders.root.mkdir(parents=True, exist_ok=True)
        if options.recipe.resolve() != folders.recipe.resolve():
            shutil.copyfile(options.recipe, folders.recipe)
        given = Arguments(recipe, folders, options.corpus, options.device, options.dtype)
        printed = 0.0
        for progress in STAGES[options.stage](given):
            if time.monotonic() - printed > 5.0 or progress.done == progress.total:
                printed = time.monotonic()
                clock = time.strftime("%H:%M:%S", time.gmtime())
                figures = " ".join(f"{name}={value:.6g}" for name, value in progress.figures.items())
                print(f"{clock} {progress.done}/{progress.total} {progress.message} {figures}", flush=True)
    except InvestigatorError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
