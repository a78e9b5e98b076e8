"""What can be done on a feature page."""

from __future__ import annotations

from screens.actions.base import Action

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
    Action(
        "feature.test",
        ("t",),
        "test",
        "test its label",
        "Test the label, or the selected neighbour's, as a hypothesis at the bench's token.",
        "test",
    ),
    Action("feature.again", ("r",), "again", "ask again", "Ask for this page again."),
    Action("feature.keep", ("s",), "keep", "keep as a finding", "Keep this latent as a finding.", "keep"),
    Action("feature.copy", ("y",), "copy", "copy as text", "Copy the page as text.", "copy"),
    Action("feature.back", ("escape",), "back", "leave the page", "Go back to where you came from.", "leave"),
)
