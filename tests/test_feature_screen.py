"""The feature page by real keys: excerpts, tokens in words, neighbours and back, copying, keeping, failures."""

import pytest
from rich.cells import cell_len
from screen_tools import HOSTILE, LARGE, SMALL, Stage, stage
from textual.widgets import Static

from fake_backend import LABELS, FakeBackend
from investigator.errors import BadInput
from investigator.records import Context, Feature, LabelNote, Likely, Neighbour
from investigator.settings import App as AppSettings
from investigator.settings import Settings
from screens import feature_text
from screens.bench import BenchScreen
from screens.feature import FeatureScreen
from screens.messages import OpenFeature
from screens.modals import TextViewer

SIZES = pytest.mark.parametrize("size", [SMALL, LARGE])


def page(made: Stage) -> FeatureScreen:
    assert isinstance(made.app.screen, FeatureScreen)
    return made.app.screen


async def to_feature(made: Stage, latent: int = 412) -> None:
    made.app.post_message(OpenFeature(latent, "pocket-l3"))
    await made.until(lambda: isinstance(made.app.screen, FeatureScreen) and made.app.screen.feature is not None)


@SIZES
async def test_the_page_says_label_author_rule_rate_and_statistics(size: tuple[int, int]) -> None:
    async with stage(size) as made:
        await to_feature(made)
        shown = made.text()
        for words in (
            "latent 412",
            "rate 0.120%",
            "median -0.20",
            "IQR 0.50",
            "by rule",
            "rule: hypernym",
            "score 0.80",
        ):
            assert words in shown, words
        assert LABELS[412 % len(LABELS)] in shown
        assert "[Lisbon]" in shown, "the peak stands in brackets"
        assert "0.61" in shown and "harbour" in shown and "raises" in shown


@SIZES
async def test_neighbours_are_walked_to_and_back(size: tuple[int, int]) -> None:
    async with stage(size) as made:
        await to_feature(made)
        await made.press("n")
        await made.until(lambda: page(made).feature is not None and page(made).feature.latent == 7)
        await made.shows("came from 412")
        await made.press("tab", "down", "enter")
        await made.until(lambda: page(made).feature is not None and page(made).feature.latent == 9)
        await made.press("backspace")
        await made.until(lambda: page(made).feature is not None and page(made).feature.latent == 7)
        await made.press("b")
        await made.until(lambda: page(made).feature is not None and page(made).feature.latent == 412)
        await made.press("backspace")
        await made.tells("This is where you came in")
        await made.press("g")
        await made.type("3000")
        await made.press("enter")
        await made.until(lambda: isinstance(made.app.screen, FeatureScreen) and page(made).latent == 3000)
        await made.press("escape")
        await made.until(lambda: isinstance(made.app.screen, BenchScreen))
        # Pages seen before come from memory: each latent was asked for once.
        asked = [verb.latent for verb in made.backend.verbs("feature")]
        assert asked == [412, 7, 9, 3000]


@SIZES
async def test_every_token_of_an_excerpt_is_read_in_words(size: tuple[int, int]) -> None:
    async with stage(size) as made:
        await to_feature(made)

        def said() -> str:
            return str(page(made).query_one("#feature-token", Static).content)

        assert said() == 'token 5 of 5 " Lisbon": 9.10 (peak) · held:1'
        await made.press("left", "left")
        assert said() == 'token 3 of 5 " harbour": 4.00 · held:1'
        await made.press("left", "left", "left", "left")
        assert said().startswith('token 1 of 5 "the": 0.00')
        await made.press("down")
        await made.until(lambda: said() == 'token 3 of 5 " harbour": 3.00 (peak)')


async def test_an_excerpt_becomes_the_bench_prompt() -> None:
    async with stage() as made:
        await to_feature(made)
        await made.press("enter")
        await made.until(lambda: isinstance(made.app.screen, BenchScreen))
        await made.until(lambda: made.backend.verbs("open")[-1].prompt == "the old harbour of Lisbon")


async def test_the_page_is_copied_and_kept() -> None:
    async with stage() as made:
        await to_feature(made)
        await made.press("y")
        copied = made.app.clipboard
        assert "latent 412 · pocket-l3" in copied
        assert "9.10  the old harbour of [Lisbon]   (held:1)" in copied
        assert "+0.61      7  words for seaports" in copied
        assert "0 to        1         30   65.2%" in copied, "every bin in words"
        await made.press("w")
        await made.until(lambda: isinstance(made.app.screen, TextViewer) and made.app.screen.text.plain == copied)
        await made.press("escape")
        await made.press("s")
        await made.until(lambda: made.store.findings())
        finding = made.store.findings()[0]
        assert finding.title == f"latent 412: {LABELS[412 % len(LABELS)]}"
        await made.until(lambda: made.store.answers(kind="feature"))
        assert isinstance(made.store.answer(finding.answer_id).result, Feature)


@SIZES
async def test_a_latent_that_does_not_exist_is_a_sentence_and_the_way_back_stays(size: tuple[int, int]) -> None:
    async with stage(size) as made:
        await to_feature(made)
        made.backend.fail["feature"] = BadInput("There is no latent 99999 in pocket-l3.", "It has 4,096.")
        await made.press("g")
        await made.type("99999")
        await made.press("enter")
        await made.shows("There is no latent 99999 in pocket-l3. It has 4,096.")
        assert page(made).feature is None
        await made.press("y", "s", "n", "left", "enter", "down")
        assert made.store.findings() == []
        await made.press("backspace")
        await made.until(lambda: page(made).feature is not None and page(made).feature.latent == 412)
        await made.press("g")
        await made.type("12x")
        await made.press("enter")
        await made.tells("digits only")


async def test_what_runs_is_said_and_can_be_stopped_and_asked_again() -> None:
    backend = FakeBackend()
    gate = backend.hold("feature")
    async with stage(backend=backend) as made:
        made.app.post_message(OpenFeature(5))
        await made.until(lambda: isinstance(made.app.screen, FeatureScreen))
        await made.shows("asking")
        await made.press("ctrl+g")
        await made.shows("stopped; r asks again")
        gate.set()
        await made.press("r")
        await made.until(lambda: page(made).feature is not None)


@SIZES
async def test_hostile_labels_stay_inert(size: tuple[int, int]) -> None:
    backend = FakeBackend()
    backend.labels = (HOSTILE,) * len(LABELS)
    async with stage(size, backend=backend) as made:
        await to_feature(made)
        assert "[bold red]names[/] ⟨1b⟩]0;owned⟨7⟩" in made.text()
        await made.press("y")
        for bad in ("\x1b", "\x07", "\u202e", "\u200b"):
            assert bad not in made.app.export_screenshot()
            assert bad not in made.app.clipboard


@SIZES
async def test_without_colour_and_in_ascii_everything_is_still_said(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    settings = Settings(app=AppSettings(theme="investigator-contrast", marks="ascii"))
    async with stage(size, settings=settings) as made:
        assert made.app.theme == "investigator-contrast"
        await to_feature(made)
        await made.press("left", "tab", "down", "question_mark")
        await made.shows("The feature page")
        await made.press("escape")
        shown = made.text()
        assert "[Lisbon]" in shown and "rate 0.120%" in shown
        assert not set("▁▂▃▄▅▆▇█") & set(shown)
        await made.press("N")
        await made.shows("Nothing kept yet")


def test_a_latent_without_statistics_is_told_in_words() -> None:
    bare = Feature("s", 3, (), 0.0, 0.0, 0.0, 0.0, (), (), (), (), (), ())
    text = feature_text.text(bare)
    assert feature_text.NO_LABEL in text
    assert "no statistics of this latent" in text and "0.000%" not in text
    for section in ("excerpts", "nearest latents", "activations"):
        assert f"{section}: none recorded" in text
    assert feature_text.title(bare) == "latent 3: (no label)"


def test_uneven_lists_of_logits_stand_side_by_side() -> None:
    lines = feature_text.logit_lines((Likely(" a", 1.0), Likely(" b", 0.5)), (Likely("c\n", -2.0),))
    assert [line.split() for line in lines] == [
        ["raises", "lowers"],
        ["+1.00", '"', 'a"', "-2.00", '"c⏎"'],
        ["+0.50", '"', 'b"'],
    ]


def test_wide_tokens_keep_the_columns() -> None:
    lines = feature_text.logit_lines(
        (Likely("\U0001f37d\ufe0f", 1.0), Likely("b", 0.5)), (Likely("c", -2.0), Likely("d", -1.0))
    )
    assert {cell_len(line[: line.index("-")]) for line in lines[1:]} == {21}


def test_neighbours_and_labels_name_what_is_missing() -> None:
    assert feature_text.neighbour_line(Neighbour(4, -0.25)).endswith("(no label)")
    assert "its author is not recorded" in feature_text.label_line(LabelNote("x"))
    assert feature_text.excerpt(Context(("a", " b"), (0.0, 2.0), 1)) == "   2.00  a [b]"
