"""Run stages of training from a shell: `python -m backends.engine.training STAGE --out FOLDER --corpus FOLDER`."""

import argparse
import sys
import time
from pathlib import Path

from backends.engine.training.allocator import keep_freed_memory
from backends.engine.training.stages import STAGES, prepare
from investigator.errors import InvestigatorError


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m backends.engine.training", description=__doc__)
    parser.add_argument("stage", choices=list(STAGES))
    parser.add_argument("files", nargs="*", type=Path, help="read-labels: what came back")
    parser.add_argument("--recipe", type=Path, default=None)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="auto", help="auto (measured), float32 or bfloat16")
    parser.add_argument("--subject", default="", help="one of the recipe's subjects")
    parser.add_argument("--layer", type=int, default=None, help="one of the subject's layers")
    parser.add_argument("--sheets", type=Path, default=None, help="label-sheets: where to write")
    parser.add_argument("--first", type=int, default=0, help="label-sheets: from which latent on")
    parser.add_argument("--count", type=int, default=2250, help="label-sheets: how many latents")
    parser.add_argument("--reader", default="", help="read-labels: who wrote them")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run one stage and print a line of progress every few seconds; 1 after an error a person can mend."""
    options = _parse(arguments)
    keep_freed_memory()
    try:
        given = prepare(
            options.recipe,
            options.out,
            options.subject,
            options.corpus,
            device=options.device,
            dtype=options.dtype,
            layer=options.layer,
            files=tuple(options.files),
            sheets=options.sheets,
            first=options.first,
            count=options.count,
            reader=options.reader,
        )
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
