"""Flags of the commands that judge sentences: how they are phrased, and what is drawn for controls and intervals."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from investigator import targets
from investigator.commands.common import Options
from investigator.errors import BadInput

Wordings = dict[str, tuple[str, ...]]


def add_controls(parser: argparse.ArgumentParser) -> None:
    """Add whether the answer is judged."""
    parser.add_argument("--no-controls", action="store_true", help="scores alone: no controls, interval or verdict")


def add_phrasing(parser: argparse.ArgumentParser) -> None:
    """Add in which words a hypothesis is put, and the seed."""
    group = parser.add_argument_group("wording")
    group.add_argument(
        "--template",
        action="append",
        metavar="TEXT",
        help="a phrasing, {} standing for the hypothesis; may be repeated (default: the built-in ones)",
    )
    group.add_argument(
        "--wording",
        action="append",
        metavar="TEXT",
        help="your own phrasing of a hypothesis, as HYPOTHESIS=PHRASING; may be repeated",
    )
    group.add_argument("--as-typed", action="store_true", help="no templates: the words as typed alone")
    group.add_argument("--seed", type=int, default=0, help="of random controls and intervals (default: 0)")


def templates_of(options: Options) -> tuple[str, ...] | None:
    """Return the templates, None for the default ones; raise BadInput where one has no place for the hypothesis."""
    if options.as_typed:
        if options.template:
            raise BadInput("--as-typed and --template exclude each other.", "Leave one of them out.")
        return ()
    given = tuple(targets.text_of(f"{text}") for text in options.template or ())
    for text in given:
        if "{}" not in text:
            raise BadInput(f"The template {text!r} has no {{}}.", "Write {} where the hypothesis stands.")
    return given or None


def wordings_of(given: Sequence[str], hypotheses: Sequence[str]) -> Wordings:
    """Return the user's own phrasings by hypothesis, from `HYPOTHESIS=PHRASING`; raise BadInput where none is named.

    Where there is one hypothesis, a phrasing may stand alone.
    """
    found: Wordings = {}
    for text in given:
        hypothesis, phrasing = _split(text, hypotheses)
        found[hypothesis] = (*found.get(hypothesis, ()), phrasing)
    return found


def _split(text: str, hypotheses: Sequence[str]) -> tuple[str, str]:
    named = [one for one in hypotheses if text.startswith(f"{one}=")]
    if named:
        hypothesis = max(named, key=len)
        return hypothesis, text[len(hypothesis) + 1 :]
    if len(hypotheses) != 1:
        raise BadInput(f"The wording {text!r} names no hypothesis.", "Write it as HYPOTHESIS=PHRASING.")
    return hypotheses[0], text
