"""The Pareto plot: order of the walk, keys, text form, small panes, SVG; and the widgets that draw numbers."""

from __future__ import annotations

import random
from xml.etree import ElementTree

import pytest
from screen_tools import HOSTILE, stage
from textual.app import App, ComposeResult
from textual.color import Color
from textual.style import Style
from textual.widgets import Static

from investigator.records import Context, HypothesisRow, Point, Score
from screens import heat, themes
from screens.bench import BenchScreen
from screens.feature import FeatureScreen
from screens.heat import luminance
from screens.pareto import EMPTY, Pareto, in_words, table
from screens.plot_svg import Scale, svg
from screens.why import why
from screens.widgets import context_strip, histogram, strip_plot
from screens.widgets.pareto_plot import ParetoPlot


def cloud(count: int, seed: int = 0) -> Pareto:
    """Return random points with their frontier, found by comparing every pair."""
    draw = random.Random(seed)
    points = tuple(Point(f"label {n}", draw.uniform(0, 9), draw.uniform(-4, -1)) for n in range(count))
    beaten = {
        one.text
        for one in points
        for other in points
        if other is not one and other.activation >= one.activation and other.score >= one.score
    }
    return Pareto(points, tuple(point for point in points if point.text not in beaten))


class PlotApp(App[None]):
    """A plot alone."""

    def __init__(self, pareto: Pareto) -> None:
        super().__init__()
        self.pareto = pareto
        self.heard: list[str] = []

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return themes.variable_defaults(True)

    def compose(self) -> ComposeResult:
        yield ParetoPlot()

    def on_mount(self) -> None:
        plot = self.query_one(ParetoPlot)
        plot.draw(self.pareto)
        plot.focus()

    def on_pareto_plot_highlighted(self, message: ParetoPlot.Highlighted) -> None:
        self.heard.append(message.text)

    def on_pareto_plot_chosen(self, message: ParetoPlot.Chosen) -> None:
        self.heard.append(f"open {message.text}")

    def said(self) -> str:
        return str(self.query_one("#pareto-said", Static).content)


def test_the_walk_goes_along_the_frontier_first() -> None:
    pareto = cloud(60)
    along, rest = pareto.walk[: len(pareto.frontier)], pareto.off_frontier
    assert {point.text for point in along} == {point.text for point in pareto.frontier}
    assert [point.activation for point in along] == sorted((p.activation for p in along), reverse=True)
    assert [point.score for point in rest] == sorted((p.score for p in rest), reverse=True)
    assert len(pareto.walk) == 60


async def test_keys_walk_open_and_zoom_and_the_selection_follows_its_label() -> None:
    pareto = cloud(30)
    app = PlotApp(pareto)
    async with app.run_test(size=(80, 24)) as pilot:
        plot = app.query_one(ParetoPlot)
        assert "on the frontier" in app.said()
        await pilot.press("down", "down", "enter")
        second = pareto.walk[1]
        assert plot.selected == second.text
        assert app.heard == [pareto.walk[0].text, second.text, f"open {second.text}"]
        assert f"activation {second.activation:.2f} · log p/token {second.score:.2f}" in app.said()
        await pilot.press("plus", "minus", "0", "up", "up")
        assert plot.selected == pareto.walk[-1].text
        await pilot.press("y")
        assert len(app.clipboard.splitlines()) == 31, "every point is copied, not only what fits"
        plot.draw(Pareto(pareto.points[::-1], pareto.frontier))
        assert plot.selected == pareto.walk[-1].text
        plot.draw(Pareto())
        assert plot.selected is None
        await pilot.pause()
        assert app.said() == EMPTY


async def test_every_frontier_point_is_painted_and_a_small_pane_shows_text() -> None:
    pareto = cloud(40, seed=3)
    app = PlotApp(pareto)
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        picture = app.export_screenshot(simplify=True)
        assert picture.count("●") >= min(2, len(pareto.frontier))
        assert not app.query_one(ParetoPlot).has_class("-small")
        await pilot.resize_terminal(28, 7)
        await pilot.pause()
        assert app.query_one(ParetoPlot).has_class("-small")
        assert "activation" in app.export_screenshot(simplify=True)


def test_the_text_form_says_every_point_and_marks_frontier_and_selection() -> None:
    pareto = cloud(50)
    chosen = pareto.walk[2].text
    lines = in_words(pareto, chosen, limit=10).splitlines()
    assert len(lines) == 12
    assert [line for line in lines if line.startswith("▸")] == [line for line in lines if chosen in line]
    assert sum("●" in line for line in lines) == min(10, len(pareto.frontier))
    assert lines[-1] == "  and 40 more labels off the frontier"
    assert in_words(Pareto()) == EMPTY


def test_the_svg_is_sound_xml_and_names_every_point() -> None:
    pareto = cloud(20)
    hostile = Pareto((*pareto.points, Point(HOSTILE, 20.0, -0.5)), (Point(HOSTILE, 20.0, -0.5),))
    root = ElementTree.fromstring(svg(hostile, title=HOSTILE, selected=HOSTILE))
    name = "{http://www.w3.org/2000/svg}"
    circles = root.findall(f".//{name}circle")
    assert len(circles) == 21 + 1, "each point and the ring of the selection"
    assert any("⟨1b⟩]0;owned⟨7⟩" in (title.text or "") for title in root.iter(f"{name}title"))
    centres = [(float(circle.get("cx", "nan")), float(circle.get("cy", "nan"))) for circle in circles]
    assert all(64 <= x <= 720 - 24 and 40 <= y <= 440 - 56 for x, y in centres)
    assert EMPTY in svg(Pareto())


@pytest.mark.parametrize("values", [[0.0, 1.0], [-3.2, -3.1999], [5.0], [1e-9, 1e9], [-4.0, 9.0, 2.0]])
def test_ticks_are_few_round_and_inside(values: list[float]) -> None:
    scale = Scale(values, 0.0, 100.0)
    ticks = scale.ticks()
    assert 2 <= len(ticks) <= 9
    assert all(0 <= scale(tick) <= 100 for tick in ticks)


def test_markdown_of_points_is_escaped() -> None:
    assert table([Point("a | b", 1.0, -2.0)]).splitlines()[-1] == "| 1.00 | -2.00 | a \\| b |"


def test_histogram_columns_agree_with_a_slow_count() -> None:
    counts = [0, 1, 10, 100, 1000]
    tall = histogram.heights(counts, 32)
    assert tall[0] == 0 and tall[1] >= 1 and tall[-1] == 32 and tall == sorted(tall)
    lines = histogram.columns(counts, 4)
    assert len(lines) == 4 and all(len(line) == 5 for line in lines)
    for at, height in enumerate(tall):
        assert sum(histogram.BLOCKS.index(line[at]) for line in lines) == height
    assert histogram.merged([1, 2, 3, 4, 5], 2) == [6, 9] and histogram.merged(counts, 99) == counts
    assert histogram.in_words((0, 1, 2), (3, 1)).splitlines()[0].split() == ["0", "to", "1", "3", "75.0%"]


@pytest.mark.parametrize("bins", [2, 7, 20, 64, 200])
@pytest.mark.parametrize("size", [(30, 8), (54, 6), (80, 2)])
async def test_a_histogram_of_any_number_of_bins_fits_its_widget(bins: int, size: tuple[int, int]) -> None:
    class HistogramApp(App[None]):
        def compose(self) -> ComposeResult:
            made = histogram.Histogram()
            made.styles.width, made.styles.height = "1fr", "1fr"
            yield made

    app = HistogramApp()
    async with app.run_test(size=size) as pilot:
        widget = app.query_one(histogram.Histogram)
        widget.draw(tuple(range(bins + 1)), tuple(range(bins)))
        await pilot.pause()
        lines = str(widget.content).splitlines()
        assert len(lines) <= size[1] and max(map(len, lines)) <= max(size[0], 44)
        assert f"{sum(range(bins)):,} tokens" in lines[-1]


def test_the_strip_puts_every_mark_in_its_place() -> None:
    background = [-3.0 + 0.01 * n for n in range(200)]
    line = strip_plot.strip(background, [strip_plot.Mark(-1.0, "◆", "here"), strip_plot.Mark(-3.0, "x", "mean")], 41)
    assert len(line) == 41 and line[-1] == "◆" and line[0] == "x"
    assert strip_plot.strip([], [], 10) == "" and strip_plot.strip([1.0], [], 1) == ""
    words = strip_plot.in_words(background, -2.0)
    above = sum(value >= -2.0 for value in background)
    assert words.startswith(f"{above} of 200 background positions score as high or higher")


def test_the_why_of_a_hypothesis_recomputes_its_p() -> None:
    background = tuple(-3.0 + 0.004 * n for n in range(512))
    here = -1.5
    p = (1 + sum(value >= here for value in background)) / 513
    mean = sum(background) / 512
    text = why(HypothesisRow("ports", Score(here, here - mean, p, 4, 512), background=background), place="here")
    count = sum(value >= here for value in background)
    assert f"(1 + {count}) / (1 + 512)" in text
    assert f"mean, {mean:+.3f}" in text
    assert "not that the text is true of it" in text
    assert "◆ here" in text


def test_heat_rises_in_lightness_and_its_text_can_be_read() -> None:
    for theme in themes.OURS:
        variables = {**themes.variable_defaults(theme.dark), **theme.variables}
        light = [luminance(style.background) for style in heat.ramp(variables) if style.background]
        assert len(light) == heat.STEPS
        assert light == sorted(light, reverse=not theme.dark), theme.name
        for style in heat.ramp(variables):
            assert style.background and style.foreground
            assert contrast(style.background, style.foreground) >= 4.5
    assert heat.bucket(-1.0, 5.0) == 0 and heat.bucket(5.0, 5.0) == heat.STEPS - 1 and heat.bucket(1.0, 0.0) == 0


def contrast(one: Color, other: Color) -> float:
    """Return the WCAG contrast of two colours."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_contrast_theme_contrasts() -> None:
    theme = themes.CONTRAST
    ground = Color.parse(str(theme.background))
    for colour in (theme.foreground, theme.primary, theme.accent, theme.error, theme.success, theme.warning):
        assert contrast(ground, Color.parse(str(colour))) >= 7.0, colour


def test_an_excerpt_shows_its_peak_without_colour() -> None:
    styles = tuple(Style() for _ in range(16))
    shown = context_strip.line(Context(("a", " b\n", " c"), (0.0, 3.0, 1.0), 1), 3.0, styles)
    assert shown.plain == "a [b⏎] c"
    assert context_strip.in_words(Context((), (), 0)) == "This excerpt holds no tokens."


async def test_on_the_bench_a_point_selects_its_label_and_enter_opens_its_latent() -> None:
    async with stage() as made:
        await made.until(lambda: [one for one in made.app.screen.query(ParetoPlot) if one.pareto.walk])
        plot = made.app.screen.query_one(ParetoPlot)
        bench = made.app.screen
        assert isinstance(bench, BenchScreen)
        await made.press("4", "down", "down")
        await made.until(lambda: bench.labels.table.selected == plot.pareto.walk[1].text)
        carried = {label: row.latent for row in bench.features.answer.result.rows for label in row.labels}  # type: ignore[union-attr]
        place = next(at for at, point in enumerate(plot.pareto.walk) if point.text in carried)
        await made.press(*["up", "down"], *["down"] * ((place - 1) % len(plot.pareto.walk)), "enter")
        await made.until(lambda: isinstance(made.app.screen, FeatureScreen))
        assert made.app.screen.latent == carried[plot.pareto.walk[place].text]  # type: ignore[attr-defined]
