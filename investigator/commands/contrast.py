"""`contrast`: two hypotheses at one place, or one at two places."""

from __future__ import annotations

import argparse

from investigator import targets
from investigator.commands import common, judging
from investigator.commands.common import Options
from investigator.commands.desk import Desk, desk
from investigator.commands.printing import print_answer
from investigator.commands.sources import given
from investigator.errors import BadInput
from investigator.prompt import Prompt
from investigator.sources import Source
from investigator.wire import Contrast

NAME = "contrast"
HELP = "compare two hypotheses at one place, or one at two places, with an interval on the difference"
EXAMPLE = "investigator contrast 'references to ports' 'words about music' 'The harbour of Lisbon' --token -1"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "texts", nargs="*", metavar="TEXT", help="two hypotheses (or one, at two places), then the prompt"
    )
    common.add_prompt_flags(parser)
    parser.add_argument("--hypothesis", action="append", metavar="TEXT", help="one more hypothesis; may be repeated")
    common.add_place(parser)
    group = parser.add_argument_group("the second place")
    group.add_argument(
        "--other",
        type=common.checked(targets.parse_token),
        metavar="TOKEN",
        help="score the second hypothesis at this token or span instead",
    )
    group.add_argument("--other-prompt", metavar="TEXT", help="in another prompt (its last token, or --other)")
    group.add_argument("--other-layer", type=int, metavar="L", help="at another layer (default: --layer)")
    group.add_argument(
        "--other-source", type=common.checked(targets.parse_source), metavar="EXPR", help="at any other source"
    )
    parser.add_argument("--reader", default="", metavar="NAME", help="the reader (default: the one at that layer)")
    judging.add_phrasing(parser)
    common.add_asking(parser)


def run(options: Options) -> int:
    """Compare the two and print both with their difference."""
    left, right = _texts(options)
    templates, wordings = judging.templates_of(options), judging.wordings_of(options.wording or (), (left, right))
    with desk(options) as at:
        source, prompt = at.source(options)
        other = _other(at, options, prompt)
        verb = Contrast(left, right, source, other, options.reader, templates, options.seed, wordings)
        print_answer(at.ask(verb), json=options.json)
    return 0


def _texts(options: Options) -> tuple[str, str]:
    typed = list(options.texts)
    options.prompt = None
    if options.prompt_text is None and options.ids is None and not options.source:
        if len(typed) + len(options.hypothesis or ()) < 2:
            raise BadInput("There is no prompt.", "Type two hypotheses, then the prompt, each in quotes.")
        options.prompt = typed.pop()
    found = [text if text == "-" else targets.text_of(text) for text in (*typed, *(options.hypothesis or ()))]
    if len(found) == 1 and _elsewhere(options):
        found *= 2
    if len(found) != 2:
        raise BadInput(
            f"A contrast takes two hypotheses, not {len(found)}.",
            "Type both before the prompt, or one and a second place with --other.",
        )
    return found[0], found[1]


def _elsewhere(options: Options) -> bool:
    given = (options.other, options.other_prompt, options.other_layer, options.other_source)
    return any(value is not None for value in given)


def _other(at: Desk, options: Options, prompt: Prompt | None) -> Source | None:
    if not _elsewhere(options):
        return None
    if options.other_source is not None:
        return given(at, options, options.other_source)[0]
    if options.other_prompt is not None:
        prompt = at.bench.open(targets.text_of(options.other_prompt), subject=options.subject, chat=options.chat)
    if prompt is None:
        raise BadInput("The second place lies in no prompt.", "Give --other-prompt or --other-source.")
    moved = options.other if options.other is not None else -1 if options.other_prompt is not None else options.token
    layer = options.layer if options.other_layer is None else options.other_layer
    return at.place(prompt, moved, layer)
