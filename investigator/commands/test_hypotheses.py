"""`test`: your own sentences, scored."""

from __future__ import annotations

import argparse
import sys
from typing import cast

from investigator import targets
from investigator.commands import common, judging
from investigator.commands.common import Options
from investigator.commands.desk import Desk, desk
from investigator.commands.printing import csv_of, print_answer
from investigator.commands.sources import given
from investigator.errors import BadInput
from investigator.records import Tested
from investigator.sources import Source
from investigator.wire import Test

NAME = "test"
HELP = "score your own hypotheses against an activation"
EXAMPLE = "investigator test 'The harbour of Lisbon' 'references to ports' 'words about music' --token -1"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "texts", nargs="*", metavar="TEXT", help="the prompt (- reads standard input), then the hypotheses"
    )
    common.add_prompt_flags(parser)
    parser.add_argument("--hypothesis", action="append", metavar="TEXT", help="one more hypothesis; may be repeated")
    parser.add_argument(
        "--prompts", metavar="FILE", help="many prompts, one a line: one row for each with each hypothesis"
    )
    parser.add_argument("--hypotheses", metavar="FILE", help="many hypotheses, one a line")
    common.add_place(parser)
    parser.add_argument("--reader", default="", metavar="NAME", help="the reader (default: the one at that layer)")
    parser.add_argument(
        "--scope",
        choices=("position", "positions", "layers"),
        default="position",
        help="score at the token, at every position, or at every layer with a reader (default: position)",
    )
    judging.add_controls(parser)
    judging.add_phrasing(parser)
    parser.add_argument(
        "--tried",
        type=int,
        metavar="N",
        help="other wordings tried at this place, which the verdict is corrected for (default: as the session counts)",
    )
    parser.add_argument(
        "--drawn",
        action="store_true",
        help="the hypotheses were drawn from this activation, or picked after reading such texts",
    )
    parser.add_argument("--csv", action="store_true", help="print one CSV line for each prompt and hypothesis")
    common.add_asking(parser)


def run(options: Options) -> int:
    """Score the hypotheses and print one row each."""
    prompts, hypotheses = _texts(options)
    templates, wordings = judging.templates_of(options), judging.wordings_of(options.wording or (), hypotheses)
    with desk(options) as at:
        sources, tokens = _sources(at, options, prompts)
        tried = at.bench.tried(hypotheses, sources) if options.tried is None else options.tried
        verb = Test(
            hypotheses, sources, options.reader, options.scope, not options.no_controls, templates, wordings, tried,
            options.drawn, options.seed,
        )  # fmt: skip
        answer = at.ask(verb)
        if options.csv:
            sys.stdout.write(csv_of(cast(Tested, answer.result).rows, prompts))
        else:
            print_answer(answer, json=options.json, tokens=tokens)
    return 0


def _texts(options: Options) -> tuple[tuple[str, ...], tuple[str, ...]]:
    typed = list(options.texts)
    elsewhere = options.prompts or options.prompt_text is not None or options.ids is not None or options.source
    if options.prompts:
        prompts = targets.sentences(options.prompts, "prompts")
    elif options.prompt_text is not None:
        prompts = (targets.text_of(options.prompt_text),)
    else:
        prompts = () if elsewhere else (targets.text_of(_first(typed)),)
    read = targets.sentences(options.hypotheses, "hypotheses") if options.hypotheses else ()
    hypotheses = (*map(_typed, typed), *map(_typed, options.hypothesis or ()), *read)
    if not hypotheses:
        raise BadInput("There is no hypothesis to test.", "Type one in quotes after the prompt.")
    return prompts, tuple(dict.fromkeys(hypotheses))


def _first(typed: list[str]) -> str:
    if not typed:
        raise BadInput("There is no prompt.", "Type the prompt first, then the hypotheses, each in quotes.")
    return typed.pop(0)


def _typed(text: str) -> str:
    return text if text == "-" else targets.text_of(text)


def _sources(at: Desk, options: Options, prompts: tuple[str, ...]) -> tuple[tuple[Source, ...], tuple[str, ...]]:
    """Return one source a prompt, and the tokens of the first."""
    if options.source:
        placed = [given(at, options, source) for source in options.source]
        prompt = placed[0][1]
        return tuple(source for source, _ in placed), tuple(token.text for token in prompt.tokens) if prompt else ()
    if options.ids is not None:
        opened = [at.bench.open(token_ids=options.ids, subject=options.subject)]
    else:
        opened = [at.bench.open(text, subject=options.subject, chat=options.chat) for text in prompts]
    sources = tuple(at.place(prompt, options.token, options.layer) for prompt in opened)
    return sources, tuple(token.text for token in opened[0].tokens)
