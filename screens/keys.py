"""Every action of the app as data: bindings, footer, palette, help pages and keymap file are all read from here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from textual.binding import Binding, BindingType


@dataclass(frozen=True)
class Action:
    """One thing a person can do, with the keys that do it."""

    id: str
    """`screen.name`: what the keymap file names."""
    keys: tuple[str, ...]
    """Textual key names; any of them works; none: only in the palette."""
    call: str
    """Textual action, such as `token(1)`."""
    title: str
    """A few words, for the palette and the help page."""
    tooltip: str
    """One sentence."""
    footer: str = ""
    """Word in the line of keys; actions with the same word share one entry; empty: not shown."""
    priority: bool = False
    """Whether it works while an input has the focus."""
    palette: bool = True

    @property
    def screen(self) -> str:
        """Return the room it belongs to: app, bench, plot, feature, notebook."""
        return self.id.split(".", 1)[0]


APP = (
    Action("app.quit", ("ctrl+q", "ctrl+c"), "quit", "quit", "Leave the app; every answer is saved already.", "", True),
    Action("app.stop", ("ctrl+g",), "stop_work", "stop the work", "Stop what this pane runs.", "", True),
    Action("app.bench", ("B",), "switch_mode('bench')", "the bench", "Go to the bench.", "bench"),
    Action("app.notebook", ("N",), "switch_mode('notebook')", "the notebook", "Go to saved findings.", "notebook"),
    Action("app.help", ("question_mark", "f1"), "help", "help", "Show this screen's keys and words.", "help"),
    Action(
        "app.palette",
        ("ctrl+p",),
        "command_palette",
        "commands",
        "Search all commands by name.",
        "commands",
        palette=False,
    ),
    Action("app.export", ("e",), "export", "export", "Write the session, this screen or the plot to a file.", "export"),
    Action("app.picture", ("ctrl+s",), "screenshot", "save a picture (SVG)", "Write this screen as an SVG file."),
    Action("app.theme", ("T",), "change_theme", "theme", "Choose the colours; investigator-contrast for low vision."),
)

BENCH = (
    Action("bench.left", ("left",), "token(-1)", "previous token", "Move to the token on the left.", "token"),
    Action("bench.right", ("right",), "token(1)", "next token", "Move to the token on the right.", "token"),
    Action("bench.first", ("home",), "token_end(-1)", "first token", "Move to the first token."),
    Action("bench.last", ("end",), "token_end(1)", "last token", "Move to the last token."),
    Action("bench.up", ("up",), "row(-1)", "previous row", "Select the row above.", "row", palette=False),
    Action("bench.down", ("down",), "row(1)", "next row", "Select the row below.", "row", palette=False),
    Action("bench.page_up", ("pageup",), "page(-1)", "page up", "Select a row one page up.", palette=False),
    Action("bench.page_down", ("pagedown",), "page(1)", "page down", "Select a row one page down.", palette=False),
    Action(
        "bench.layer_down", ("left_square_bracket", "comma"), "layer(-1)", "layer below", "Go one layer down.", "layer"
    ),
    Action(
        "bench.layer_up", ("right_square_bracket", "full_stop"), "layer(1)", "layer above", "Go one layer up.", "layer"
    ),
    Action(
        "bench.span_left", ("shift+left",), "span(-1)", "span to the left", "Select several tokens: their mean is read."
    ),
    Action(
        "bench.span_right",
        ("shift+right",),
        "span(1)",
        "span to the right",
        "Select several tokens: their mean is read.",
    ),
    Action("bench.next_pane", ("tab",), "pane_step(1)", "next pane", "Go to the next pane.", "pane", palette=False),
    Action("bench.last_pane", ("shift+tab",), "pane_step(-1)", "pane before", "Go one pane back.", palette=False),
    Action("bench.pane_1", ("1",), "pane(1)", "pane 1: SAE features", "Go to the SAE features."),
    Action("bench.pane_2", ("2",), "pane(2)", "pane 2: labels", "Go to the labels."),
    Action("bench.pane_3", ("3",), "pane(3)", "pane 3: in its own words", "Go to the generated explanations."),
    Action("bench.pane_4", ("4",), "pane(4)", "pane 4: plot and findings", "Go to the plot and the findings."),
    Action("bench.pane_5", ("5",), "pane(5)", "pane 5: hypothesis", "Go to the hypothesis; w, s and y act on it."),
    Action("bench.prompt", ("i",), "edit_prompt", "write a prompt", "Enter the prompt; enter opens it.", "prompt"),
    Action(
        "bench.hypothesis",
        ("h",),
        "edit_hypothesis",
        "test a hypothesis",
        "Enter a sentence of your own; enter scores it here and at every token.",
        "test",
    ),
    Action(
        "bench.explain",
        ("g",),
        "explain",
        "explain in its own words",
        "Draw explanations of this activation; again for another seed.",
        "explain",
    ),
    Action("bench.why", ("w",), "why", "why this score", "Show what a row's score is made of, with controls.", "why"),
    Action("bench.keep", ("s",), "keep", "keep as a finding", "Keep the selected row as a finding.", "keep"),
    Action("bench.order", ("o",), "order", "next order", "Order the pane another way.", "order"),
    Action("bench.filter", ("slash",), "filter", "filter the pane", "Show only rows that match.", "filter"),
    Action(
        "bench.unlabelled", ("u",), "unlabelled", "latents without a label", "Show or hide latents that have no label."
    ),
    Action("bench.open", ("enter",), "open_row", "open the row", "Open the row's page.", "open", palette=False),
    Action("bench.copy", ("y",), "copy_row", "copy the row", "Copy the selected row as text."),
    Action("bench.continue", ("c",), "continue_prompt", "continue the prompt", "Let the model write 8 tokens on."),
    Action(
        "bench.leave", ("escape",), "leave", "leave", "Leave an input, else clear a filter or a span.", palette=False
    ),
)

PLOT = (
    Action(
        "plot.next", ("down",), "walk(1)", "next label", "Select the next label: the frontier first.", palette=False
    ),
    Action("plot.previous", ("up",), "walk(-1)", "label before", "Select the label before.", palette=False),
    Action("plot.open", ("enter",), "choose", "open the label", "Open the selected label.", palette=False),
    Action("plot.copy", ("y",), "copy", "copy the plot as text", "Copy every point as text.", palette=False),
    Action("plot.zoom_in", ("plus",), "zoom(1)", "zoom in", "See fewer labels, larger.", palette=False),
    Action("plot.zoom_out", ("minus",), "zoom(-1)", "zoom out", "See more of the plane.", palette=False),
    Action("plot.whole", ("0",), "zoom(0)", "whole plot", "See every label again.", palette=False),
)

FEATURE = (
    Action("feature.up", ("up",), "row(-1)", "previous row", "Select the row above.", "row", palette=False),
    Action("feature.down", ("down",), "row(1)", "next row", "Select the row below.", "row", palette=False),
    Action("feature.page_up", ("pageup",), "page(-1)", "page up", "Select a row one page up.", palette=False),
    Action("feature.page_down", ("pagedown",), "page(1)", "page down", "Select a row one page down.", palette=False),
    Action(
        "feature.left", ("left",), "token(-1)", "previous token", "Read the token on the left.", "token", palette=False
    ),
    Action(
        "feature.right", ("right",), "token(1)", "next token", "Read the token on the right.", "token", palette=False
    ),
    Action("feature.next_pane", ("tab",), "pane_step(1)", "next list", "Go to the next list.", "list", palette=False),
    Action("feature.last_pane", ("shift+tab",), "pane_step(-1)", "list before", "Go one list back.", palette=False),
    Action(
        "feature.open",
        ("enter",),
        "open_row",
        "open the row",
        "Open the neighbour, or the excerpt as a prompt.",
        "open",
    ),
    Action(
        "feature.neighbour", ("n",), "neighbour", "nearest latent", "Open the neighbour under its cursor.", "nearest"
    ),
    Action("feature.earlier", ("backspace", "b"), "earlier", "latent before", "Go back along the latents.", "before"),
    Action("feature.go", ("g",), "go", "go to a latent", "Type a latent's number and open it.", "go to"),
    Action(
        "feature.read", ("w",), "read", "read in full", "Read the whole page as text, rules and bins included.", "read"
    ),
    Action("feature.again", ("r",), "again", "ask again", "Ask for this page again."),
    Action("feature.keep", ("s",), "keep", "keep as a finding", "Keep this latent as a finding.", "keep"),
    Action("feature.copy", ("y",), "copy", "copy as text", "Copy the page as text.", "copy"),
    Action("feature.back", ("escape",), "back", "leave the page", "Go back to where you came from.", "leave"),
)

NOTEBOOK = (
    Action("notebook.up", ("up",), "row(-1)", "previous row", "Select the row above.", "row", palette=False),
    Action("notebook.down", ("down",), "row(1)", "next row", "Select the row below.", "row", palette=False),
    Action("notebook.page_up", ("pageup",), "page(-1)", "page up", "Select a row one page up.", palette=False),
    Action("notebook.page_down", ("pagedown",), "page(1)", "page down", "Select a row one page down.", palette=False),
    Action("notebook.open", ("enter",), "open_row", "open as it was", "Show the stored answer as it was.", "open"),
    Action("notebook.search", ("slash",), "search", "search", "Search words; `#tag` keeps one tag.", "search"),
    Action("notebook.view", ("tab",), "view", "findings or answers", "Change between findings and answers.", "answers"),
    Action("notebook.tags", ("t",), "tags", "next tag", "Show only the next tag's findings; at the end all.", "tag"),
    Action("notebook.note", ("n",), "note", "edit note and tags", "Write a note and tags; keeps an answer.", "note"),
    Action("notebook.keep", ("s",), "keep", "keep as a finding", "Keep the answer under the cursor.", "keep"),
    Action("notebook.read", ("w",), "read", "read in full", "Read the stored rows and their provenance.", "read"),
    Action("notebook.session", ("o",), "session", "another session", "Open or start a session.", "session"),
    Action("notebook.drop", ("d",), "drop", "take a finding out", "Take it off the list; its answer stays stored."),
    Action("notebook.copy", ("y",), "copy", "copy as text", "Copy the row as text."),
    Action("notebook.leave", ("escape",), "leave", "leave", "Leave the search, else clear it.", palette=False),
)

ACTIONS: tuple[Action, ...] = (*APP, *BENCH, *PLOT, *FEATURE, *NOTEBOOK)
"""The registry; each screen's part keeps the order of importance that the line of keys follows."""

_SYMBOLS = {
    "left": "←",
    "right": "→",
    "up": "↑",
    "down": "↓",
    "comma": ",",
    "full_stop": ".",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "question_mark": "?",
    "slash": "/",
    "plus": "+",
    "minus": "-",
    "pageup": "pgup",
    "pagedown": "pgdn",
    "escape": "esc",
    "f1": "F1",
}


def of(*screens: str) -> tuple[Action, ...]:
    """Return the actions of the named screens, in the registry's order."""
    return tuple(action for screen in screens for action in ACTIONS if action.screen == screen)


def bindings(screen: str) -> list[BindingType]:
    """Return a screen's actions as Textual bindings, each with its id, so that a keymap can move it."""
    return [
        Binding(
            ",".join(action.keys),
            action.call,
            action.title,
            show=bool(action.footer),
            priority=action.priority,
            tooltip=action.tooltip,
            id=action.id,
        )
        for action in of(screen)
        if action.keys
    ]


def keys_of(action: Action, keymap: Mapping[str, str] = {}) -> tuple[str, ...]:
    """Return the keys that do an action under a keymap ({id: "key,key"})."""
    moved = keymap.get(action.id)
    return tuple(key.strip() for key in moved.split(",")) if moved else action.keys


def symbol(key: str) -> str:
    """Return a key as a person reads it: `ctrl+g` as ^g, arrows as arrows."""
    *modifiers, last = key.split("+")
    shown = _SYMBOLS.get(last, last)
    return "".join({"ctrl": "^", "shift": "⇧", "alt": "⌥"}.get(part, part + "+") for part in modifiers) + shown


def footer(actions: Iterable[Action], keymap: Mapping[str, str] = {}) -> list[tuple[str, str]]:
    """Return (keys, word) for the line of keys: actions with the same word share one entry."""
    entries: dict[str, list[str]] = {}
    for action in actions:
        if action.footer:
            entries.setdefault(action.footer, []).extend(map(symbol, keys_of(action, keymap)[:1]))
    return [(_joined(shown), word) for word, shown in entries.items()]


def _joined(shown: list[str]) -> str:
    return ("" if all(len(key) == 1 and not key.isalnum() for key in shown) else " ").join(shown)
