"""The bench under real keys at 140x45: cursor, layers, panes, hypothesis, explanations, spans, copying."""

import pytest
from bench_pilot import NARROW, WIDE, answered, bench, line, press, text, the, until
from textual import events

from fake_backend import EXAMPLE, SAE_LAYER, FakeBackend
from investigator.sources import Residual
from investigator.wire import Explain, Open, RankLabels, ShowFeatures
from investigator.wire import Test as Tried


def sources(backend: FakeBackend, name: str) -> list[Residual]:
    return [verb.source for verb in backend.verbs(name)]  # type: ignore[union-attr, misc]


async def test_the_example_is_answered_by_itself_without_an_explanation() -> None:
    backend = FakeBackend()
    async with bench(backend) as pilot:
        shown = text(pilot)
        assert EXAMPLE in shown
        assert "6 active" in shown and "3,912 labels" in shown
        assert "Press g to draw explanations" in shown
        assert [type(verb) for verb in backend.verbs("open")] == [Open]
        assert not backend.verbs("explain")
        assert "token 10/10" in shown and "next: , 0.31" in shown
        await until(pilot, lambda: "lens  L0 bon" in text(pilot))


async def test_a_cursor_move_asks_features_at_once_and_labels_after_the_rest() -> None:
    backend = FakeBackend()
    async with bench(backend, settle=False, rest_ms=100_000) as pilot:
        await until(pilot, lambda: answered(pilot, "features"))
        await press(pilot, "left", "left")
        await until(pilot, lambda: len(backend.verbs("features")) == 3)
        assert [source.position for source in sources(backend, "features")] == [9, 8, 7]
        assert not backend.verbs("labels")
        the(pilot).asking.rested()
        await until(pilot, lambda: answered(pilot, "labels"))
        assert [source.position for source in sources(backend, "labels")] == [7]


async def test_arrows_home_end_and_layers_move_within_bounds() -> None:
    backend = FakeBackend()
    async with bench(backend) as pilot:
        await press(pilot, "right")
        assert the(pilot).place.position == 9
        await press(pilot, "home", "left")
        assert the(pilot).place.position == 0
        await press(pilot, "end")
        assert the(pilot).place.position == 9
        for keys, layer in (
            (("left_square_bracket",), 2),
            (("comma",), 1),
            (("full_stop", "right_square_bracket"), 3),
        ):
            await press(pilot, *keys)
            assert the(pilot).place.layer == layer
        await press(pilot, *["]"] * 9)
        assert the(pilot).place.layer == 5


async def test_a_layer_without_sae_or_reader_says_where_there_is_one_and_asks_nothing() -> None:
    backend = FakeBackend()
    async with bench(backend) as pilot:
        before = len(backend.verbs("features"))
        await press(pilot, "[")
        await until(pilot, lambda: "No SAE reads layer 2; one reads L3." in text(pilot).replace("\n", " "))
        assert the(pilot).features.state.name == "stale"
        assert "L3" in the(pilot).features.state.words
        assert len(backend.verbs("features")) == before


async def test_a_place_seen_before_is_shown_at_once_without_asking() -> None:
    backend = FakeBackend()
    async with bench(backend) as pilot:
        await until(pilot, lambda: len(backend.verbs("agree")) == 1)
        await press(pilot, "left")
        await until(pilot, lambda: answered(pilot, "labels") and answered(pilot, "features"))
        await until(pilot, lambda: len(backend.verbs("agree")) == 2)
        asked = len(backend.asked)
        await press(pilot, "right")
        assert answered(pilot, "labels") and answered(pilot, "features")
        assert "stored" in the(pilot).labels.state.words
        await pilot.pause(0.05)
        assert len(backend.asked) == asked


async def test_the_selected_row_is_followed_by_its_key_not_its_index() -> None:
    backend = FakeBackend()
    async with bench(backend) as pilot:
        await press(pilot, "2", "down", "down")
        chosen = the(pilot).labels.table.current.key
        await press(pilot, "o")
        gate = backend.hold("labels")
        await press(pilot, "o")
        gate.set()
        await until(pilot, lambda: answered(pilot, "labels"))
        assert the(pilot).labels.table.current.key == chosen
        assert backend.verbs("labels")[-1].order == "activation"  # type: ignore[union-attr]


async def test_explanations_wait_for_g_and_a_second_g_draws_with_another_seed() -> None:
    backend = FakeBackend()
    async with bench(backend) as pilot:
        await press(pilot, "g")
        await until(pilot, lambda: answered(pilot, "explain"))
        assert "names of places, seed 0" in [line.text for line in the(pilot).explanations.table.lines]
        await press(pilot, "g")
        await until(pilot, lambda: len(backend.verbs("explain")) == 2 and answered(pilot, "explain"))
        first, second = backend.verbs("explain")
        assert isinstance(first, Explain) and isinstance(second, Explain)
        assert (first.seed, second.seed, first.samples, first.top_p) == (0, 1, 50, 0.9)
        assert "seed 1" in the(pilot).explanations.state.words


async def test_a_span_is_read_as_its_mean_and_escape_gives_it_up() -> None:
    backend = FakeBackend()
    async with bench(backend) as pilot:
        await press(pilot, "shift+left", "shift+left")
        await until(pilot, lambda: len(backend.verbs("features")) == 3)
        last = sources(backend, "features")[-1]
        assert (last.position, last.end) == (7, 10)
        assert 'mean of tokens 8-10/10 " harbour in Lisbon"' in text(pilot)
        assert "[harbour in Lisbon]" in line(pilot, "<bos>")
        await press(pilot, "shift+right", "shift+right")
        assert the(pilot).place.source.end is None
        await press(pilot, "shift+left", "escape")
        assert the(pilot).place.source == Residual("pocket", the(pilot).place.source.token_ids, SAE_LAYER, 8)


async def test_a_hypothesis_is_scored_drawn_over_the_tokens_and_kept_in_the_history() -> None:
    backend = FakeBackend()
    async with bench(backend) as pilot:
        await press(pilot, "h", *"ports", "enter")
        await until(pilot, lambda: "gap +1.27" in text(pilot))
        asked = backend.verbs("test")[0]
        assert isinstance(asked, Tried) and asked.hypotheses == ("ports",) and asked.scope == "positions"
        shown = text(pilot)
        assert "p .002 over 512" in shown and "supported" in shown and "above 512 of 512" in shown
        assert "heat: ports (gap) +1.30 here" in shown
        await press(pilot, "left")
        await until(pilot, lambda: len(backend.verbs("test")) == 2)
        await until(pilot, lambda: "heat: ports (gap) +1.10 here" in text(pilot))
        await press(pilot, "h", "ctrl+u", *"ships", "enter")
        await until(pilot, lambda: len(backend.verbs("test")) == 3)
        await press(pilot, "h", "up", "up")
        assert the(pilot).hypothesis.input.value == "ports"
        await press(pilot, "down", "down")
        assert the(pilot).hypothesis.input.value == ""
        await press(pilot, "escape", "escape")
        await until(pilot, lambda: "heat: residual norm at L3" in text(pilot))


async def test_inputs_are_entered_by_i_and_h_never_by_tab_and_say_how_to_leave() -> None:
    backend = FakeBackend()
    async with bench(backend) as pilot:
        for _ in range(12):
            await press(pilot, "tab")
            assert type(pilot.app.focused).__name__ not in {"Input", "HypothesisInput"}
        await press(pilot, "i")
        assert pilot.app.focused is the(pilot).prompt_bar.input
        assert "typing · enter takes it · esc leaves" in text(pilot)
        await press(pilot, "g")
        assert not backend.verbs("explain")
        await press(pilot, "escape")
        assert "typing" not in text(pilot)


async def test_a_typed_prompt_is_opened_and_a_refused_one_says_why() -> None:
    from investigator.errors import BadInput

    backend = FakeBackend()
    async with bench(backend) as pilot:
        await press(pilot, "i", "ctrl+u", *"old", "space", *"ships", "enter")
        await until(pilot, lambda: "token 3/3" in text(pilot))
        await until(pilot, lambda: answered(pilot, "features"))
        backend.fail["open"] = BadInput("The prompt is empty.", "Type at least one word.")
        await press(pilot, "i", "ctrl+u", "enter")
        await until(pilot, lambda: "The prompt is empty. Type at least one word." in text(pilot))
        assert "Traceback" not in text(pilot)
        del backend.fail["open"]
        await press(pilot, "left")
        assert the(pilot).place.position == 1


async def test_the_model_continues_the_prompt_and_its_tokens_can_be_picked() -> None:
    backend = FakeBackend()
    async with bench(backend) as pilot:
        ids = the(pilot).place.source.token_ids
        await press(pilot, "c")
        await until(pilot, lambda: len(the(pilot).place.opened.tokens) > 10)
        asked = backend.verbs("open")[-1]
        assert isinstance(asked, Open) and asked.token_ids == ids and asked.continue_tokens == 8
        assert the(pilot).prompt_bar.input.value.startswith(f"{EXAMPLE}, and so on")
        await press(pilot, "left")
        await until(pilot, lambda: answered(pilot, "features"))
        assert the(pilot).place.source.token_ids[:10] == ids


async def test_order_and_filter_ask_again_and_escape_clears_the_filter() -> None:
    backend = FakeBackend()
    async with bench(backend) as pilot:
        await press(pilot, "o")
        await until(pilot, lambda: backend.verbs("features")[-1].order == "activation")  # type: ignore[union-attr]
        await press(pilot, "2", "slash", *"Portugal", "enter")
        await until(pilot, lambda: len(the(pilot).labels.table.lines) == 1)
        asked = backend.verbs("labels")[-1]
        assert isinstance(asked, RankLabels) and asked.filter == "Portugal"
        assert the(pilot).labels.query_one("#labels-filter").display
        await press(pilot, "escape")
        await until(pilot, lambda: len(the(pilot).labels.table.lines) == 12)


async def test_latents_without_a_label_can_be_hidden() -> None:
    backend = FakeBackend()
    async with bench(backend) as pilot:
        assert "(no label) #6990" in text(pilot)
        await press(pilot, "u")
        await until(pilot, lambda: "(no label)" not in text(pilot))
        assert "without a label hidden" in the(pilot).features.state.words


async def test_labels_in_several_panes_are_marked_and_the_overlap_stands_beside_chance() -> None:
    backend = FakeBackend()
    async with bench(backend) as pilot:
        marks = [line.mark for line in the(pilot).labels.table.lines]
        assert marks == ["="] * 5 + [""] * 7
        # Five labels on one side, ten on the other, of 3,912: 5 * 10 / 3912.
        assert "pane 2: 5 of 5, by chance 0.013" in text(pilot)


async def test_copying_and_the_why_of_a_row() -> None:
    backend = FakeBackend()
    async with bench(backend) as pilot:
        await press(pilot, "2", "y")
        assert pilot.app.clipboard.startswith(the(pilot).labels.table.current.text)
        assert "gap +1.90, p 0.002 over 512" in pilot.app.clipboard
        assert '"Lisbon" L3' in pilot.app.clipboard
        await press(pilot, "w")
        await until(pilot, lambda: "score minus the same text's mean" in text(pilot).replace("\n", " "))
        await press(pilot, "escape")
        assert pilot.app.screen is the(pilot)


async def test_clicks_pick_tokens_rows_and_layers() -> None:
    backend = FakeBackend()
    async with bench(backend) as pilot:
        box = the(pilot).strip.boxes[4]
        await pilot.click("#strip", offset=(1 + box.start + 1, 0))
        assert the(pilot).place.position == 4
        await pilot.click("#labels-rows", offset=(5, 3))
        assert the(pilot).labels.table.index == 2
        assert the(pilot).around.number == 2
        column = text(pilot).splitlines()[the(pilot).layer_bar.region.y].index(" 4 ")
        await pilot.click("#layers", offset=(column + 1, 0))
        assert the(pilot).place.layer == 4


async def test_every_verb_is_asked_under_its_slot_and_features_run_first() -> None:
    backend = FakeBackend()
    async with bench(backend) as pilot:
        await press(pilot, "g")
        await until(pilot, lambda: answered(pilot, "explain"))
        slots = {type(question.verb): question for question in backend.asked}
        assert slots[ShowFeatures].slot == "features" and slots[RankLabels].slot == "labels"
        assert slots[ShowFeatures].priority > slots[RankLabels].priority > slots[Explain].priority
        assert len({question.client for question in backend.asked}) == 1


async def test_marks_stay_visible_beside_a_scrollbar_and_a_cut_text_is_said_in_full() -> None:
    backend = FakeBackend()
    backend.labels = tuple(f"references to things of number {number} and what follows it" for number in range(40))
    async with bench(backend) as pilot:
        table = the(pilot).labels.table
        await until(pilot, lambda: table.show_vertical_scrollbar)
        assert [table.render_line(y).text[-1] for y in range(1, 6)] == ["="] * 5
        assert "…" in table.render_line(1).text
        chosen = table.current
        assert chosen is not None
        words = " ".join(text(pilot).replace("│", " ").split())
        assert f"{chosen.text[:40]}" in words


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_keys_typed_ahead_in_one_burst_all_arrive_where_they_belong(size: tuple[int, int]) -> None:
    backend = FakeBackend()
    async with bench(backend, size) as pilot:
        for key in ["left", "2", "h", *"food and drink", "enter", "3", "g"]:
            name = {" ": "space"}.get(key, key)
            pilot.app.post_message(events.Key(name, key if len(key) == 1 else None))
        await until(pilot, lambda: "gap +1.27" in text(pilot) and answered(pilot, "explain"))
        assert backend.verbs("test")[0].hypotheses == ("food and drink",)  # type: ignore[union-attr]
        assert the(pilot).place.position == 8 and the(pilot).around.number == 3
