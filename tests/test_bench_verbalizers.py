"""The pane for verbalizers: fidelity in front, another verbalizer, another seed, controls one key away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import reader_tools as tools
from bench_pilot import NARROW, WIDE, Bench, answered, bench, press, settings, text, the, until
from server_tools import running

from backends.engine.engine import WorkbenchEngine
from fake_backend import SAE_LAYER, SUMMARY, FakeBackend
from investigator.provenance import ReaderSummary
from investigator.settings import Explaining
from investigator.wire import Explain
from investigator.wire import Test as Tried
from screens.app import InvestigatorApp
from screens.modals import TextViewer
from sessions import open_store


def with_nla(layer: int = SAE_LAYER) -> FakeBackend:
    """Return a backend whose workbench has an NLA reader besides."""
    backend = FakeBackend()
    nla = ReaderSummary("nla", "nla", "pocket", layer)
    backend.book = msgspec.structs.replace(SUMMARY, readers=(*SUMMARY.readers, nla))
    return backend


def asked(backend: FakeBackend) -> list[Explain]:
    return [verb for verb in backend.verbs("explain") if isinstance(verb, Explain)]


def shown(pilot: Bench) -> list[str]:
    """Return the pane's rows, cells and text."""
    return [" ".join((*(cell.text for cell in line.cells), line.text)) for line in the(pilot).verbalizers.table.lines]


async def test_v_draws_from_a_verbalizer_and_fidelity_stands_in_front() -> None:
    backend = with_nla()
    async with bench(backend) as pilot:
        assert not asked(backend), "nothing is drawn before it is asked for"
        await until(pilot, lambda: "Press v to let nla put this activation" in text(pilot))
        await press(pilot, "v")
        await until(pilot, lambda: answered(pilot, "verbalize"))
        assert [verb.reader for verb in asked(backend)] == ["nla"]
        assert shown(pilot)[0].startswith("+0.62 +0.89 +0.90")
        assert shown(pilot)[0].endswith("nla says ports, seed 0")
        assert the(pilot).explanations.answer is None, "the other pane waits for g"
        columns = [column.title for _, column in the(pilot).verbalizers.table._shown()]
        assert columns[:2] == ["fve", "cos"]


async def test_layers_of_another_model_are_not_marked() -> None:
    backend = with_nla()
    other = msgspec.structs.replace(backend.book.saes[0], name="other-l1", subject="other", layer=1)
    reader = ReaderSummary("far", "soft_prompt", "other", 2)
    backend.book = msgspec.structs.replace(
        backend.book, saes=(*backend.book.saes, other), readers=(*backend.book.readers, reader)
    )
    async with bench(backend) as pilot:
        app = pilot.app
        assert isinstance(app, InvestigatorApp)
        assert app.layers_with_sae == app.layers_with_reader == {SAE_LAYER}


async def test_what_other_texts_bring_back_is_one_key_away() -> None:
    async with bench(with_nla()) as pilot:
        await press(pilot, "v", "6")
        await until(pilot, lambda: answered(pilot, "verbalize"))
        await press(pilot, "w")
        sheet = pilot.app.screen
        assert isinstance(sheet, TextViewer)
        for words in (
            "fidelity    fve +0.620, cosine +0.890",
            "mean vector      fve -0.200",
            "random text      fve -0.780",
            "shuffled words   fve +0.540",
        ):
            assert words in sheet.text.plain, words


async def test_again_draws_with_another_seed_and_capital_v_takes_another_reader() -> None:
    backend = with_nla()
    async with bench(backend) as pilot:
        await press(pilot, "v")
        await until(pilot, lambda: answered(pilot, "verbalize"))
        await press(pilot, "v")
        await until(pilot, lambda: len(asked(backend)) == 2 and answered(pilot, "verbalize"))
        assert [verb.seed for verb in asked(backend)] == [0, 1]
        await press(pilot, "V")
        assert not shown(pilot) and len(asked(backend)) == 2, "another reader is not asked before v"
        await press(pilot, "g")
        await until(pilot, lambda: answered(pilot, "verbalize"))
        assert [verb.reader for verb in asked(backend)] == ["nla", "nla", "selfie"], (
            "g draws in the pane that has the keys"
        )
        assert "no reconstructor, no fidelity" in the(pilot).verbalizers.state.words
        columns = [column.title for _, column in the(pilot).verbalizers.table._shown()]
        assert "fve" not in columns, "where fidelity is not known its columns leave room"
        await press(pilot, "V", "V")
        await until(pilot, lambda: bool(shown(pilot)))
        assert "nla says ports" in shown(pilot)[0] and len(asked(backend)) == 3, "what it said before is shown again"


async def test_a_reader_that_is_left_while_it_draws_is_stopped_and_shows_nothing() -> None:
    backend = with_nla()
    gate = backend.hold("explain")
    async with bench(backend) as pilot:
        await press(pilot, "v")
        await until(pilot, lambda: len(asked(backend)) == 1)
        await press(pilot, "V")
        gate.set()
        await until(pilot, lambda: not pilot.app.asker.running)
        assert not shown(pilot) and "Press v to let selfie" in text(pilot)


async def test_a_layer_without_a_trained_reader_has_those_without_training() -> None:
    backend = with_nla()
    async with bench(backend) as pilot:
        await press(pilot, "[")
        assert "Press v to let selfie" in text(pilot)
        await press(pilot, "v")
        await until(pilot, lambda: answered(pilot, "verbalize"))
        assert (asked(backend)[0].reader, asked(backend)[0].source.layer) == ("selfie", SAE_LAYER - 1)  # type: ignore[union-attr]


async def test_a_verbalizers_claim_is_tested_with_one_key_as_drawn_text() -> None:
    backend = with_nla()
    async with bench(backend) as pilot:
        await press(pilot, "v", "6")
        await until(pilot, lambda: answered(pilot, "verbalize"))
        await press(pilot, "t")
        await until(pilot, lambda: bool(backend.verbs("test")))
        tried = backend.verbs("test")[0]
        assert isinstance(tried, Tried)
        assert tried.hypotheses == ("nla says ports, seed 0",) and tried.drawn


async def test_the_pane_can_be_ordered_by_fidelity() -> None:
    async with bench(with_nla()) as pilot:
        await press(pilot, "v", "6")
        await until(pilot, lambda: answered(pilot, "verbalize"))
        await press(pilot, "o")
        assert the(pilot).verbalizers.order == "fidelity"
        assert [row.split()[1] for row in shown(pilot)] == ["+0.89", "+0.69"]


@pytest.mark.parametrize("size", [NARROW, (140, 24)])
async def test_where_room_is_short_the_pane_takes_its_turn(size: tuple[int, int]) -> None:
    async with bench(with_nla(), size) as pilot:
        await press(pilot, "v")
        await until(pilot, lambda: answered(pilot, "verbalize"))
        assert "nla says ports" in text(pilot)
        if size == NARROW:
            assert "[6 verbalizer nla]" in text(pilot) and "findings" not in text(pilot)
        await press(pilot, "1")
        assert "nla says ports" not in text(pilot) and "SAE" in text(pilot)
        await press(pilot, "4")
        assert "findings" in text(pilot)


async def test_tab_goes_through_every_pane_and_back() -> None:
    async with bench(with_nla()) as pilot:
        seen = []
        for _ in range(8):
            await press(pilot, "tab")
            seen.append(the(pilot).around.number)
        assert {2, 3, 4, 5, 6} <= set(seen)
        assert seen.index(3) < seen.index(6) < seen.index(4) < seen.index(5)


async def test_a_saved_verbalization_opens_in_its_pane() -> None:
    store = open_store()
    backend = with_nla()
    async with bench(backend, store=store) as pilot:
        await until(pilot, lambda: pilot.app.recorder is not None)
        await press(pilot, "v")
        await until(pilot, lambda: answered(pilot, "verbalize"))
        await press(pilot, "6", "s")
        await until(pilot, lambda: bool(the(pilot).findings.findings))
        finding = the(pilot).findings.findings[0]
        await press(pilot, "left")
        await until(pilot, lambda: answered(pilot, "labels"))
        await the(pilot).row_actions.reopen(finding.answer_id, finding.row_key)
        await until(pilot, lambda: answered(pilot, "verbalize"))
        assert the(pilot).around.number == 6 and "nla says ports, seed 0" in shown(pilot)[0]


# -- a real engine ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reader", ["av", "selfie", "patchscopes"])
async def test_a_real_verbalizer_speaks_in_the_pane(reader: str, tmp_path: Path) -> None:
    made = tools.make_bench(tmp_path / "bench")
    tools.make_nla(made.folder / "av")
    tools.make_reconstructor(made.folder / "ar")
    tools.add_reader(made, "av", "nla", "av", reconstructor="ar", injection={"max_tokens": 8})
    text_of_file = made.file.read_text(encoding="utf-8")
    made.file.write_text('example = "The capital of France is Paris"\n' + text_of_file, encoding="utf-8")
    async with running(tmp_path, make=lambda: WorkbenchEngine(made.file)) as (_, client):
        short = msgspec.structs.replace(settings(), explain=Explaining(samples=3, max_tokens=8))
        app = InvestigatorApp(lambda: _given(client), None, short, workbench="tiny")
        async with app.run_test(size=WIDE, notifications=True) as pilot:
            await until(pilot, lambda: answered(pilot, "features"), turns=4000)
            for _ in range(["av", "selfie", "patchscopes"].index(reader)):
                await press(pilot, "V")
            await press(pilot, "6", "v")
            await until(pilot, lambda: answered(pilot, "verbalize"), turns=8000)
            pane = the(pilot).verbalizers
            assert pane.table.lines, text(pilot)
            fve, cos = (cell.text for cell in pane.table.lines[0].cells[:2])
            if reader == "av":
                assert -1 <= float(cos) <= 1 and float(fve) <= 1
                await press(pilot, "w")
                assert "random text" in pilot.app.screen.text.plain  # type: ignore[attr-defined]
            else:
                assert "no reconstructor" in pane.state.words


async def _given(client: Any) -> Any:
    return client
