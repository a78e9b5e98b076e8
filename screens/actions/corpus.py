"""What can be done with a corpus."""

from __future__ import annotations

from screens.actions.base import Action

CORPUS = (
    Action("corpus.up", ("up",), "row(-1)", "previous hit", "Select the hit above.", "hit", palette=False),
    Action("corpus.down", ("down",), "row(1)", "next hit", "Select the hit below.", "hit", palette=False),
    Action("corpus.page_up", ("pageup",), "page(-1)", "page up", "Select a hit one page up.", palette=False),
    Action("corpus.page_down", ("pagedown",), "page(1)", "page down", "Select a hit one page down.", palette=False),
    Action("corpus.first", ("home",), "end(-1)", "first hit", "Select the first hit."),
    Action("corpus.last", ("end",), "end(1)", "last hit", "Select the last hit."),
    Action(
        "corpus.find", ("slash", "i", "h", "f"), "edit", "find a sentence", "Type a sentence; enter finds it.", "find"
    ),
    Action(
        "corpus.open",
        ("enter",),
        "open_row",
        "open on the bench",
        "Open the hit's words as a prompt, its token under the cursor.",
        "open",
    ),
    Action(
        "corpus.test",
        ("t",),
        "test",
        "test the sentence",
        "Test the sentence as a hypothesis at the bench's token.",
        "test",
    ),
    Action("corpus.all", ("a",), "all", "all positions", "Show every position, or one a context.", "all/one a context"),
    Action("corpus.more", ("plus",), "more", "more hits", "Ask for twice as many hits.", "more"),
    Action("corpus.exact", ("E",), "exact", "score every position", "Score every position, not the likely ones alone."),
    Action("corpus.why", ("w",), "why", "why this score", "Show the hit in full and what its score is made of.", "why"),
    Action("corpus.keep", ("s",), "keep", "keep as a finding", "Keep the selected hit as a finding.", "keep"),
    Action("corpus.copy", ("y",), "copy", "copy as text", "Copy the hits as text."),
    Action("corpus.again", ("r",), "again", "ask again", "Ask for the same once more."),
    Action("corpus.leave", ("escape",), "leave", "leave", "Leave the input.", palette=False),
)
