"""The Python API: the same questions as the app and the command line, answered synchronously.

from investigator import connect

with connect() as bench:
    prompt = bench.open("Several whales surfaced beside the old harbour in Lisbon")
    for row in prompt.labels(token=-1).rows[:10]:
        print(row.score.gap, row.text)
"""

from __future__ import annotations

import queue
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, cast

from investigator import settings as settings_file
from investigator.asking import Asker, Watch
from investigator.at import At, source_of
from investigator.errors import BadInput, WorkbenchError
from investigator.events import Answer
from investigator.loop import BackgroundLoop
from investigator.overrides import overridden
from investigator.prompt import Prompt
from investigator.provenance import WorkbenchSummary
from investigator.records import (
    Agreed,
    Checkup,
    Compared,
    Contrasted,
    Feature,
    Fetched,
    Found,
    Opened,
    Swept,
    Tested,
)
from investigator.settings import Settings
from investigator.sources import Decoder, Source
from investigator.sweeping import ALL, sweep_of
from investigator.targets import Token
from investigator.wire import (
    Agree,
    CheckWorkbench,
    Compare,
    Contrast,
    Fetch,
    Find,
    Handshake,
    Open,
    ShowFeature,
    Test,
    Verb,
    Work,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from backends.base import Backend
    from sessions import Comparison, Recorder, SavedAnswer, Store

__all__ = ["Answer", "Investigator", "Prompt", "connect"]


def connect(
    workbench: str = "",
    *,
    session: str | None = None,
    device: str = "",
    dtype: str = "",
    on: str = "",
    settings: Settings | None = None,
    on_message: Callable[[str], None] | None = None,
) -> Investigator:
    """Find or start the backend of a workbench and return a bench; close it, or use it as a context manager.

    workbench: a bundled name or a path; empty: the settings' one. on: the host whose backend is meant, whatever
    `ssh` reaches by that name; empty: this machine. session: record every answer in the session of that name; None:
    record nothing. Raises WorkbenchError, BackendError.
    """
    from backends.launch import Local

    chosen = overridden(settings or settings_file.load(), device, dtype)
    if on:
        from backends.ssh.remote import Remote

        remote = Remote(on, workbench, chosen, device=device, dtype=dtype, on_message=on_message)
        remote.sign_in()
        bench = Investigator(remote, session=session)
        bench.greeting, bench.met = remote.greeting, remote.met
        return bench
    backend = Local(workbench or chosen.app.workbench, chosen, on_message=on_message)
    return Investigator(backend, session=session)


class Investigator:
    """A bench: asks questions of one backend, from any thread, also where an event loop runs already (a notebook)."""

    def __init__(self, backend: Backend, *, session: str | None = None, store: Store | None = None) -> None:
        self._loop = BackgroundLoop()
        self._store = store
        self._owns_store = store is None
        self._asker = Asker(backend, self._recorder(session))
        self._handshake: Handshake | None = None
        self._closed = False
        self.greeting: tuple[str, ...] = ()
        """What a host has, and how its version differs; empty where the backend is here."""
        self.met = False
        """Whether that host was reached for the first time, or has another version than before."""

    def _recorder(self, session: str | None) -> Recorder | None:
        if session is None:
            return None
        from sessions import Recorder, open_store

        self._store = self._store or open_store()
        return Recorder(self._store, self._store.session(session))

    # -- asking -------------------------------------------------------------------------------------------------

    def ask(self, verb: Verb, watch: Watch | None = None, *, failed_too: bool = False) -> Answer:
        """Ask any verb and return its answer: result, provenance, rows.

        `watch` is called, from another thread, with the answer so far. Ctrl-C stops the question. Raises the error
        that the answer ended with, unless `failed_too` asks for the answer as it is.
        """
        return self._loop.run(self._asker.answer(verb, watch) if failed_too else self._asker.ask(verb, watch))

    def stream(self, verb: Verb) -> Generator[Answer, None, None]:
        """Ask any verb and yield the answer as it grows; leaving the iterator stops the question."""
        arrived: queue.SimpleQueue[Answer | None] = queue.SimpleQueue()
        job = self._loop.start(self._until_end(verb, arrived))
        try:
            while (answer := arrived.get()) is not None:
                yield answer
            yield job.result()
        finally:
            job.stop()

    async def _until_end(self, verb: Verb, arrived: queue.SimpleQueue[Answer | None]) -> Answer:
        try:
            return await self._asker.ask(verb, lambda answer: None if answer.ended else arrived.put(answer))
        finally:
            arrived.put(None)

    # -- verbs --------------------------------------------------------------------------------------------------

    def open(
        self,
        prompt: str = "",
        *,
        token_ids: Sequence[int] | None = None,
        subject: str = "",
        chat: bool = False,
        continue_tokens: int = 0,
        seed: int | None = None,
    ) -> Prompt:
        """Open a prompt, as text or as exact token ids; `continue_tokens` lets the model write on."""
        ids = tuple(token_ids) if token_ids is not None else None
        verb = Open(prompt, ids, subject, chat, continue_tokens, seed)
        return Prompt(self, cast(Opened, self.ask(verb).result))

    def feature(self, latent: int, *, sae: str = "") -> Feature:
        """Return one latent's page: labels, top contexts, histogram, nearest latents, logits."""
        return cast(Feature, self.ask(ShowFeature(latent, sae)).result)

    def test(
        self,
        hypotheses: str | Sequence[str],
        sources: Sequence[Source | str],
        *,
        reader: str = "",
        scope: Literal["position", "positions", "layers"] = "position",
        controls: bool = True,
        templates: Sequence[str] | None = None,
        wordings: Mapping[str, Sequence[str]] | None = None,
        tried: int | None = None,
        drawn: bool = False,
        seed: int = 0,
    ) -> Tested:
        """Score hypotheses under any sources, one row each, with controls, interval and verdict.

        templates: phrasings with {} for the hypothesis; None: the default ones, (): the words as typed alone.
        wordings: your own phrasings, by hypothesis. tried: other wordings tried at this place, which the verdict is
        corrected for; None: as the session counts them. drawn: whether the hypotheses come from this very activation.
        """
        texts = (hypotheses,) if isinstance(hypotheses, str) else tuple(hypotheses)
        own = {text: tuple(several) for text, several in (wordings or {}).items()}
        phrasings = None if templates is None else tuple(templates)
        places = tuple(map(source_of, sources))
        count = self.tried(texts, places) if tried is None else tried
        verb = Test(texts, places, reader, scope, controls, phrasings, own, count, drawn, seed)
        return cast(Tested, self.ask(verb).result)

    def contrast(
        self,
        left: str,
        right: str,
        source: Source | str,
        other: Source | str | None = None,
        *,
        reader: str = "",
        templates: Sequence[str] | None = None,
        wordings: Mapping[str, Sequence[str]] | None = None,
        seed: int = 0,
    ) -> Contrasted:
        """Compare two hypotheses under one source, or under two, with an interval on the difference of their gaps."""
        phrasings = None if templates is None else tuple(templates)
        own = {text: tuple(several) for text, several in (wordings or {}).items()}
        places = source_of(source), None if other is None else source_of(other)
        return cast(Contrasted, self.ask(Contrast(left, right, *places, reader, phrasings, seed, own)).result)

    def at(self, source: Source | str) -> At:
        """Return any source, given or written as an expression, ready to be asked about; its prompts are opened."""
        return At(self, source)

    def find(
        self,
        text: str,
        *,
        corpus: str = "",
        reader: str = "",
        limit: int = 20,
        all_positions: bool = False,
        exact: bool = False,
        seed: int = 0,
    ) -> Found:
        """Return the positions of an indexed corpus at which a sentence scores highest, one a context by default."""
        return cast(Found, self.ask(Find(text, corpus, reader, limit, all_positions, exact, seed=seed)).result)

    def compare(
        self,
        source: Source,
        *,
        map: str = "",
        wash: float = 0.5,
        readers: Sequence[str] = (),
        own: str = "",
        methods: Sequence[Literal["drawn", "labels"]] = ("drawn", "labels"),
        samples: int = 16,
        keep: int = 3,
        others: int = 8,
        controls: bool = False,
        seed: int = 0,
    ) -> Compared:
        """Let the readers of a second model say what a source of the first one holds, through a linear map.

        wash: weight of the second model's background (0: none). others: other sources behind lift and p. What a column
        or a control is says `docs/two-models.md`.
        """
        verb = Compare(
            source, map, wash, tuple(readers), own, tuple(methods),
            samples=samples, keep=keep, others=others, controls=controls, seed=seed,
        )  # fmt: skip
        return cast(Compared, self.ask(verb).result)

    def agree(
        self,
        *texts: str | Sequence[str],
        share: float = 0.001,
        labels: str = "",
        every: bool = True,
        limit: int = 500,
        seed: int = 0,
        embedder: Literal["", "own", "minilm"] = "",
    ) -> Agreed:
        """Say which texts mean the same in other words: every text with every other, or those of different lists.

        share: how many random pairs of labels may have as large a cosine; labels: of which SAE they are.
        """
        lists = tuple((one,) if isinstance(one, str) else tuple(one) for one in texts)
        return cast(Agreed, self.ask(Agree(lists, share, labels, every, limit, seed, embedder)).result)

    def sweep(
        self,
        prompt: Prompt | str,
        text: str = "",
        *,
        reader: str = "",
        layers: Sequence[int] = (),
        tokens: Token = ALL,
        method: Literal["auto", "labels", "greedy"] = "auto",
        latent: int | None = None,
        sae: str = "",
        watch: Watch | None = None,
    ) -> Swept:
        """Read every token of a prompt at every layer: a text's gap, what the readers say without one, or a latent.

        A prompt given as text is opened first. layers: all that the reader reads, where none are named. tokens: a
        position or a span of them. `watch` is called with the answer so far, one more row for every layer.
        """
        opened = (self.open(prompt) if isinstance(prompt, str) else prompt).opened
        fired = None if latent is None else Decoder(sae, latent)
        verb = sweep_of(opened, text, reader=reader, layers=layers, tokens=tokens, method=method, latent=fired)
        return cast(Swept, self.ask(verb, watch).result)

    def tried(self, hypotheses: str | Sequence[str], sources: Sequence[Source]) -> int:
        """Return how many other hypotheses the session holds at these places; 0 where nothing is recorded."""
        recorder = self._asker.recorder
        if recorder is None:
            return 0
        self._loop.run(recorder.flush())
        texts = {text.strip() for text in ((hypotheses,) if isinstance(hypotheses, str) else hypotheses)}
        return max(recorder.store.wordings_tried(recorder.session, source, texts) for source in sources)

    def replay(self, saved: SavedAnswer, *, tolerance: float = 1e-4, watch: Watch | None = None) -> Comparison:
        """Ask a stored question again and compare; raise BadInput where it is not asked again, or what asking raises.

        tolerance: nats per token for scores and gaps, relative for other numbers.
        """
        from sessions.replay import compare, question_of, why_not

        if reason := why_not(saved):
            raise BadInput(f"The {saved.kind} answer {saved.id} cannot be replayed. {reason}")
        fresh = self.ask(question_of(saved), watch, failed_too=saved.error is not None)
        return compare(saved, fresh, tolerance)

    def doctor(self) -> Checkup:
        """Check whether the workbench's parts fit together."""
        return cast(Checkup, self.ask(CheckWorkbench()).result)

    def work(self, command: str, **arguments: str | int | float | bool) -> Answer:
        """Run a long command, such as `evaluate pocket`, in a child of the backend."""
        return self.ask(Work(command, arguments))

    def fetch(self, verb: Fetch, file: str | Path, watch: Callable[[int, int], None] | None = None) -> Fetched:
        """Write a prompt's activations into a .safetensors file here; nothing else lets activations travel.

        The tensors are `layer.L`, float32 `[positions, width]`. `watch` is called with the bytes so far and in all.
        Nothing is recorded. Raises BadInput where they are too many or the file cannot be written.
        """
        from investigator import fetching

        return self._loop.run(fetching.fetch(self._asker.backend, verb, Path(file).expanduser(), watch))

    # -- what is there ------------------------------------------------------------------------------------------

    @property
    def handshake(self) -> Handshake:
        """Return who answers, once the workbench is loaded; raise WorkbenchError where it does not load."""
        if self._handshake is None:
            found = self._loop.run(self._asker.backend.handshake(wait=True))
            if found.state == "failed":
                raise WorkbenchError(found.message or "The workbench did not load.", "`investigator doctor` says more.")
            self._handshake = found
        return self._handshake

    @property
    def workbench(self) -> WorkbenchSummary:
        """Return what is loaded: subjects, SAEs, readers."""
        found = self.handshake.workbench
        if found is None:
            raise WorkbenchError("The backend does not say what it has loaded.", "Try again in a moment.")
        return found

    @property
    def trouble(self) -> str:
        """Return a sentence while answers cannot be saved, else nothing."""
        recorder = self._asker.recorder
        return recorder.trouble if recorder is not None else ""

    @property
    def notice(self) -> str:
        """Return what happened when the session file was opened that a person should know, else nothing."""
        return self._store.notice if self._store is not None else ""

    # -- the end ------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Store what is on its way, give the backend's lease back and stop; the backend lingers for the next."""
        if self._closed:
            return
        self._closed = True
        try:
            self._loop.run(self._asker.aclose())
        finally:
            self._loop.close()
            if self._store is not None and self._owns_store:
                self._store.close()

    def __enter__(self) -> Investigator:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()
