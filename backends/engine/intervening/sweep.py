"""The doses of one intervention, each run beside the unedited run and random directions of the same norm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from backends.engine import vectors
from backends.engine.intervening import effects
from backends.engine.intervening.downstream import Downstream
from backends.engine.intervening.edits import Ablate, Add, Edit, RandomTwins, unit_directions
from backends.engine.intervening.passes import Run, Steps, Tracer, Where
from backends.engine.readers.reader import open_reader
from backends.engine.verbs.open import likely
from investigator.errors import finite
from investigator.records import DoseRow, Intervened, Shift
from investigator.sources import Residual
from investigator.wire import Intervene

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

NOTHING_FIRES = "None of these latents fires at the changed positions, so ablating them changes nothing."
_NEXT = 10


class Sweep:
    """One resolved intervention; every dose is held against the same unedited run."""

    def __init__(self, engine: WorkbenchEngine, verb: Intervene) -> None:
        assert isinstance(verb.source, Residual)
        self.engine, self.verb, self.place = engine, verb, verb.source
        self.subject = engine.parts.subject(self.place.subject)
        length, first = len(self.place.token_ids), self.place.position
        reader = open_reader(engine, verb.reader) if verb.hypotheses else None
        self.where = Where(
            layer=self.place.layer,
            first=first,
            end=length if verb.later else self.place.end or first + 1,
            later=verb.later,
            read_layer=reader.layer if reader else self.place.layer,
            read_at=verb.read_at if reader and verb.read_at is not None else length - 1,
        )
        self._tracer = Tracer(self.subject)
        self._direction = vectors.direction(engine, verb.add) if verb.add is not None else None
        self._twins = unit_directions(verb.randoms, self.subject.width, verb.seed)
        self._before: Run | None = None
        self._fires = True

    @property
    def before(self) -> Run:
        """The unedited run, once begun."""
        assert self._before is not None
        return self._before

    def begin(self, scores: Downstream | None) -> Steps[None]:
        """Run unedited, and score the hypotheses there."""
        self._before = yield from self._run(1, None)
        if scores is not None:
            yield from scores.unedited(self.before.read[0])

    def _run(self, batch: int, edit: Edit | None) -> Steps[Run]:
        return self._tracer.run(self.place.token_ids, batch, self.where, edit, self.verb.continue_tokens)

    def _edit(self, dose: float) -> Edit:
        if self._direction is not None:
            return Add(self._direction, dose)
        return Ablate(self.engine.parts.sae(self.verb.sae), self.verb.ablate, dose)

    def dose(self, dose: float, scores: Downstream | None) -> Steps[DoseRow]:
        """Run one dose and its random twins; returns its row."""
        edit = self._edit(dose)
        run = yield from self._run(1, edit)
        if dose and run.norm and len(self._twins):
            twins = yield from self._run(len(self._twins), RandomTwins(edit, self._twins))
        else:
            # As long as what the edit adds, which is nothing: the unedited run itself.
            twins = _repeated(self.before, len(self._twins))
        self._fires = self._fires and bool(run.norm or not dose)
        shifts: tuple[Shift, ...] = ()
        if scores is not None:
            shifts = yield from scores.shifts(run.read[0], twins.read)
        return self._row(dose, run, twins, shifts)

    def _row(self, dose: float, run: Run, twins: Run, shifts: tuple[Shift, ...]) -> DoseRow:
        before, after = self.before.logits[0], run.logits[0]
        up, down = effects.movers(self.subject, before, after, self.verb.top)
        return DoseRow(
            dose=dose,
            norm=finite(run.norm, "The norm of the change"),
            kl=effects.divergence(before, after),
            random=tuple(effects.divergence(before, row) for row in twins.logits),
            up=up,
            down=down,
            continuation=self.subject.decode(run.written[0]),
            kept=effects.kept(self.before.written[0], run.written[0]),
            random_continuations=tuple(map(self.subject.decode, twins.written)),
            random_kept=tuple(effects.kept(self.before.written[0], row) for row in twins.written),
            shifts=shifts,
        )

    def result(self, rows: tuple[DoseRow, ...], scores: Downstream | None) -> Intervened:
        """Return the whole answer."""
        where = self.where
        capture = self.engine.captures.get(self.subject, self.place.token_ids)
        changed: Tensor = capture.residuals[where.layer, where.first : where.end]
        return Intervened(
            subject=self.subject.name,
            layer=where.layer,
            positions=where.end - where.first,
            norm=float(changed.norm(dim=-1).mean()),
            next=likely(self.subject, self.before.logits[0], _NEXT),
            continuation=self.subject.decode(self.before.written[0]),
            rows=rows,
            reader=scores.reader.name if scores else "",
            read_layer=where.read_layer if scores else -1,
            read_at=where.read_at if scores else -1,
            scores=scores.before if scores else (),
            note="" if self._fires else NOTHING_FIRES,
        )


def _repeated(run: Run, count: int) -> Run:
    return Run(run.logits.expand(count, -1), run.read.expand(count, -1), 0.0, [list(run.written[0])] * count)
