"""Controls, wordings and trials as plain data: where a control is drawn, what a line of wordings means, what counts."""

import pytest
from judged_backend import BASE, judged
from screen_tools import residual

from fake_backend import EXAMPLE, tokens_of
from investigator.records import Control, HypothesisRow, Opened, Score
from investigator.records import Tested as Answered
from investigator.wire import Test as Tried
from screens import control_plot, score_words
from screens.bench_place import Place
from screens.desk import Desk, Trial
from screens.hypotheses_text import interval_line
from screens.marks import ASCII, UNICODE
from screens.sentence import Sentence, parse
from screens.why import why
from screens.work import Work


def row(score: Score) -> HypothesisRow:
    return HypothesisRow("ports", score)


@pytest.mark.parametrize(
    ("line", "text", "others"),
    [
        ("ports", "ports", ()),
        ("  ports  ", "ports", ()),
        ("ports | harbours | seaside", "ports", ("harbours", "seaside")),
        ("ports | ports | ", "ports", ()),
        ("a|b", "a|b", ()),
        (" | ports", "ports", ()),
        ("|", "", ()),
        ("", "", ()),
    ],
)
def test_a_line_of_wordings(line: str, text: str, others: tuple[str, ...]) -> None:
    found = parse(line)
    assert (found.text, found.others) == (text, others)
    assert bool(found) == bool(text)
    assert parse(found.line) == found


def test_controls_are_gaps_of_the_same_text_and_another_readers_are_its_own() -> None:
    score = judged("ports")
    beside = {one.name: one for one in control_plot.beside(score, (BASE - 1.0, BASE + 1.0))}
    assert beside["mean"].mean == pytest.approx(-0.2)
    assert beside["background"].gaps == pytest.approx((-1.0, 1.0))
    # Prompt only is another reader: its score of -7 says nothing beside ours, its gap does.
    assert beside["prompt only"].mean == pytest.approx(0.87)
    assert beside["other tokens"].gaps == pytest.approx((0.0, 0.4, 0.8))
    without = Score(-1.0, None, controls=(Control("mean", -2.0),))
    assert control_plot.beside(without) == []


@pytest.mark.parametrize("width", [30, 46, 60, 130])
def test_the_plot_keeps_its_width_and_marks_this_place_in_its_column(width: int) -> None:
    score = judged("ports")
    lines = control_plot.lines(score, tuple(BASE + 0.01 * step for step in range(100)), width)
    assert len(lines) == 7 and all(len(line) <= width for line in lines if width > 40)
    if width >= 60:
        at = lines[0].index("●")
        assert all(line[at] in "╎█|:·" for line in lines[1:])
    assert "-0.20" in next(line for line in lines if line.startswith("mean"))
    assert "n 200" in next(line for line in lines if line.startswith("random norm"))


def test_a_score_without_a_spread_of_values_is_drawn_too() -> None:
    score = Score(-1.0, 0.0, controls=(Control("mean", -1.0),))
    assert len(control_plot.lines(score, (), 80)) == 2
    assert control_plot.lines(Score(None, error="failed"), (), 80) == []


def test_a_score_in_words_says_the_verdict_before_what_may_be_cut() -> None:
    words = "".join(text for text, _ in score_words.parts(row(judged("ports", tried=2)), UNICODE))
    assert words.startswith("gap +1.27 [1.1, 1.5] · p .002 over 512 · ✓ supported · also readable from the text")
    assert "above prompt only by +0.40" in words and "3 tried here" in words
    assert "".join(text for text, _ in score_words.parts(row(judged("vague")), ASCII)).count("% fits almost") == 1
    failed = score_words.parts(row(Score(error="nan")), UNICODE)
    assert failed == [("failed: nan", "bad")]
    early = "".join(text for text, _ in score_words.parts(row(Score(-0.9, tokens=4)), UNICODE))
    assert early == "log p -0.90 a token"


def test_an_estimate_is_marked_wherever_its_gap_stands() -> None:
    assert score_words.gap(Score(-1.0, 1.92, estimate=True), UNICODE) == "~+1.92"
    assert score_words.gap(Score(-1.0, 1.92), UNICODE) == "+1.92"
    assert score_words.gap(Score(-1.0, None, estimate=True), UNICODE) == ""


def test_why_says_verdict_controls_wordings_and_how_many_were_tried() -> None:
    score = judged("ports", tried=3, drawn=True)
    text = why(HypothesisRow("ports", score, background=tuple(BASE + 0.01 * step for step in range(100))))
    for words in (
        "verdict     supported",
        "4 hypotheses were tried at this place; the verdict is corrected for that",
        "also readable from the text",
        "self-scores",
        "the best texts drawn from random vectors",
        "gap +0.500",
        "(+0.77 in favour of this place)",
        "this place",
    ):
        assert words in text


def test_an_interval_is_drawn_about_zero() -> None:
    line = interval_line(0.4, (0.1, 0.8), 21)
    drawn = line[6:27]
    assert (drawn.index("|"), drawn.index("["), drawn.index("+"), drawn.index("]")) == (0, 2, 10, 20)
    assert interval_line(0.4, None) == "" and interval_line(None, None) == ""
    assert interval_line(0.0, (0.0, 0.0))


def place(position: int = 2) -> Place:
    return Place(Opened("pocket", EXAMPLE, tokens_of(EXAMPLE), 6, 64, (), ()), 3, position)


def trial(text: str, position: int = 2, **given: object) -> Trial:
    where = place(position)
    work = Work(Tried((text,), (where.source,)), "", None, "", 0)  # type: ignore[arg-type]
    work.answer.result = Answered("r", (HypothesisRow(text, Score(-1.0, 1.0), **given),))  # type: ignore[arg-type]
    return Trial(Sentence(text), where, work)


def test_the_desk_counts_different_sentences_at_a_place_and_only_there() -> None:
    desk, here, there = Desk(), place(), place(3)
    tried = [desk.verb(where, Sentence(text)).tried for where, text in ((here, "a"), (here, "b"), (here, "a"))]
    assert tried == [0, 1, 1]
    assert desk.verb(there, Sentence("a")).tried == 0
    assert desk.verb(here, Sentence("a", ("other words",))).tried == 2
    assert (desk.tried(here.source), desk.tried(there.source), desk.tried(residual(position=7))) == (3, 1, 0)


def test_a_prompts_list_has_one_row_a_sentence_the_one_at_the_place_first() -> None:
    desk = Desk()
    for made in (trial("a", 2), trial("a", 3), trial("b", 3)):
        desk.add(made)
    found = desk.of_prompt(place(2))
    assert [(one.sentence.text, one.place.position) for one in found] == [("a", 2), ("b", 3)]
    desk.add(trial("a", 2))
    assert len(desk.trials) == 3
    desk.drop(found[1])
    assert [one.sentence.text for one in desk.of_prompt(place(2))] == ["a"]
    desk.add(trial("b", 2))
    assert len(desk.of_prompt(place(2))) == 2


def test_a_trial_knows_its_bare_score_at_other_tokens_and_layers() -> None:
    every = tuple(Score(-1.0 - at) for at in range(10))
    made = trial("a", 2, positions=every, layers=((1, every[::-1]),))
    assert made.score_at(place(4)) == every[4]
    assert made.score_at(place(4).at_layer(1)) == every[5]
    assert made.score_at(place(4).at_layer(2)) is None
    assert trial("a").score_at(place(4)) is None


def test_drawn_text_is_known_by_its_words_at_its_place() -> None:
    desk = Desk()
    desk.drew(place(2).source, ["names of ports"])
    assert desk.verb(place(2), Sentence("names of ports")).drawn
    assert not desk.verb(place(3), Sentence("names of ports")).drawn
    assert not desk.verb(place(2), Sentence("names")).drawn
