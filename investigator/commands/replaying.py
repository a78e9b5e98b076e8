"""Replaying: which stored answers are meant, and the backends that they are asked of again."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from investigator.commands.common import Options
from investigator.commands.desk import bench_of
from investigator.commands.progress import Meter
from investigator.errors import BadInput, InvestigatorError
from investigator.events import Answer
from investigator.records import Record
from sessions.markdown import EVERYTHING, place
from sessions.records import SavedAnswer
from sessions.replay import Comparison, compare, question_of, why_not
from sessions.reproduce import command

if TYPE_CHECKING:
    from investigator.api import Investigator
    from sessions import Store

Wanted = tuple[SavedAnswer, str]
"""A stored answer, and the key of the one row of it that is meant; empty: all of it."""


class Replayed(Record, frozen=True):
    """What came of one stored answer: a comparison, or a sentence that says why there is none."""

    saved: SavedAnswer
    outcome: str
    """identical, within tolerance, different, not replayed, failed."""
    sentence: str
    comparison: Comparison | None = None

    @property
    def what(self) -> str:
        """Return the question in words."""
        return f"{self.saved.kind}{place(self.saved)}"

    @property
    def command(self) -> str:
        """Return the command that asks it again."""
        return command(self.saved)

    def document(self) -> dict[str, Any]:
        """Return it as --json prints it."""
        rows = self.comparison.rows if self.comparison else ()
        reasons = self.comparison.reasons if self.comparison else ()
        known = {"answer": self.saved.id, "kind": self.saved.kind, "prompt": self.saved.prompt}
        said = {"outcome": self.outcome, "sentence": self.sentence, "command": self.command}
        return known | said | {"reasons": reasons, "differences": rows}


def stored_answers(store: Store, target: str, limit: int | None) -> list[Wanted]:
    """Return the answers of a session, the one behind a finding, or one answer; raise BadInput where it is none.

    The beginning of a finding's or an answer's id will do.
    """
    session = next((one for one in store.sessions() if target in {one.name, one.id}), None)
    if session is not None:
        answers = store.answers(session, limit=EVERYTHING if limit is None else max(limit, 1))
        if not answers:
            raise BadInput(f"The session {session.name!r} holds no answers.", "Name another.")
        return [(saved, "") for saved in answers]
    kept = [one for one in store.findings() if target and one.id.startswith(target)]
    if len(kept) == 1:
        return [(store.answer(kept[0].answer_id), kept[0].row_key)]
    with contextlib.suppress(BadInput):
        return [(store.answer(target), "")]
    raise BadInput(
        f"There is no session, finding or answer called {target!r}, or more than one.",
        "`investigator sessions` lists sessions; give a whole id.",
    )


class Benches:
    """One bench for each workbench and dtype that answers were given by; a broken one is tried once."""

    def __init__(self, options: Options, meter: Meter) -> None:
        self._options, self._meter = options, meter
        self._open: dict[tuple[str, str], Investigator | InvestigatorError] = {}

    def of(self, saved: SavedAnswer) -> Investigator:
        """Return a bench like the answer's own: its workbench and dtype, unless the options name others."""
        known = saved.provenance
        name = self._options.workbench or (known.workbench if known else "")
        bench = self._bench(name, self._options.dtype)
        if self._options.dtype or not known or known.dtype in {"", bench.handshake.dtype}:
            return bench
        return self._bench(name, known.dtype)

    def _bench(self, workbench: str, dtype: str) -> Investigator:
        if (workbench, dtype) not in self._open:
            self._open[workbench, dtype] = self._opened(workbench, dtype)
        found = self._open[workbench, dtype]
        if isinstance(found, InvestigatorError):
            raise found
        return found

    def _opened(self, workbench: str, dtype: str) -> Investigator | InvestigatorError:
        given = vars(self._options) | {"workbench": workbench, "dtype": dtype, "no_save": not self._options.session}
        bench = bench_of(argparse.Namespace(**given), self._meter)
        try:
            assert bench.handshake
        except InvestigatorError as error:
            bench.close()
            return error
        return bench

    def close(self) -> None:
        """Close every bench, and say what could not be recorded."""
        for bench in self._open.values():
            if not isinstance(bench, InvestigatorError):
                bench.close()
                if bench.trouble:
                    self._meter.say(bench.trouble)


def replay(several: Sequence[Wanted], options: Options) -> Iterator[Replayed]:
    """Ask each answer's question again and yield what came of it; the same question is asked once."""
    meter = Meter()
    fresh: dict[bytes, Answer | InvestigatorError] = {}
    with contextlib.closing(Benches(options, meter)) as benches:
        for saved, row_key in several:
            if reason := why_not(saved):
                yield Replayed(saved, "not replayed", reason)
                continue
            key = msgspec.json.encode(
                (question_of(saved), saved.provenance and (saved.provenance.workbench, saved.provenance.dtype))
            )
            if key not in fresh:
                fresh[key] = _asked(benches, saved, meter)
            yield _outcome(saved, fresh[key], options.tolerance, row_key)


def _asked(benches: Benches, saved: SavedAnswer, meter: Meter) -> Answer | InvestigatorError:
    try:
        return benches.of(saved).ask(question_of(saved), meter.watch, failed_too=True)
    except InvestigatorError as error:
        return error
    finally:
        meter.clear()


def _outcome(saved: SavedAnswer, fresh: Answer | InvestigatorError, tolerance: float, row_key: str) -> Replayed:
    if isinstance(fresh, InvestigatorError):
        return Replayed(saved, "failed", f"It could not be asked again. {fresh}")
    if fresh.error is not None and saved.error is None:
        return Replayed(saved, "failed", f"It failed this time. {fresh.error.message} {fresh.error.mend}".rstrip())
    if fresh.result is None and fresh.error is None:
        return Replayed(saved, "failed", "The answer broke off.")
    found = compare(saved, fresh, tolerance, row_key)
    return Replayed(saved, found.verdict, found.sentence, found)
