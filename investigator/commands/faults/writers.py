"""The process that writes a session killed with -9 at random moments: what it called saved must be there, once."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

from investigator.commands.faults.ground import Ground
from investigator.commands.faults.loopback import ROOT
from investigator.records import Figure

_SCRIPT = """
import sys
from pathlib import Path
from investigator.events import fold
from investigator.records import Lens
from investigator.wire import Finished, Question, ShowLens
from investigator.sources import Residual
from sessions import open_store
store = open_store(Path(sys.argv[1]))
session = store.session("writers")
print("ready", flush=True)
for number in range(1_000_000):
    id = f"{sys.argv[2]}-{number}"
    question = Question(id, "writer", ShowLens(Residual("s", (1, 2, 3), 0, 0)))
    store.save_answers([(session, question, fold(id, [Finished(Lens(()))]))])
    print(id, flush=True)
"""


async def measure(at: Ground) -> list[Figure]:
    """Return `writer_kills`: kills after which all that was called saved is there, once, in a whole database."""
    chance, survived = at.random("writers"), 0
    database = at.home / "writers.db"
    for number in range(at.counts.writer_kills):
        at.note(f"killing the writer: {number + 1} of {at.counts.writer_kills}")
        said = _killed(database, f"w{number}", chance.uniform(0, 0.15))
        lost, twice, whole = _look(database, said)
        at.tally.answers_lost += lost
        at.tally.answers_duplicated += twice
        survived += whole and not lost and not twice
    return [Figure("writer_kills", float(survived), "kills", ">= 100", compared_with="what the writer called saved")]


def _killed(database: Path, name: str, delay: float) -> set[str]:
    """Run a writer, kill it, and return what it had called saved."""
    command = [sys.executable, "-P", "-c", _SCRIPT, str(database), name]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    said: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as writer:
        stream = writer.stdout
        assert stream is not None
        stream.readline()
        reading = threading.Thread(target=lambda: said.extend(stream), daemon=True)
        reading.start()
        time.sleep(delay)
        writer.send_signal(signal.SIGKILL)
        reading.join()
    return {line.strip() for line in said if line.endswith("\n")}


def _look(database: Path, said: set[str]) -> tuple[int, int, bool]:
    """Open the database as the next start would; return answers lost, answers there twice, and whether it is whole."""
    from sessions import open_store

    with open_store(database) as store:
        found = [saved.id for saved in store.answers(limit=1_000_000)]
    with sqlite3.connect(database) as connection:
        whole = connection.execute("pragma integrity_check").fetchone() == ("ok",)
    connection.close()
    return len(said - set(found)), len(found) - len(set(found)), whole
