"""Bringing the cross-model screen up to date: the question, both ends, the columns, lift and controls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content

from investigator.records import ComparedRow
from investigator.text import inert
from screens import crossmodel_words, heat_map
from screens.bench_place import Place
from screens.bench_words import token_words
from screens.crossmodel_words import COLUMNS, TITLES
from screens.widgets.layer_bar import LayerBar
from screens.widgets.pane_state import Facts, state_of
from screens.widgets.reading_table import HEAD, ReadingTable
from screens.widgets.status_line import StatusLine
from screens.widgets.token_strip import TokenStrip

if TYPE_CHECKING:
    from screens.crossmodel import CrossModelScreen

EMPTY = "g lets both models' readers say what stands here; - and + change the washout; c reads the controls too."


def everything(screen: CrossModelScreen) -> None:
    """Draw all parts."""
    place = screen.place
    screen.query_one(StatusLine).refresh()
    if place is None:
        status = screen.app.link.status
        said = f"{status.message} {status.mend}".strip()
        screen.say("#readout", said or "Open a prompt on the bench first: B, then i.")
        return
    _question(screen, place)
    _head(screen, place)
    _columns(screen, place)
    _state(screen, place)
    _lift(screen)


def no_map(screen: CrossModelScreen) -> str:
    """Return why nothing can be compared here, and what to do."""
    book, place = screen.app.book, screen.place
    if book is None or place is None:
        return "Open a prompt on the bench first: B, then i."
    if not book.maps:
        return (
            "The workbench has no map between models: `investigator train map --from A:L --to B:M` fits one, and "
            "[maps.NAME] in the workbench names it."
        )
    ways = ", ".join(f"L{one.source_layer} of {one.source} ({one.name})" for one in book.maps)
    return f"No map leads from {place.words}. There are maps from {ways}."


def _question(screen: CrossModelScreen, place: Place) -> None:
    heats = heat_map.of_norms(place.opened, place.layer)
    screen.query_one(TokenStrip).show(place.opened.tokens, place.position, place.span, heats)
    screen.query_one(LayerBar).show(place.opened.layers, place.layer)
    short = screen.has_class("-narrow") or screen.has_class("-short")
    screen.say("#readout", token_words(place, heats, None, screen.app.marks, short=short))


def _head(screen: CrossModelScreen, place: Place) -> None:
    chosen, marks = screen.chosen, screen.app.marks
    if chosen is None:
        screen.say("#cross-head", Content.styled(inert(no_map(screen)), "$warning"), layout=True)
        return
    narrow = screen.has_class("-narrow")
    words = crossmodel_words.head(place.words, chosen, screen.compared, screen.wash, marks, narrow=narrow)
    lines = "\n".join(map(inert, words.split("\n")))
    screen.say("#cross-head", Content.styled(lines, "$accent"), layout=True)


def stale(screen: CrossModelScreen, place: Place) -> str:
    """Return what the columns shown are of, where the question has changed since; else nothing."""
    work = screen.work
    if work is None or screen.asked is None:
        return ""
    if not place.same_as(screen.asked):
        return screen.asked.words
    verb = screen.verb()
    asked = work.verb
    if verb is not None and (verb.map, verb.wash) != (getattr(asked, "map", ""), getattr(asked, "wash", 0.0)):
        return f"washout {getattr(asked, 'wash', 0.0):.1f} through {getattr(asked, 'map', '')}"
    return ""


def _columns(screen: CrossModelScreen, place: Place) -> None:
    rows, dimmed = screen.rows, bool(stale(screen, place))
    narrow = screen.has_class("-narrow")
    for name in COLUMNS:
        screen.query_one(f"#reading-{name}", ReadingTable).show_rows(rows, dimmed=dimmed)
        box = screen.query_one(f"#column-{name}")
        box.border_title = _tabs(screen) if narrow else f"{COLUMNS.index(name) + 1} {TITLES[name]}"


def _tabs(screen: CrossModelScreen) -> str:
    names = [f"{at} {name}" for at, name in enumerate(COLUMNS, 1)]
    shown = (rf"\[{words}]" if name == screen.column else words for name, words in zip(COLUMNS, names, strict=True))
    return " - ".join(shown)


def _state(screen: CrossModelScreen, place: Place) -> None:
    compared, marks = screen.compared, screen.app.marks
    summary = f"{len(compared.rows)} rows {marks.dot} {compared.embedder or 'no embedder'}" if compared else ""
    hint = EMPTY if screen.chosen is not None else no_map(screen)
    facts = Facts(screen.work, bool(screen.rows), stale(screen, place), summary, hint, screen.app.link.status, marks)
    state = state_of(facts)
    note = crossmodel_words.warning(screen.chosen) or (compared.note if compared else "")
    said = " ".join(part for part in (inert(note), state.said if screen.chosen else "") if part)
    screen.say("#cross-said", said, layout=True)
    screen.query_one("#cross-said").display = bool(said)
    screen.say("#cross-state", f" {state.words}")


def selected(screen: CrossModelScreen) -> ComparedRow | None:
    """Return the row that the cursor stands in, else the first."""
    line = screen.table.current
    key = line.key.removeprefix(HEAD).partition("#")[0] if line else ""
    return next((row for row in screen.rows if row.key == key), screen.rows[0] if screen.rows else None)


def _lift(screen: CrossModelScreen) -> None:
    row, box = selected(screen), screen.query_one("#cross-lift")
    box.border_title = crossmodel_words.lift_title(row, screen.compared).replace("[", r"\[")
    width = max(40, box.size.width - 4)
    lines = crossmodel_words.lift_lines(row, screen.compared, width, screen.table.cut_text)
    parts = [(f"{line}\n", "$foreground 70%" if control else "$foreground") for line, control in lines]
    screen.say("#cross-lines", Content.assemble(*parts), layout=True)
