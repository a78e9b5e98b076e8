"""Questions, answers and streams for tests of sessions, without any backend."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from fake_backend import PROVENANCE
from investigator.events import Answer, fold
from investigator.records import FeatureRow, Features, Likely, Opened, Token
from investigator.sources import Residual
from investigator.wire import Accepted, Event, Finished, Open, Question, ShowFeatures, Verb

ROOT = Path(__file__).parents[1]
TOKENS = (Token(1, "<bos>", True), Token(20, "The"), Token(21, " harbour"), Token(22, " of"), Token(23, " Lisbon"))
IDS = tuple(token.id for token in TOKENS)
PROMPT = "The harbour of Lisbon"
HOSTILE = (
    "\x1b[31mred\x1b[0m",
    "[bold]x[/bold]",
    "a | b | c",
    "<script>alert(1)</script>",
    "![x](http://e.example/x.png) [y](javascript:alert(1))",
    "`code` ``` fence",
    "\u202eabc\u202c\u200bdef",
    "line\nbreak\r\n# heading\n- item",
    "'; drop table answers; --",
    "%d {x} $HOME $(id) `id` \\",
    "*em* _em_ ~~gone~~ **b** #1 &amp; &lt;",
    "\x00nul\x07bell\x9b31m",
    "lone \ud800 surrogate",
    "日本語 עברית 🙂",
)


def source(position: int = 4, end: int | None = None) -> Residual:
    """Return a residual in the prompt."""
    return Residual("pocket", IDS, 3, position, end)


def opened(prompt: str = PROMPT, tokens: Sequence[Token] = TOKENS) -> Opened:
    """Return an opened prompt."""
    norms = tuple(tuple(1.0 for _ in tokens) for _ in range(6))
    return Opened("pocket", prompt, tuple(tokens), 6, 64, norms, (Likely(",", 0.3),))


def features(*labels: str) -> Features:
    """Return an answer of one latent a label."""
    rows = tuple(FeatureRow(n, 8.0 - n, 3.0, 0.001, (label,)) for n, label in enumerate(labels))
    return Features("pocket-l3", "z", len(rows), 0, rows)


def events(verb: Verb, result: object) -> list[Event]:
    """Return the events of an answered question."""
    return [Accepted(verb, PROVENANCE, n=0), Finished(result, n=1)]  # type: ignore[arg-type]


def answered(id: str, verb: Verb, result: object) -> tuple[Question, Answer]:
    """Return a question and its answer."""
    return Question(id, "test", verb), fold(id, events(verb, result))


def an_open(id: str = "open-1", prompt: str = PROMPT) -> tuple[Question, Answer]:
    """Return an opened prompt as question and answer."""
    return answered(id, Open(prompt), opened(prompt))


def some_features(id: str, *labels: str, position: int = 4) -> tuple[Question, Answer]:
    """Return a features answer at a position of the prompt."""
    return answered(id, ShowFeatures(source(position)), features(*labels))


async def stream(*several: Event) -> AsyncIterator[Event]:
    """Yield events as a backend would."""
    for event in several:
        yield event


def script(code: str, *arguments: str, **more: str) -> subprocess.Popen[str]:
    """Start a Python process with the project and its test tools importable."""
    path = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env=os.environ | {"PYTHONPATH": path} | more,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
    )
