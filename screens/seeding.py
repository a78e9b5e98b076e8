"""Bringing back what a session tested before: its hypotheses with their numbers, and how many were tried where."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from investigator.errors import InvestigatorError
from investigator.sources import Residual
from investigator.wire import Explain, Test
from screens.bench_place import place_of
from screens.desk import Trial
from screens.sentence import Sentence
from screens.work import saved_work

if TYPE_CHECKING:
    from screens.app import InvestigatorApp
    from sessions import SavedAnswer

MOST = 200
"""Earlier answers of a kind that are read; a session with more counts the newest."""


async def seed(app: InvestigatorApp) -> None:
    """Put the session's tests and drawn texts on the desk, once a session; read in a thread."""
    store, session = app.store, app.session
    if store is None or session is None or session.id in app.desk.seeded:
        return
    app.desk.seeded.add(session.id)
    try:
        tests = await asyncio.to_thread(store.answers, session, kind="test", limit=MOST)
        drawn = await asyncio.to_thread(store.answers, session, kind="explain", limit=MOST)
    except InvestigatorError as problem:
        app.tell(str(problem), problem=True)
        return
    for saved in drawn:
        if isinstance(saved.question, Explain):
            app.desk.drew(saved.question.source, (str(getattr(row, "text", "")) for row in saved.all_rows()))
    # What this run has tested stands; the session's own saved copies of it would only double it.
    here = {(trial.sentence.line, trial.place.source) for trial in app.desk.trials}
    for saved in tests:
        for trial in _trials(app, saved):
            app.desk.count(trial.place.source, trial.sentence)
            if (trial.sentence.line, trial.place.source) not in here:
                app.desk.add(trial)
    app.desk_changed.publish(session.id)


def _trials(app: InvestigatorApp, saved: SavedAnswer) -> list[Trial]:
    verb, source = saved.question, saved.source
    if not isinstance(verb, Test) or not isinstance(source, Residual) or saved.strip is None or saved.result is None:
        return []
    place, work = place_of(saved.strip, source, app.book), saved_work(saved, app)
    sentences = (Sentence(text, verb.wordings.get(text, ())) for text in verb.hypotheses)
    return [Trial(sentence, place, work) for sentence in sentences]
