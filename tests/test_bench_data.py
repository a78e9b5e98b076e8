"""The bench's plain data: places and spans, the token strip's layout, heat, overlap with chance, rows in words."""

import random

import pytest

from fake_backend import score, tokens_of
from investigator.records import FeatureRow, HypothesisRow, LabelRow, Likely, Opened, Score, Token
from screens import heat_map
from screens.bench_place import Place
from screens.bench_rows import as_text, title_of
from screens.bench_words import overlap
from screens.marks import ASCII, UNICODE, Marks
from screens.widgets.label_table import p_value
from screens.widgets.token_strip import boxes, offset


def opened(prompt: str = "the old harbour") -> Opened:
    tokens = tokens_of(prompt)
    norms = tuple(tuple(float(10 * at + layer) for at in range(len(tokens))) for layer in range(4))
    return Opened("pocket", prompt, tokens, 4, 8, norms, (Likely(",", 0.5),))


def test_a_place_names_its_token_and_stays_inside_the_prompt() -> None:
    place = Place(opened(), 2, 3)
    assert place.words == '"harbour" L2' and place.norm == 32.0
    assert place.at_token(99).position == 3 and place.at_token(-5).position == 0
    assert place.at_layer(99).layer == 3 and place.at_layer(-1).layer == 0
    assert place.source.position == 3 and place.source.end is None


def test_a_span_is_half_open_and_shrinks_back_to_a_token() -> None:
    place = Place(opened(), 2, 3).stretched(-1).stretched(-1)
    assert place.span == (1, 4)
    assert (place.source.position, place.source.end) == (1, 4)
    assert place.words == '"the old harbour" L2'
    assert place.stretched(1).stretched(1).source.end is None
    assert Place(opened(), 2, 1).stretched(1).span == (1, 3)


def test_places_are_the_same_where_they_read_the_same_vector() -> None:
    one, other = Place(opened(), 2, 3), Place(opened(), 2, 3)
    assert one.same_as(other) and not one.same_as(other.at_token(2)) and not one.same_as(None)


def test_tokens_are_laid_out_once_and_brackets_take_the_gaps() -> None:
    tokens = (Token(1, "<bos>", True), Token(2, "whal"), Token(3, "es"), Token(4, " in"), Token(5, " "), Token(6, "\n"))
    made = boxes(tokens)
    assert [box.text for box in made] == ["<bos>", "whal", "es", "in", "␣", "⏎"]
    assert [box.joined for box in made] == [False, False, True, False, False, True]
    assert [box.start for box in made] == [0, 6, 11, 14, 17, 19]


def test_a_strip_scrolls_only_when_it_does_not_fit_and_never_past_its_ends() -> None:
    made = boxes(tokens_of("word " * 30))
    total = made[-1].start + made[-1].width + 2
    assert offset(made, 20, total) == 0
    assert offset(made, 0, 40) == 0
    assert offset(made, len(made) - 1, 40) == total - 40
    middle = made[15]
    assert middle.start - offset(made, 15, 40) == 20 - middle.width // 2


def test_norm_heat_leaves_special_tokens_cold_and_spans_the_rest() -> None:
    heat = heat_map.of_norms(opened(), 1)
    assert heat.share(0) is None
    assert heat.share(1) == 0.0 and heat.share(3) == 1.0
    assert heat.number(2) == "21.0"
    assert heat_map.of_norms(opened(), 9) is heat_map.NOTHING


def test_hypothesis_heat_is_the_gap_from_zero_up_and_a_failed_score_has_none() -> None:
    positions = (score(-2, -0.5), score(-1, 0.5), score(-1, 1.0), Score(error="nan"))
    heat = heat_map.of_hypothesis(HypothesisRow("ports", score(-1, 1.0), positions=positions))
    assert heat.shares == (0.0, 0.5, 1.0, None)
    assert heat.numbers == ("-0.50", "+0.50", "+1.00", "")
    assert heat.what == "ports (gap)"
    plain = heat_map.of_hypothesis(HypothesisRow("x", Score(-1.0), positions=(Score(-3.0), Score(-1.0))))
    assert plain.what == "x (log p)" and plain.shares == (0.0, 1.0)


def test_the_overlap_by_chance_is_the_mean_of_random_draws() -> None:
    labels = [str(number) for number in range(60)]
    left, right = frozenset(labels[:10]), frozenset(labels[5:15])
    found = overlap(left, right, len(labels))
    assert found is not None and (found.shared, found.of) == (5, 10)
    rng = random.Random(0)
    drawn = [len(set(rng.sample(labels, 10)) & set(rng.sample(labels, 10))) for _ in range(4000)]
    assert found.chance == pytest.approx(sum(drawn) / len(drawn), rel=0.05)
    assert overlap(frozenset(), right, 60) is None
    unknown = overlap(left, right, 0)
    assert unknown is not None and unknown.chance is None


def test_rows_in_words_carry_number_and_place_and_never_a_number_that_failed() -> None:
    place = Place(opened(), 2, 3)
    label = LabelRow("ports [x]\x1b", score(-1.0, 1.5), 2.0)
    copied = "ports [x]⟨1b⟩  gap +1.50, p 0.002 over 512, log p -1.00 a token, supported, activation 2.00"
    assert as_text(label, place) == copied + "  (\"harbour\" L2 of 'the old harbour')"
    assert title_of(label, place) == '"harbour" L2  ports [x]⟨1b⟩  +1.50'
    failed = LabelRow("ports", Score(error="it came out as nan"))
    assert "failed: it came out as nan" in as_text(failed, None) and "+0.00" not in as_text(failed, None)
    assert title_of(FeatureRow(7, 1.5, 2.0, 0.01), None) == "latent 7  act 1.50"


@pytest.mark.parametrize(("p", "shown"), [(0.0019, ".002"), (0.31, ".31"), (1.0, "1.00"), (None, "")])
def test_p_values_fit_their_column(p: float | None, shown: str) -> None:
    assert p_value(p) == shown


@pytest.mark.parametrize("marks", [UNICODE, ASCII])
def test_marks_are_one_cell_and_bars_rise(marks: Marks) -> None:
    from rich.cells import cell_len

    for name in Marks.__struct_fields__:
        mark = getattr(marks, name)
        assert name in {"bars", "at_least"} or cell_len(mark) == 1
    assert len(set(marks.bars)) == len(marks.bars) == cell_len(marks.bars)
    assert marks.bar(0.0) == marks.bars[0] and marks.bar(1.0) == marks.bars[-1] and marks.bar(7.0) == marks.bars[-1]
    assert marks.verdict("supported") == marks.good
    assert marks.verdict("not above baseline") == marks.bad
    assert marks.verdict("fits almost anything") == marks.anything
    assert marks.verdict(None) == " "
    assert marks.meter(1, 2, 4) == marks.full * 2 + marks.rest * 2 and len(marks.meter(0, 0)) == 10
