"""What can be done in the notebook."""

from __future__ import annotations

from screens.actions.base import Action

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
    Action(
        "notebook.replay",
        ("r",),
        "replay",
        "ask again and compare",
        "Ask the same again and show what differs.",
        "replay",
    ),
    Action("notebook.session", ("o",), "session", "another session", "Open or start a session.", "session"),
    Action("notebook.drop", ("d",), "drop", "take a finding out", "Take it off the list; its answer stays stored."),
    Action("notebook.copy", ("y",), "copy", "copy as text", "Copy the row as text."),
    Action("notebook.leave", ("escape",), "leave", "leave", "Leave the search, else clear it.", palette=False),
)
