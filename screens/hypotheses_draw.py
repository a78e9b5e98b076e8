"""Bringing the hypothesis screen up to date: the question above, the rows, and what stands behind the selected one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content

from investigator.text import inert, one_line
from screens import control_plot, heat_map, hypotheses_text
from screens.bench_place import Place
from screens.bench_words import token_words
from screens.desk import Trial
from screens.widgets import hypothesis_table, layer_grid
from screens.widgets.layer_bar import LayerBar
from screens.widgets.layer_grid import LayerGrid
from screens.widgets.pane_state import Facts, state_of
from screens.widgets.status_line import StatusLine
from screens.widgets.token_strip import TokenStrip, boxes

if TYPE_CHECKING:
    from screens.hypotheses import HypothesesScreen

EMPTY = "Nothing tested on this prompt yet. n: type what this token means, and after ` | ` the same in other words."


def everything(screen: HypothesesScreen) -> None:
    """Draw all parts."""
    place = screen.place
    screen.query_one(StatusLine).refresh()
    if place is None:
        status = screen.app.link.status
        said = f"{status.message} {status.mend}".strip()
        screen.say("#readout", said or "Open a prompt on the bench first: B, then i.")
        return
    _rows(screen, place)
    _question(screen, place)
    _layers(screen, place)
    _controls(screen, place)
    _why(screen, place)


def _rows(screen: HypothesesScreen, place: Place) -> None:
    tall = screen.has_class("-tall")
    screen.trials = _ordered(screen, screen.app.desk.of_prompt(place), place)
    marked = screen.acts.marked
    table, marks = screen.table, screen.app.marks
    if table.tall != (2 if tall else 1):
        table.tall = 2 if tall else 1
        table.fit()
        table.refresh()
    lines = []
    for trial in screen.trials:
        here = trial.place.same_as(place)
        score = trial.row.score if here and trial.row else None if here else trial.score_at(place)
        picked = marked is not None and marked.sentence == trial.sentence
        lines.append(hypothesis_table.line(trial, score, here, picked, marks))
    table.show(lines)
    heats = [hypothesis_table.heat_of(trial, place.layer) for trial in screen.trials]
    table.show_strips(boxes(place.opened.tokens), place.position, heats)
    screen.query_one("#hypotheses-list").border_title = _plain(_title(screen, place))
    screen.say("#hypotheses-said", _said(screen), layout=True)


def _ordered(screen: HypothesesScreen, trials: list[Trial], place: Place) -> list[Trial]:
    """Order the rows: what was tested here first, then what is only known from elsewhere."""

    def key(trial: Trial) -> tuple[bool, float, int]:
        here = trial.place.same_as(place)
        score = trial.row.score if here and trial.row else trial.score_at(place)
        value = None if score is None else {"gap": score.gap, "p": score.p, "log p": score.score}.get(screen.order)
        if screen.order == "tested" or value is None:
            return not here, 0.0 if screen.order == "tested" else float("inf"), trial.number
        return not here, value if screen.order == "p" else -value, trial.number

    return sorted(trials, key=key)


def _title(screen: HypothesesScreen, place: Place) -> str:
    tried = screen.app.desk.tried(place.source)
    dot = f" {screen.app.marks.dot} "
    return dot.join((f"hypotheses {dot.strip()} {place.words}", f"by {screen.order}", f"{tried} tried here"))


def _said(screen: HypothesesScreen) -> str:
    if not screen.trials:
        return EMPTY
    trial = screen.current
    if (marked := screen.acts.marked) is not None:
        text = one_line(marked.sentence.text, 40)
        return f"x marked: {text} at {marked.place.words}. x on another row, or at another token, compares; esc unmarks"
    work = screen.acts.contrasting if screen.acts.contrasting and screen.acts.contrasting.active else None
    shown = work or (trial.work if trial else None)
    app = screen.app
    state = state_of(Facts(shown, bool(trial and trial.row), "", "", "", app.link.status, app.marks))
    return f"{inert(state.said) or state.words}{_stale(screen, trial)}"


def _stale(screen: HypothesesScreen, trial: Trial | None) -> str:
    place = screen.place
    if trial is None or place is None or trial.place.same_as(place):
        return ""
    return f" {screen.app.marks.dot} tested at {trial.place.words}; t tests it here"


def _question(screen: HypothesesScreen, place: Place) -> None:
    trial, app = screen.current, screen.app
    heats = hypothesis_table.heat_of(trial, place.layer) if trial else heat_map.NOTHING
    heats = heats if heats.shares else heat_map.of_norms(place.opened, place.layer)
    screen.query_one(TokenStrip).show(place.opened.tokens, place.position, place.span, heats)
    screen.query_one(LayerBar).show(place.opened.layers, place.layer)
    short = screen.has_class("-narrow") or screen.has_class("-short")
    screen.say("#readout", token_words(place, heats, None, app.marks, short=short))


def _layers(screen: HypothesesScreen, place: Place) -> None:
    trial, readers = screen.current, screen.app.layers_with_reader
    layers = layer_grid.layers_of(trial.row, trial.place.layer) if trial else ()
    more = len(readers) > len(layers)
    hint = "l scores every layer that has a reader." if more else "" if layers else "No layers scored yet."
    screen.query_one(LayerGrid).show(place.opened.tokens, layers, place.position, place.layer, hint)
    text = f" {screen.app.marks.dot} {trial.sentence.text}" if trial else ""
    box = screen.query_one("#hypotheses-layers")
    box.border_title = _tabs(screen, "layers") or _plain(f"layer x token{inert(text)}"[:80])


def _controls(screen: HypothesesScreen, place: Place) -> None:
    trial, app = screen.current, screen.app
    box = screen.query_one("#hypotheses-controls")
    box.border_title = _tabs(screen, "controls") or "controls: the same text elsewhere, as gaps in nats a token"
    row = trial.row if trial else None
    if trial is None or row is None:
        screen.say("#hypotheses-plot", "waiting for the first numbers" if trial and trial.work.active else "")
        return
    ascii_marks = app.settings.app.marks == "ascii"
    here, guide = (app.marks.here, "!") if ascii_marks else ("●", "╎")
    lines = control_plot.lines(
        row.score, row.background, screen.query_one("#hypotheses-plot").size.width, here=here, guide=guide,
        ascii_marks=ascii_marks,
    )  # fmt: skip
    nothing = "waiting for the background" if trial.work.active else "This answer holds no controls."
    parts = [(f"{line}\n", "$accent" if not at else "$foreground 75%") for at, line in enumerate(lines)]
    screen.say("#hypotheses-plot", Content.assemble(*parts) if parts else Content(nothing))


def _why(screen: HypothesesScreen, place: Place) -> None:
    box, acts = screen.query_one("#hypotheses-why"), screen.acts
    title, words = "why", ""
    if acts.contrasting is not None:
        title, words = "contrast", _contrast(screen)
    elif screen.current is not None:
        trial = screen.current
        words = "\n".join(hypotheses_text.tells(trial, screen.app.desk.tried(trial.place.source)))
    box.border_title = _tabs(screen, "why") or title
    screen.say("#hypotheses-words", Content(inert_lines(words)), layout=True)


def _contrast(screen: HypothesesScreen) -> str:
    acts = screen.acts
    work = acts.contrasting
    if work is None:
        return ""
    if work.failure is not None:
        return f"{work.failure.message} {work.failure.mend}".strip()
    if acts.contrasted is None:
        return f"comparing {work.progress} ^g stops"
    return "\n".join(hypotheses_text.contrast_lines(acts.contrasted, acts.contrast_words))


def _tabs(screen: HypothesesScreen, part: str) -> str:
    """Where parts take turns, name them all on the border of the one that is shown."""
    if screen.has_class("-wide") and screen.has_class("-tall"):
        return ""
    names = {"controls": "controls", "layers": "layers", "why": "contrast" if screen.acts.contrasting else "why"}
    return _plain("  ".join(f"[{name}]" if at == part else name for at, name in names.items()) + "  tab")


def inert_lines(text: str) -> str:
    """Return text of several lines with each line inert."""
    return "\n".join(map(inert, text.split("\n")))


def _plain(text: str) -> str:
    return text.replace("[", r"\[")
