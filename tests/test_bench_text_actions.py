"""Any pane's text becomes a hypothesis with one key, on the bench and elsewhere; `r` lets every reader score it."""

from __future__ import annotations

import msgspec
import pytest
from bench_pilot import NARROW, WIDE, Bench, answered, bench, press, text, the, until

from fake_backend import SUMMARY, FakeBackend
from investigator.errors import ScoreError
from investigator.provenance import ReaderSummary
from investigator.wire import Test as Tried
from screens.feature import FeatureScreen
from screens.readers_sheet import ReadersSheet
from sessions import open_store


def tried(backend: FakeBackend) -> list[Tried]:
    return [verb for verb in backend.verbs("test") if isinstance(verb, Tried)]


async def hypotheses(pilot: Bench, backend: FakeBackend, count: int) -> tuple[str, ...]:
    """Return the sentences tested once there are so many."""
    await until(pilot, lambda: len(tried(backend)) == count)
    return tuple(verb.hypotheses[0] for verb in tried(backend))


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_t_tests_the_text_of_every_pane_of_the_bench(size: tuple[int, int]) -> None:
    backend = FakeBackend()
    async with bench(backend, size) as pilot:
        await press(pilot, "g")
        await until(pilot, lambda: answered(pilot, "explain"))
        await press(pilot, "v")
        await until(pilot, lambda: answered(pilot, "verbalize"))
        for key, pane in (("1", "features"), ("2", "labels"), ("3", "explanations"), ("6", "verbalizers")):
            await press(pilot, key, "down", "t")
            row = getattr(the(pilot), pane).current_row()
            wanted = row.labels[0] if pane == "features" else row.text
            await until(
                pilot,
                lambda wanted=wanted: (
                    the(pilot).hypothesis.row is not None and the(pilot).hypothesis.row.text == wanted
                ),
            )
            assert wanted in {verb.hypotheses[0] for verb in tried(backend)}


async def test_t_tests_the_plots_label_and_a_findings_text() -> None:
    backend = FakeBackend()
    async with bench(backend, store=open_store()) as pilot:
        await until(pilot, lambda: pilot.app.recorder is not None)
        await press(pilot, "2", "down", "s")
        await until(pilot, lambda: bool(the(pilot).findings.findings))
        kept = the(pilot).labels.current_row().text  # type: ignore[union-attr]
        await press(pilot, "up")
        await until(pilot, lambda: bool(the(pilot).query("ParetoPlot")))
        await press(pilot, "4", "down")
        selected = the(pilot).query_one("ParetoPlot").selected  # type: ignore[attr-defined]
        await press(pilot, "t")
        assert await hypotheses(pilot, backend, 1) == (selected,)
        await press(pilot, "4", "tab", "t")
        assert (await hypotheses(pilot, backend, 2))[1] == kept
        await press(pilot, "f")
        await until(pilot, lambda: pilot.app.current_mode == "corpus")
        assert kept in text(pilot)


async def test_where_a_pane_has_no_text_a_sentence_says_so_and_nothing_is_asked() -> None:
    backend = FakeBackend()
    told: list[str] = []
    async with bench(backend) as pilot:
        pilot.app.tell = lambda words, **_: told.append(words)  # type: ignore[method-assign]
        await press(pilot, "3", "t", "r")
        await press(pilot, "4", "tab", "t")
        await until(pilot, lambda: len(told) >= 3)
        assert not tried(backend) and told[0] == told[1] == "There is no row here."


async def test_the_sentence_of_a_search_and_a_latents_label_become_hypotheses() -> None:
    backend = FakeBackend()
    async with bench(backend) as pilot:
        await press(pilot, "2", "f")
        await until(pilot, lambda: pilot.app.current_mode == "corpus" and bool(backend.verbs("find")))
        label = backend.verbs("find")[0].text  # type: ignore[union-attr]
        await press(pilot, "t")
        await until(pilot, lambda: pilot.app.current_mode == "hypotheses")
        assert await hypotheses(pilot, backend, 1) == (label,)
        await press(pilot, "B", "1", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, FeatureScreen) and bool(pilot.app.screen.feature))
        page = pilot.app.screen
        assert isinstance(page, FeatureScreen) and page.feature is not None
        await press(pilot, "t")
        await until(pilot, lambda: len(tried(backend)) == 2 and not isinstance(pilot.app.screen, FeatureScreen))
        assert tried(backend)[1].hypotheses == (page.feature.labels[0].text,)


async def test_a_neighbours_label_is_tested_from_its_list_and_one_without_says_so() -> None:
    backend = FakeBackend()
    told: list[str] = []
    async with bench(backend) as pilot:
        pilot.app.tell = lambda words, **_: told.append(words)  # type: ignore[method-assign]
        await press(pilot, "1", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, FeatureScreen) and bool(pilot.app.screen.feature))
        await press(pilot, "tab", "down", "t")
        assert told == ["This latent has no label to test."]
        await press(pilot, "up", "t")
        assert await hypotheses(pilot, backend, 1) == ("words for seaports",)


async def test_r_lets_every_reader_of_the_layer_score_the_text() -> None:
    backend = FakeBackend()
    elsewhere = ReaderSummary("deeper", "soft_prompt", "pocket", 5)
    nla = ReaderSummary("nla", "nla", "pocket", 3)
    backend.book = msgspec.structs.replace(SUMMARY, readers=(*SUMMARY.readers, nla, elsewhere))
    async with bench(backend) as pilot:
        await press(pilot, "v", "6")
        await until(pilot, lambda: answered(pilot, "verbalize"))
        await press(pilot, "r")
        sheet = pilot.app.screen
        assert isinstance(sheet, ReadersSheet)
        await until(pilot, lambda: all(work.state == "done" for work in sheet.works.values()))
        await pilot.pause()
        assert [verb.reader for verb in tried(backend)] == ["mapper", "nla", "selfie", "patchscopes"]
        assert {verb.hypotheses for verb in tried(backend)} == {("nla says ports, seed 0",)}
        assert {verb.tried for verb in tried(backend)} == {0}, "one claim before four readers is one claim"
        lines = [line for line in sheet.text().splitlines() if "gap +1.27" in line]
        assert len(lines) == 4 and all("supported" in line for line in lines)
        assert lines[1].startswith("nla (its own)")
        said = "said by nla; a text that a reader drew here fits that reader anyway"
        await until(pilot, lambda: said in text(pilot))
        await press(pilot, "escape")
        assert the(pilot).verbalizers.current_row() is not None


async def test_one_reader_that_fails_leaves_the_others_and_leaving_stops_what_runs() -> None:
    backend = FakeBackend()
    async with bench(backend) as pilot:
        backend.fail["test"] = ScoreError("The reader gave a number that is no number.", "Pick another token.")
        await press(pilot, "2", "r")
        sheet = pilot.app.screen
        assert isinstance(sheet, ReadersSheet)
        await until(pilot, lambda: all(work.state == "error" for work in sheet.works.values()))
        assert sheet.text().count("failed: The reader gave a number that is no number. Pick another token.") == 3
        backend.fail.clear()
        backend.hold("test")
        await press(pilot, "escape", "down", "r")
        await until(pilot, lambda: len(tried(backend)) == 6)
        await press(pilot, "escape")
        await until(pilot, lambda: len(backend.cancelled) == 3)
        assert not pilot.app.asker.running
