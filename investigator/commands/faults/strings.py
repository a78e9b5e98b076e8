"""Hostile strings through prompt, hypothesis, label, note, session and file names, and out again by every door."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from io import StringIO
from itertools import islice, product
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from investigator.commands.faults.ground import Ground, answered, asked, local
from investigator.errors import InvestigatorError
from investigator.events import Answer, fold
from investigator.provenance import Provenance
from investigator.records import ExplanationRow, Explanations, Figure, Opened, Score
from investigator.sources import Residual
from investigator.text import inert
from investigator.wire import PROTOCOL, Accepted, Event, Explain, Finished, Open, Question, RankLabels, Test

if TYPE_CHECKING:
    from backends.base import Backend
    from sessions import Session, Store

_PAYLOADS = (
    "\x1b[31mred", "\x1b]0;title\x07", "\x1b]52;c;aGk=\x07", "\x9b2J", "\x1bP1$r\x1b\\", "\r\x1b[2K", "\x08\x08\x08",
    "\x7f", "\0", "a\0b", "\u202eevil", "\u2066x\u2069", "\u200b\u200d", "\ufeff", "\u0301\u0301\u0301",
    "\ud800", "\U0010ffff",
    "[bold red]x[/]", "[@click=app.quit]x[/]", "{prompt}", "%s%n", "${HOME}", "$(touch pwned)", "`touch pwned`",
    "../../pwned", "/pwned", "..\\..\\pwned", "con", ".", "~root/pwned", "a/b/c", "-rf", "--out=pwned", "|touch pwned",
    "'; drop table answers; --", '" or 1=1 --', "answers_fts MATCH 'x", "NEAR(a b)", "*", "%' --",
    "[x](javascript:alert(1))", "![x](http://x/y.png)", "<script>alert(1)</script>", "```\n# out", "| a | b |",
    "# title", "<!-- x", "&lt;b&gt;", "\n\n---\n", "\t\t", "a\u2028b", "🏴\U000e0067\U000e0062", "👩‍👩‍👧‍👦",
    "ﷺ" * 20, "x" * 3000,
)  # fmt: skip
_FRAMES = ("{}", "a{}", "{}z", "The {} of it", "{0}{0}", " {} ", "é{}ß", "{}\n{}", "“{}”", "1{}2", "<{}>")
_SCORED = 50
"""Every so many strings one is scored as well: a background of 512 positions takes seconds."""
_NOWHERE = Provenance(PROTOCOL, "", "", "pocket", {}, "cpu", "float32", 1, None, {}, "", "2000-01-01T00:00:00Z")
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff]")


def hostile(count: int) -> Iterator[str]:
    """Yield so many different strings; every payload comes bare before any comes framed."""
    yield from islice(
        (frame.replace("{0}", "{}").replace("{}", one) for frame, one in product(_FRAMES, _PAYLOADS)), count
    )


async def measure(at: Ground) -> list[Figure]:
    """Return `hostile_strings` that went in and came out inert, or were refused with a sentence."""
    from sessions import open_store

    outside, passed = _listing(at), 0
    store = open_store(at.home / "strings.db")
    async with local(at) as backend:
        for number, text in enumerate(hostile(at.counts.hostile_strings)):
            if number % 50 == 0:
                at.note(f"hostile strings: {number} of {at.counts.hostile_strings}")
            leaked = await _through(backend, store, text, scored=number % _SCORED == 0)
            at.tally.escapes_leaked += leaked
            passed += not leaked
    store.close()
    at.tally.files_outside += len(_listing(at) - outside)
    return [Figure("hostile_strings", float(passed), "strings", ">= 500", compared_with="what went out by every door")]


def _listing(at: Ground) -> set[Path]:
    """Return what lies in the working folder and at the root, and what beside the run's home bears a payload's name."""
    beside = {path for path in at.home.parent.iterdir() if "pwned" in path.name}
    return beside | {path for folder in (Path.cwd(), Path("/")) for path in folder.iterdir()}


async def _through(backend: Backend, store: Store, text: str, *, scored: bool) -> int:
    """Send one string in everywhere; return how many controls came out."""
    seen: list[str] = []
    try:
        session = store.session(text)
    except InvestigatorError as refusal:
        seen.append(inert(str(refusal)))
        session = store.session("strings")
    try:
        answers = await _answers(backend, store, session, text, scored)
    except (InvestigatorError, UnicodeEncodeError) as refusal:
        answers = []
        seen.append(inert(str(refusal)))  # as the command line prints it
    seen += _out(store, session, text, answers)
    return sum(len(_CONTROL.findall(each)) for each in seen)


async def _answers(backend: Backend, store: Store, session: Session, text: str, scored: bool) -> list[Answer]:
    opening = asked(Open(text))
    found: list[tuple[Question, Answer]] = [(opening, await answered(backend, opening)), _as_model_output(text)]
    opened = found[0][1].result
    if scored and isinstance(opened, Opened):
        source = Residual(opened.subject, tuple(token.id for token in opened.tokens), 0, -1)
        book = (await backend.handshake()).workbench
        layer = book.subjects[0].layer if book else 0
        source = msgspec.structs.replace(source, layer=layer)
        for verb in (
            Test((text,), (source,), controls=False, templates=()),
            RankLabels(source, labels=(text, "a label"), controls=False),
        ):
            question = asked(verb)
            found.append((question, await answered(backend, question)))
    store.save_answers([(session, question, answer) for question, answer in found])
    for question, _ in found:
        with suppress(InvestigatorError):
            store.keep(session, question.id, title=text, note=text, tags=(text,))
    return [answer for _, answer in found]


def _as_model_output(text: str) -> tuple[Question, Answer]:
    """Return an answer in which the model wrote the text and a label holds it, as a hostile label file would."""
    source = Residual("pocket", (1, 2, 3), 0, 1)
    question = asked(Explain(source))
    row = ExplanationRow(text, Score(-1.0, 0.5, 0.01, 4, 64, why=text, note=text))
    events: list[Event] = [Accepted(question.verb, _NOWHERE), Finished(Explanations("reader", 1, 1, (row,)))]
    return question, fold(question.id, events)


def _out(store: Store, session: Session, text: str, answers: list[Answer]) -> Iterator[str]:
    """Yield what a terminal or a reader of an export would get."""
    from investigator.commands.printing import print_answer
    from sessions import export_json, export_markdown

    for answer in answers:
        if answer.result is not None:
            printed = StringIO()
            with redirect_stdout(printed):
                print_answer(answer, json=False)
            yield printed.getvalue()
    exported = export_markdown(store, session)
    yield exported
    # JSON escapes controls by itself; what must hold is that it can be read again.
    yield export_json(store, session).encode("utf-8", "strict").decode() and ""
    with suppress(InvestigatorError, OSError, ValueError):
        yield " ".join(saved.id for saved in store.answers(session, text))
