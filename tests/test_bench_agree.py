"""Agreement between panes: marks, partners in words, how often it is asked, and what is said where it cannot be."""

from __future__ import annotations

import asyncio

import pytest
from bench_pilot import NARROW, WIDE, Bench, answered, bench, press, text, the, until
from screen_tools import HOSTILE
from textual.widgets import Static

from fake_backend import LABELS, FakeBackend, tag
from investigator.errors import WorkbenchError
from investigator.wire import Agree
from screens.modals import TextViewer

NO_EMBEDDER = WorkbenchError("This workbench names no sentence embedder.", "Name one under `embedder`.")
OTHER = "animals that live in the sea"


def meaning(backend: FakeBackend, cosine: float = 0.83) -> FakeBackend:
    """Let a drawn text mean the same as a label."""
    backend.meanings = {(LABELS[3], "names of places, seed 0"): cosine}
    return backend


def marks(pilot: Bench, name: str) -> dict[str, str]:
    """Return a pane's marks by text."""
    pane = getattr(the(pilot), name)
    return {line.text: line.mark for line in pane.table.lines if line.mark}


def lists(backend: FakeBackend) -> list[Agree]:
    return [verb for verb in backend.verbs("agree") if isinstance(verb, Agree)]


async def drawn(pilot: Bench) -> None:
    """Draw explanations and wait until they were compared."""
    await press(pilot, "g")
    await until(pilot, lambda: answered(pilot, "explain"))
    await until(pilot, lambda: len(the(pilot).app.asker.running) == 0)


async def test_rows_of_the_same_meaning_are_marked_in_both_panes_and_the_same_label_keeps_its_own_mark() -> None:
    backend = meaning(FakeBackend())
    async with bench(backend) as pilot:
        await drawn(pilot)
        await until(pilot, lambda: marks(pilot, "explanations").get("names of places, seed 0") == "≡")
        assert marks(pilot, "labels")[LABELS[3]] == "≡"
        same = {label for label, mark in marks(pilot, "labels").items() if mark == "="}
        assert same and LABELS[3] not in same
        assert "≡ 1 pairs, by chance" in text(pilot)


async def test_the_selected_row_names_partner_cosine_threshold_and_embedder() -> None:
    backend = meaning(FakeBackend())
    async with bench(backend) as pilot:
        await drawn(pilot)
        await until(pilot, lambda: bool(marks(pilot, "explanations")))
        the(pilot).go(the(pilot).place)
        await press(pilot, "3")
        the(pilot).explanations.table.select("names of places, seed 0")
        await pilot.pause()
        said = the(pilot).explanations.query_one(".said", Static).render()
        assert f"≡ pane 2: {LABELS[3]} (cosine 0.83, 0.73 needed; pocket-static)" in str(said)
        await press(pilot, "w")
        sheet = pilot.app.screen
        assert isinstance(sheet, TextViewer)
        for words in (
            f"agreement   pane 2: {LABELS[3]}",
            "cosine 0.830, p 0.0002",
            "cosine above 0.730: at most 0.001 of 523,776 pairs of 1,024 labels reach that; by pocket-static",
            "1 of",
            "would by chance",
        ):
            assert words in sheet.text.plain, words


async def test_a_change_of_panes_is_asked_once_and_a_place_seen_before_not_again() -> None:
    backend = FakeBackend()
    async with bench(backend) as pilot:
        await until(pilot, lambda: len(lists(backend)) == 1)
        assert [len(texts) for texts in lists(backend)[0].texts] == [5, 12]
        await drawn(pilot)
        await until(pilot, lambda: len(lists(backend)) == 2)
        assert len(lists(backend)[1].texts) == 3
        await press(pilot, "left")
        await until(pilot, lambda: answered(pilot, "labels"))
        await until(pilot, lambda: len(lists(backend)) == 3)
        assert len(lists(backend)[2].texts) == 2, "texts of another place are not compared"
        await press(pilot, "right")
        await until(pilot, lambda: answered(pilot, "labels") and answered(pilot, "explain"))
        await pilot.pause(0.1)
        assert len(lists(backend)) == 3
        slots = {question.slot for question in backend.asked if tag(question.verb) == "agree"}
        assert slots == {"agree"}


async def test_a_pane_gives_at_most_a_hundred_texts() -> None:
    backend = FakeBackend()
    backend.labels = tuple(f"label {number}" for number in range(300))
    async with bench(backend) as pilot:
        await until(pilot, lambda: bool(lists(backend)))
        assert max(len(texts) for texts in lists(backend)[0].texts) == 100


async def test_marks_go_with_the_rows_that_they_belong_to() -> None:
    backend = meaning(FakeBackend())
    async with bench(backend) as pilot:
        await drawn(pilot)
        await until(pilot, lambda: bool(marks(pilot, "explanations")))
        gate = backend.hold("agree")
        await press(pilot, "left")
        await until(pilot, lambda: answered(pilot, "labels"))
        assert "≡" not in marks(pilot, "labels").values(), "the drawn text is of another place now"
        gate.set()


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_without_an_embedder_nothing_is_marked_and_it_is_asked_once(size: tuple[int, int]) -> None:
    backend = meaning(FakeBackend())
    backend.fail["agree"] = NO_EMBEDDER
    async with bench(backend, size) as pilot:
        await until(pilot, lambda: "≡ not known, w says why" in text(pilot))
        await drawn(pilot)
        await press(pilot, "left")
        await until(pilot, lambda: answered(pilot, "labels"))
        await pilot.pause(0.05)
        assert len(lists(backend)) == 1
        assert "≡" not in marks(pilot, "labels").values()
        await press(pilot, "2", "w")
        assert isinstance(pilot.app.screen, TextViewer)
        assert (
            "agreement   not known: This workbench names no sentence embedder. Name one" in pilot.app.screen.text.plain
        )


async def test_an_unforeseen_failure_is_a_sentence_and_another_backend_is_asked_anew() -> None:
    backend = meaning(FakeBackend())
    backend.fail["agree"] = WorkbenchError("The embedder's file is cut short.", "Copy it again.")
    async with bench(backend) as pilot:
        await until(pilot, lambda: "≡ not known" in text(pilot))
        backend.fail.clear()
        backend.kill()
        await press(pilot, "left")
        await until(pilot, lambda: pilot.app.link.status.state != "ready")
        backend.revive()
        await until(pilot, lambda: answered(pilot, "labels"), turns=2000)
        await until(pilot, lambda: len(lists(backend)) == 2)
        await until(pilot, lambda: "≡ not known" not in text(pilot))


async def test_an_answer_that_comes_late_marks_nothing_of_another_place() -> None:
    backend = FakeBackend()
    backend.meanings = {(LABELS[9], OTHER): 0.9}
    gate: asyncio.Event = backend.hold("agree")
    async with bench(backend) as pilot:
        await until(pilot, lambda: len(lists(backend)) == 1)
        await press(pilot, "left")
        await until(pilot, lambda: len(lists(backend)) == 2)
        gate.set()
        await until(pilot, lambda: not pilot.app.asker.running)
        assert the(pilot).agreeing.found is not None
        assert "≡" not in marks(pilot, "labels").values()


async def test_marks_in_ascii_and_hostile_texts_are_inert() -> None:
    backend = FakeBackend()
    backend.labels = (HOSTILE, *LABELS[1:])
    backend.meanings = {(HOSTILE, "names of places, seed 0"): 0.9}
    async with bench(backend, marks="ascii") as pilot:
        await drawn(pilot)
        await until(pilot, lambda: marks(pilot, "explanations").get("names of places, seed 0") == ":")
        await press(pilot, "3")
        the(pilot).explanations.table.select("names of places, seed 0")
        await press(pilot, "w")
        shown = text(pilot)
        assert "\x1b]" not in shown and "\u202e" not in shown and "[bold red]names[/]" in shown
