"""The bench's panes with verdicts, estimates, stages and controls at both sizes."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from bench_pilot import NARROW, WIDE, answered, bench, line, press, text, the, until
from judged_backend import JudgedBackend

from fake_backend import PROVENANCE, FakeBackend
from investigator.records import Labels
from investigator.wire import Accepted, Event, Finished, Partial, Progress, RankLabels, Verb

SIZES = pytest.mark.parametrize("size", [WIDE, NARROW])


class StagedBackend(FakeBackend):
    """Ranks labels in stages: the index's estimate first, then exact numbers, then the proof."""

    stage = "proven"

    def _events(self, verb: Verb) -> Iterator[Event]:
        if not isinstance(verb, RankLabels):
            yield from super()._events(verb)
            return
        rows = self._label_rows(verb)
        guessed = tuple(
            msgspec.structs.replace(
                row, score=msgspec.structs.replace(row.score, estimate=True, verdict=None, p=None, gap=5.0)
            )
            for row in rows
        )
        judged = tuple(
            msgspec.structs.replace(row, score=msgspec.structs.replace(row.score, fdr=0.01 * row.rank)) for row in rows
        )
        yield Accepted(verb, PROVENANCE)
        yield Progress(1, 3, "estimate")
        yield Partial(guessed)
        yield Progress(2, 3, "rescoring")
        yield Partial(rows[:4])
        found = Labels("mapper", verb.order, 3912, 0, judged, (), (), 0, self.stage, 0.97, 0.2, 4)  # type: ignore[arg-type]
        yield Finished(found)


@SIZES
async def test_both_panes_of_text_carry_gap_and_verdict(size: tuple[int, int]) -> None:
    async with bench(JudgedBackend(), size) as pilot:
        await press(pilot, "2")
        assert "✓ names of cities" in line(pilot, "names of cities", "+")
        assert "✗ words in a title" in line(pilot, "words in a title", "+")
        await press(pilot, "g")
        await until(pilot, lambda: answered(pilot, "explain"))
        await press(pilot, "3")
        for mark, words in (("✓", "verbs of rising"), ("✗", "names of places, seed 0"), ("≈", "words in")):
            assert f"{mark} {words}" in text(pilot)
        assert "3 distinct · 1 of 3 supported" in the(pilot).explanations.state.words


async def test_both_panes_can_be_ordered_by_gap_and_by_score() -> None:
    backend = JudgedBackend()
    async with bench(backend) as pilot:
        await press(pilot, "2", "o")
        await until(pilot, lambda: backend.verbs("labels")[-1].order == "score")  # type: ignore[union-attr]
        await press(pilot, "g")
        await until(pilot, lambda: answered(pilot, "explain"))
        await press(pilot, "3")
        orders = []
        for _ in range(4):
            await press(pilot, "o")
            orders.append(the(pilot).explanations.order)
        assert orders == ["gap", "likelihood", "count", "diversity"]


async def test_estimates_are_marked_until_exact_numbers_replace_them() -> None:
    backend = StagedBackend()
    backend.pass_through["labels"] = 3
    gate = backend.hold("labels")
    async with bench(backend, settle=False) as pilot:
        await until(pilot, lambda: "~+5.00" in text(pilot))
        assert "~ estimate 1/3" in the(pilot).labels.state.words
        assert "✓" not in "".join(cell.text for row in the(pilot).labels.table.lines for cell in row.cells)
        gate.set()
        await until(pilot, lambda: answered(pilot, "labels"))
        assert "~" not in "".join(cell.text for row in the(pilot).labels.table.lines for cell in row.cells)
        assert the(pilot).labels.state.words.startswith("proven · 3,912 labels · 4 supported (fdr .040)")


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        ("estimate", "~ estimate · 3,912 labels · 4 supported (fdr .040) · recall .97"),
        ("rescored", "rescored · 3,912 labels · 4 supported (fdr .040) · recall .97"),
        ("exact", "exact · 3,912 labels · 4 supported (fdr .040) ·"),
    ],
)
async def test_the_state_line_says_the_stage_and_the_recall_that_goes_with_it(stage: str, words: str) -> None:
    backend = StagedBackend()
    backend.stage = stage
    async with bench(backend) as pilot:
        assert the(pilot).labels.state.words.startswith(words)


async def test_a_labels_false_discovery_rate_is_explained() -> None:
    async with bench(StagedBackend()) as pilot:
        await press(pilot, "2", "w")
        await until(pilot, lambda: "fdr         0.01" in text(pilot))


@SIZES
async def test_the_hypothesis_says_its_verdict_and_draws_its_controls_by_name(size: tuple[int, int]) -> None:
    async with bench(JudgedBackend(), size) as pilot:
        await press(pilot, "h", *"ports", "enter")
        await until(pilot, lambda: "gap +1.27 [1.1, 1.5] · p .002 over 512 · ✓ supported" in text(pilot))
        if size == WIDE:
            assert "m mean -0.20  n random norm -0.10  c random covariance +0.00" in text(pilot)
            background = line(pilot, "background", "this" if False else "here")
            assert "c" in background.split("here")[0].replace("background", "")
            assert "also readable from the text" in text(pilot)


async def test_a_new_sentence_never_stands_above_the_last_ones_numbers() -> None:
    backend = JudgedBackend()
    async with bench(backend) as pilot:
        await press(pilot, "h", *"ports", "enter")
        await until(pilot, lambda: "gap +1.27" in text(pilot))
        backend.pass_through["test"] = 1
        gate = backend.hold("test")
        await press(pilot, "h", "ctrl+u", *"wrong", "enter")
        await until(pilot, lambda: "testing" in text(pilot))
        assert "gap +1.27" not in text(pilot)
        gate.set()
        await until(pilot, lambda: "✗ not above baseline" in text(pilot))


async def test_a_rows_text_is_tested_with_one_key(monkeypatch: Any) -> None:
    backend = JudgedBackend()
    async with bench(backend) as pilot:
        await press(pilot, "2", "down")
        chosen = the(pilot).labels.table.current.text
        await press(pilot, "t")
        await until(pilot, lambda: bool(backend.verbs("test")))
        asked: Any = backend.verbs("test")[-1]
        assert asked.hypotheses == (chosen,) and not asked.drawn
        await press(pilot, "1", "pagedown", "t")
        await until(pilot, lambda: "no label to test" in text(pilot))
