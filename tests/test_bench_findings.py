"""Findings from the bench: kept in a real store, listed, reopened exactly as they were; and a store in trouble."""

from pathlib import Path

from bench_pilot import answered, bench, press, text, the, until

from fake_backend import FakeBackend
from investigator.wire import RankLabels
from sessions import open_store


async def test_every_answer_is_saved_and_a_kept_row_is_listed_and_reopened_as_it_was(tmp_path: Path) -> None:
    store = open_store(tmp_path / "sessions.db")
    backend = FakeBackend()
    async with bench(backend, store=store) as pilot:
        await until(pilot, lambda: "● saved" in text(pilot))
        await press(pilot, "left", "2", "down", "down")
        await until(pilot, lambda: answered(pilot, "labels"))
        await press(pilot, "o")
        await until(pilot, lambda: answered(pilot, "labels") and the(pilot).labels.order == "score")
        before = [row.text for row in the(pilot).labels.table.lines]
        place, chosen = the(pilot).place, the(pilot).labels.table.current
        assert place is not None and chosen is not None
        await press(pilot, "s")
        await until(pilot, lambda: len(the(pilot).findings.findings) == 1)
        finding = the(pilot).findings.findings[0]
        assert chosen.text in finding.title and place.words in finding.title
        session = pilot.app.session  # type: ignore[attr-defined]
        await pilot.app.recorder.flush()  # type: ignore[attr-defined]
        kinds = {answer.kind for answer in store.answers(session)}
        assert {"open", "features", "labels", "lens"} <= kinds
    # Another run of the app, on a backend whose labels have since become others.
    backend = FakeBackend()
    backend.labels = ("something else",)
    async with bench(backend, store=store) as pilot:
        await until(pilot, lambda: len(the(pilot).findings.findings) == 1)
        await press(pilot, "4", "tab", "enter")
        await until(pilot, lambda: [row.text for row in the(pilot).labels.table.lines] == before)
        shown = the(pilot)
        assert shown.place is not None and shown.place.words == place.words
        assert shown.labels.order == "score"
        assert shown.labels.state.name == "done" and not shown.labels.foreign
        # The reopened answer is not asked again; the panes beside it are.
        await until(pilot, lambda: answered(pilot, "features"))
        await pilot.pause(0.05)
        assert [row.text for row in shown.labels.table.lines] == before
        asked = [verb for verb in backend.verbs("labels") if isinstance(verb, RankLabels)]
        assert all(verb.source.position != place.position for verb in asked)  # type: ignore[union-attr]
    store.close()


async def test_a_hypothesis_is_kept_and_reopened_with_its_heat(tmp_path: Path) -> None:
    store = open_store(tmp_path / "sessions.db")
    async with bench(FakeBackend(), store=store) as pilot:
        await press(pilot, "h", *"ports", "enter")
        await until(pilot, lambda: "gap +1.27" in text(pilot))
        await press(pilot, "s")
        await until(pilot, lambda: len(the(pilot).findings.findings) == 1)
        assert "ports  +1.27" in the(pilot).findings.findings[0].title
    async with bench(FakeBackend(), store=store) as pilot:
        await until(pilot, lambda: len(the(pilot).findings.findings) == 1)
        await press(pilot, "4", "tab", "enter")
        await until(pilot, lambda: "heat: ports (gap) +1.30 here" in text(pilot))
        assert the(pilot).hypothesis.text == "ports"
    store.close()


async def test_without_a_store_the_app_says_so_and_keeps_nothing() -> None:
    async with bench(FakeBackend()) as pilot:
        assert "not saved" in text(pilot)
        await press(pilot, "s")
        await until(pilot, lambda: "Findings cannot be kept while no session is open." in text(pilot))


async def test_a_store_in_trouble_is_said_in_the_status_line(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "sessions.db"
    file.parent.mkdir()
    file.mkdir()  # a folder where the database should be: nothing can be written there
    store = open_store(file)
    async with bench(FakeBackend(), store=store) as pilot:
        await until(pilot, lambda: bool(store.trouble))
        await press(pilot, "left")
        await until(pilot, lambda: "● saved" not in text(pilot))
        assert store.trouble[:16] in text(pilot).splitlines()[0]
        assert answered(pilot, "features") or the(pilot).features.work is not None
    store.close()
