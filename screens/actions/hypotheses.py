"""What can be done with hypotheses."""

from __future__ import annotations

from screens.actions.base import Action

HYPOTHESES = (
    Action("hypotheses.left", ("left",), "token(-1)", "previous token", "Move to the token on the left.", "token"),
    Action("hypotheses.right", ("right",), "token(1)", "next token", "Move to the token on the right.", "token"),
    Action("hypotheses.first", ("home",), "token_end(-1)", "first token", "Move to the first token."),
    Action("hypotheses.last", ("end",), "token_end(1)", "last token", "Move to the last token."),
    Action("hypotheses.up", ("up",), "row(-1)", "previous row", "Select the row above.", "row", palette=False),
    Action("hypotheses.down", ("down",), "row(1)", "next row", "Select the row below.", "row", palette=False),
    Action("hypotheses.page_up", ("pageup",), "page(-1)", "page up", "Select a row one page up.", palette=False),
    Action("hypotheses.page_down", ("pagedown",), "page(1)", "page down", "Select a row one page down.", palette=False),
    Action(
        "hypotheses.layer_down",
        ("left_square_bracket", "comma"),
        "layer(-1)",
        "layer below",
        "Go one layer down.",
        "layer",
    ),
    Action(
        "hypotheses.layer_up",
        ("right_square_bracket", "full_stop"),
        "layer(1)",
        "layer above",
        "Go one layer up.",
        "layer",
    ),
    Action(
        "hypotheses.new", ("n", "h"), "new", "new hypothesis", "Type a sentence; enter tests it at this token.", "new"
    ),
    Action("hypotheses.test", ("t",), "test", "test here", "Test the selected sentence at this token.", "test here"),
    Action(
        "hypotheses.contrast",
        ("x",),
        "contrast",
        "contrast two",
        "Mark a row; x on another row, or at another token, compares the two.",
        "contrast",
    ),
    Action("hypotheses.find", ("f",), "find", "find in the corpus", "Look for the sentence in the corpus.", "find"),
    Action(
        "hypotheses.layers",
        ("l",),
        "layers",
        "all layers",
        "Score the sentence at every layer that has a reader.",
        "layers",
    ),
    Action(
        "hypotheses.open", ("enter",), "open_row", "open on the bench", "Show it on the bench at its token.", "open"
    ),
    Action("hypotheses.why", ("w",), "why", "why this score", "Show what the score is made of, with controls.", "why"),
    Action(
        "hypotheses.keep", ("s",), "keep", "keep as a finding", "Keep the selected row, or the contrast shown.", "keep"
    ),
    Action(
        "hypotheses.order",
        ("o",),
        "order",
        "next order",
        "Order by gap, by p, by log p, by when it was tested.",
        "order",
    ),
    Action(
        "hypotheses.part", ("tab",), "part(1)", "next part", "Where parts take turns: controls, layers, why.", "part"
    ),
    Action("hypotheses.part_back", ("shift+tab",), "part(-1)", "part before", "Go one part back.", palette=False),
    Action("hypotheses.copy", ("y",), "copy", "copy as text", "Copy the row, or the contrast, with all its numbers."),
    Action(
        "hypotheses.drop",
        ("d",),
        "drop",
        "take off the list",
        "Take the row off; its answer stays and it still counts.",
    ),
    Action(
        "hypotheses.leave",
        ("escape",),
        "leave",
        "leave",
        "Leave the input, else the contrast, else the mark.",
        palette=False,
    ),
)
