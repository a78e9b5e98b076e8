"""Export to markdown that a paper or a GitHub issue can paste; everything that people or models wrote is escaped."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from investigator import __version__
from investigator.provenance import Part, Provenance
from investigator.records import Opened, Token
from investigator.tables import Table, tables_of
from investigator.text import markdown
from investigator.wire import Sweep
from sessions.records import Finding, SavedAnswer, Session, residual_of
from sessions.reproduce import command
from sessions.store import Store

MOST_ROWS = 50
"""Rows of a table before the rest is left to the JSON export."""
AROUND = 40
"""Tokens shown on each side of the picked ones."""
_NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?%?")
EVERYTHING = 1_000_000_000


def export_markdown(store: Store, session: Session, *, findings_only: bool = False, rows: int = MOST_ROWS) -> str:
    """Return a session as markdown: findings first, then every answer, each with what is needed to ask it again."""
    answers = store.answers(session, limit=EVERYTHING)
    findings = store.findings(session)
    by_id = {answer.id: answer for answer in answers}
    parts = [*_head(session, answers, findings)]
    if findings:
        parts += ["## Findings", *(block for one in findings for block in _finding(store, one, by_id, rows))]
    if not findings_only and answers:
        parts += ["## Answers"]
        parts += [block for i, one in enumerate(_told_once(answers), 1) for block in _answer(one, f"### {i}. ", rows)]
    return "\n\n".join(parts) + "\n"


def _told_once(answers: Sequence[SavedAnswer]) -> Iterator[SavedAnswer]:
    # Every question of the command line opens its prompt first; one table of a prompt's tokens is enough.
    seen: set[str] = set()
    for answer in answers:
        if not (isinstance(answer.result, Opened) and answer.strip is not None):
            yield answer
        elif answer.strip.id not in seen:
            seen.add(answer.strip.id)
            yield answer


def _head(session: Session, answers: Sequence[SavedAnswer], findings: Sequence[Finding]) -> Iterator[str]:
    yield f"# {markdown(session.name)}"
    count = f"{len(answers)} answers, {len(findings)} findings"
    yield f"Exported from Investigator {markdown(__version__)}: {count}. Layer L is the output of block L."


def _finding(store: Store, finding: Finding, answers: dict[str, SavedAnswer], rows: int) -> Iterator[str]:
    yield f"### {markdown(finding.title) or 'Untitled'}"
    if finding.tags:
        yield "Tags: " + ", ".join(map(markdown, finding.tags))
    yield from (markdown(line.strip()) for line in finding.note.splitlines() if line.strip())
    answer = answers.get(finding.answer_id) or store.find_answer(finding.answer_id)
    if answer is None:
        yield "The answer behind this finding is not in this database."
        return
    if finding.row_key and (row := answer.row(finding.row_key)) is not None:
        yield from (_table(table, rows) for table in tables_of(None, (row,), _texts(answer.tokens)))
    yield from _answer(answer, "#### ", rows)


def _answer(answer: SavedAnswer, heading: str, rows: int) -> Iterator[str]:
    """Return an answer's blocks: heading, token strip, tables or what went wrong, command, provenance."""
    yield f"{heading}{answer.kind}{markdown(place(answer))}"
    if answer.tokens:
        yield strip_line(answer)
    yield from (_table(table, rows) for table in tables_of(answer.result, answer.rows, _texts(answer.tokens)))
    if answer.error is not None:
        yield f"**Failed.** {markdown(answer.error.message)} {markdown(answer.error.mend)}".rstrip()
    if answer.cancelled is not None:
        yield f"**Stopped.** {markdown(answer.cancelled.reason)}".rstrip()
    yield fenced(command(answer), "sh")
    if answer.provenance is not None:
        yield "\n".join(_provenance(answer, answer.provenance))


def place(answer: SavedAnswer) -> str:
    """Return where an answer's question stands, in words: ` at token 4 "bon", layer 3`."""
    residual = residual_of(answer.question)
    if residual is None or residual != answer.source:
        return f" at {answer.expression}" if answer.expression else ""
    first, end = _span(answer, len(answer.tokens) or len(residual.token_ids))
    text = "".join(_texts(answer.tokens[first:end]))
    where = f"token {first}" if end == first + 1 else f"tokens {first}:{end}"
    quoted = f" “{text.strip()}”" if text else ""
    if isinstance(answer.question, Sweep):
        return f" over {where}{quoted}, layers {', '.join(map(str, answer.question.layers))}"
    return f" at {where}{quoted}, layer {residual.layer}"


def _span(answer: SavedAnswer, length: int) -> tuple[int, int]:
    residual = residual_of(answer.question)
    if residual is None:
        return 0, 0
    first = residual.position + length if residual.position < 0 else residual.position
    end = first + 1 if residual.end is None else residual.end
    return first, end + length if end < 0 else end


def _texts(tokens: Sequence[Token]) -> tuple[str, ...]:
    return tuple(token.text for token in tokens)


def strip_line(answer: SavedAnswer) -> str:
    """Return the prompt's tokens between bars, the picked ones bold in brackets."""
    first, end = _span(answer, len(answer.tokens))
    low, high = (0, 4 * AROUND) if first == end else (max(first - AROUND, 0), end + AROUND)
    shown = answer.tokens[low:high]
    cells = [_cell(token.text, first <= low + i < end) for i, token in enumerate(shown)]
    before, after = "… │" if low else "", "│ …" if high < len(answer.tokens) else ""
    return f"Tokens {low} to {low + len(shown) - 1}: {before}" + "│".join(cells) + after


def _cell(text: str, picked: bool) -> str:
    shown = markdown(text) or "∅"
    return f"**\\[{shown.strip() or '␣'}\\]**" if picked else shown


def _table(table: Table, most: int) -> str:
    names = [name.removeprefix(">") for name in table.columns]
    lines = [f"**{markdown(table.title)}**", ""]
    lines.append("| " + " | ".join(map(markdown, names)) + " |")
    lines.append("|" + "|".join("---:" if name.startswith(">") else "---" for name in table.columns) + "|")
    lines += ["| " + " | ".join(map(_escaped, row)) + " |" for row in table.rows[:most]]
    if len(table.rows) > most:
        lines += ["", f"{len(table.rows) - most} more rows are in the JSON export."]
    return "\n".join(lines)


def _escaped(cell: str) -> str:
    # A bare number is no markup inside a table; unescaped it reads better in the raw text.
    return cell if _NUMBER.fullmatch(cell) else markdown(cell)


def fenced(text: str, language: str = "") -> str:
    """Return a code block whose fence is longer than any run of backticks inside."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(longest + 1, 3)
    return f"{fence}{language}\n{text}\n{fence}"


def _provenance(answer: SavedAnswer, known: Provenance) -> Iterator[str]:
    yield f"- question: {markdown(answer.id)}, asked {markdown(known.asked_at)}"
    yield from (_part(role, part) for role, part in known.parts.items())
    seed = "" if known.seed is None else f", seed {known.seed}"
    plan = f", plan {markdown(known.plan)}" if known.plan else ""
    yield f"- computed: {markdown(known.device)} {markdown(known.dtype)}, {known.threads} threads{seed}{plan}"
    versions = ", ".join(f"{name} {version}" for name, version in known.libraries.items())
    yield f"- software: Investigator {markdown(known.version)} (build {markdown(known.build)}), {markdown(versions)}"
    yield f"- machine: {markdown(known.machine)}; workbench: {markdown(known.workbench)}"


def _part(role: str, part: Part) -> str:
    revision = f", revision {part.revision}" if part.revision else ""
    return f"- {markdown(role)}: {markdown(part.name)} ({markdown(part.fingerprint + revision)})"
