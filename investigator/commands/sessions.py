"""`sessions`: what is stored."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from investigator.commands import common
from investigator.commands.common import Options
from investigator.commands.printing import print_answer, print_json, print_tables
from investigator.commands.sessions_care import CARE, care
from investigator.commands.stored import store
from investigator.errors import BadInput
from investigator.tables import Table

if TYPE_CHECKING:
    from sessions import Finding, SavedAnswer, Store

NAME = "sessions"
HELP = "list sessions, their answers and findings, show a stored answer again; check, repair or back up the file"
EXAMPLE = "investigator sessions notebook --search harbour"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "name",
        nargs="?",
        metavar="SESSION",
        help="the session to look into (default: list all); or `check`: is the file whole, `repair`: bring back what "
        "is readable of a damaged one, `backup`: copy it while it is in use",
    )
    parser.add_argument(
        "file", nargs="?", metavar="FILE", help="check, repair: another session file; backup: the copy to write"
    )
    parser.add_argument("--search", default="", metavar="WORDS", help="only what holds every word, in any session")
    parser.add_argument(
        "--answer", default="", metavar="ID", help="show one stored answer (the beginning of its id does)"
    )
    parser.add_argument("--findings", action="store_true", help="only findings")
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="newest answers listed (default: 50)")
    common.add_output(parser)


def run(options: Options) -> int:
    """Print the list, a session, or an answer; or look after the file."""
    if options.name in CARE:
        return care(options.name, options.file, options.json)
    if options.file is not None:
        raise BadInput(f"What is {options.file!r} for?", "Only check, repair and backup take a file.")
    with store() as opened:
        if options.answer:
            _show(opened.answer(options.answer), options.json)
        elif options.name or options.search or options.findings:
            _inside(opened, options)
        else:
            _list(opened, options.json)
    return 0


def _show(saved: SavedAnswer, json: bool) -> None:
    from sessions.export import answer_document
    from sessions.markdown import place
    from sessions.reproduce import command

    if json:
        print_json(answer_document(saved))
        return
    tokens = tuple(token.text for token in saved.tokens)
    print_answer(saved.answer(), json=False, tokens=tokens, heading=f"{saved.kind}{place(saved)}, {saved.saved_at}")
    print(command(saved))


def _list(opened: Store, json: bool) -> None:
    found = opened.sessions()
    if json:
        print_json({"sessions": found})
        return
    rows = tuple((one.name, str(one.answers), str(one.findings), one.last_at or one.made_at) for one in found)
    print_tables([Table("Sessions", ("session", ">answers", ">findings", "last"), rows)])


def _inside(opened: Store, options: Options) -> None:
    session = opened.session(options.name, create=False) if options.name else None
    findings = opened.findings(session, options.search)
    limit = max(options.limit, 0)
    answers = [] if options.findings or not limit else opened.answers(session, options.search, limit=limit)
    if options.json:
        print_json({"findings": findings, "answers": [_brief(one) for one in answers]})
        return
    print_tables([_findings(findings), _answers(answers)])


def _brief(saved: SavedAnswer) -> dict[str, object]:
    return {"id": saved.id, "kind": saved.kind, "prompt": saved.prompt, "saved_at": saved.saved_at}


def _findings(found: list[Finding]) -> Table:
    rows = tuple((one.answer_id[:12], one.title, one.note, ", ".join(one.tags), one.edited_at[:16]) for one in found)
    return Table("Findings", ("answer", "title", "note", "tags", "edited"), rows)


def _answers(found: list[SavedAnswer]) -> Table:
    from sessions.markdown import place

    rows = tuple((one.id[:12], one.saved_at[:16], f"{one.kind}{place(one)}", one.prompt) for one in found)
    return Table("Answers", ("answer", "saved", "question", "prompt"), rows)
