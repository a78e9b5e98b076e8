"""Keeping and editing findings: the store's reads and writes off the event loop, every failure a sentence."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from investigator.errors import BadInput, InvestigatorError

if TYPE_CHECKING:
    from screens.app import InvestigatorApp
    from sessions import Finding, SavedAnswer, Store

NO_STORE = "Findings cannot be kept while no session is open."


async def stored(app: InvestigatorApp, answer_id: str) -> SavedAnswer | None:
    """Return a saved answer; None without a session, or where the store says why not, which is shown."""
    if app.store is None:
        return None
    try:
        return await asyncio.to_thread(app.store.answer, answer_id)
    except InvestigatorError as problem:
        app.tell(str(problem), problem=True)
        return None


async def keep(
    app: InvestigatorApp, answer_id: str, *, title: str, row_key: str = "", note: str = "", tags: Sequence[str] = ()
) -> Finding | None:
    """Keep an answer or one of its rows; say so, or say why not and return None."""
    if app.store is None or app.session is None:
        app.tell(app.store_trouble or NO_STORE, problem=True)
        return None
    try:
        finding = await asyncio.to_thread(
            app.store.keep, app.session, answer_id, row_key=row_key, title=title, note=note, tags=tuple(tags)
        )
    except InvestigatorError as problem:
        app.tell(str(problem), problem=True)
        return None
    _say(app, app.store, f"Kept in {app.session.name}. N opens the notebook.")
    return finding


def _say(app: InvestigatorApp, store: Store, done: str) -> None:
    # What a full disk or a lock keeps out of the file waits in memory; a person must know that before leaving.
    app.tell(f"{done} {store.trouble}".strip(), problem=bool(store.trouble))
    app.store_changed.publish(app.store_trouble)


async def edit(app: InvestigatorApp, finding_id: str, note: str, tags: Sequence[str]) -> Finding | None:
    """Revise a finding's note and tags; say why where that fails and return None."""
    try:
        if app.store is None:
            raise BadInput(app.store_trouble or NO_STORE)
        finding = await asyncio.to_thread(app.store.edit_finding, finding_id, note, tuple(tags))
    except InvestigatorError as problem:
        app.tell(str(problem), problem=True)
        return None
    _say(app, app.store, "Noted.")
    return finding


async def switch_session(app: InvestigatorApp, name: str) -> None:
    """Write to another session from now on, made where there is none; answers on their way go there too."""
    if app.store is None:
        app.tell(app.store_trouble or NO_STORE, problem=True)
        return
    try:
        session = await asyncio.to_thread(app.store.session, name)
    except InvestigatorError as problem:
        app.tell(str(problem), problem=True)
        return
    app.session = session
    if app.recorder is not None:
        app.recorder.session = session
    app.tell(f"Session: {session.name}")
    app.store_changed.publish(app.store_trouble)
