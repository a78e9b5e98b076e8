"""A bench for one command: connected, recorded as asked, with progress on a terminal's standard error."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from investigator import settings
from investigator.commands import sources
from investigator.commands.common import Options, prompt_of
from investigator.commands.progress import Meter, bar
from investigator.errors import NotInstalled
from investigator.events import Answer
from investigator.records import Fetched
from investigator.sources import Residual, Source
from investigator.targets import Token
from investigator.wire import Fetch, Verb

if TYPE_CHECKING:
    from investigator import api
    from investigator.prompt import Prompt


class Desk:
    """What a command asks through."""

    def __init__(self, bench: api.Investigator, meter: Meter) -> None:
        self.bench = bench
        self._meter = meter

    def ask(self, verb: Verb) -> Answer:
        """Ask, with progress shown."""
        try:
            return self.bench.ask(verb, self._meter.watch)
        finally:
            self._meter.clear()

    def fetch(self, verb: Fetch, file: Path) -> Fetched:
        """Bring a prompt's activations into a file, with progress shown."""
        try:
            return self.bench.fetch(verb, file, lambda came, size: self._meter.note(f"{bar(came, size)} bytes"))
        finally:
            self._meter.clear()

    def prompt(self, options: Options) -> Prompt:
        """Open the prompt that the options name."""
        if options.ids is not None:
            return self.bench.open(token_ids=options.ids, subject=options.subject)
        return self.bench.open(prompt_of(options), subject=options.subject, chat=options.chat)

    def source(self, options: Options) -> tuple[Source, Prompt | None]:
        """Return the source that the options name, and the prompt it lies in, where it lies in one."""
        if options.source:
            return sources.given(self, options, options.source[0])
        prompt = self.prompt(options)
        return self.place(prompt, options.token, options.layer), prompt

    def place(self, prompt: Prompt, token: Token, layer: int | None) -> Residual:
        """Return the residual at a place of a prompt."""
        return prompt.source(token, layer)


@contextlib.contextmanager
def desk(options: Options) -> Iterator[Desk]:
    """Connect as the options say; afterwards store what was answered and say where that failed."""
    meter = Meter()
    with contextlib.closing(bench_of(options, meter)) as bench:
        try:
            for sentence in filter(None, (*(bench.greeting if bench.met else ()), bench.notice)):
                meter.say(sentence)
            yield Desk(bench, meter)
        finally:
            meter.clear()
            _settle(bench, meter)


def _settle(bench: api.Investigator, meter: Meter) -> None:
    bench.close()
    if bench.trouble:
        meter.say(bench.trouble)


def bench_of(options: Options, meter: Meter) -> api.Investigator:
    """Return a connected bench; on a host without Investigator it is installed where the person at the terminal agrees.

    Raises NotInstalled where it is not, or nobody can be asked.
    """
    try:
        return _connected(options, meter)
    except NotInstalled as error:
        from investigator.commands.install import offered

        if not offered(options.on, str(error)):
            raise
    return _connected(options, meter)


def _connected(options: Options, meter: Meter) -> api.Investigator:
    from investigator import api  # with asyncio a third of the time that `--help` takes

    session = None if getattr(options, "no_save", True) else options.session or "notebook"
    return api.connect(
        options.workbench,
        session=session,
        device=options.device,
        dtype=options.dtype,
        on=options.on,
        settings=settings.load(),
        on_message=meter.note,
    )
