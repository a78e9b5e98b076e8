"""What can be done with a sweep over layers and tokens."""

from __future__ import annotations

from screens.actions.base import Action

SWEEP = (
    Action("sweep.left", ("left",), "token(-1)", "previous token", "Move to the token on the left.", "token"),
    Action("sweep.right", ("right",), "token(1)", "next token", "Move to the token on the right.", "token"),
    Action("sweep.first", ("home",), "token_end(-1)", "first token", "Move to the first token."),
    Action("sweep.last", ("end",), "token_end(1)", "last token", "Move to the last token."),
    Action(
        "sweep.layer_up",
        ("up", "right_square_bracket", "full_stop"),
        "layer(1)",
        "layer above",
        "Go to the next layer up that is swept.",
        "layer",
    ),
    Action(
        "sweep.layer_down",
        ("down", "left_square_bracket", "comma"),
        "layer(-1)",
        "layer below",
        "Go to the next layer down that is swept.",
        "layer",
    ),
    Action(
        "sweep.text",
        ("t", "h", "i", "slash"),
        "text",
        "what is swept",
        "Type a sentence to score in every cell, a latent such as l3#12, or nothing for the readers' own words.",
        "text",
    ),
    Action("sweep.run", ("g",), "run", "sweep", "Read every token at every layer; again for the same anew.", "sweep"),
    Action(
        "sweep.reader",
        ("m",),
        "reader",
        "another reader",
        "Choose the next reader of the workbench; g lets it read.",
        "reader",
    ),
    Action(
        "sweep.method",
        ("o",),
        "method",
        "labels or likeliest words",
        "Without a text: the best labels, the likeliest words, or each reader's own way.",
    ),
    Action("sweep.view", ("v",), "view", "numbers, bars, words", "Show numbers, bars or words in the cells.", "view"),
    Action("sweep.open", ("enter",), "open_cell", "open on the bench", "Show this token and layer there.", "bench"),
    Action("sweep.why", ("w",), "why", "read in full", "Read every cell with all its numbers as tables.", "read"),
    Action("sweep.keep", ("s",), "keep", "keep as a finding", "Keep this cell with its layer as a finding.", "keep"),
    Action("sweep.copy", ("y",), "copy", "copy as text", "Copy the whole sweep as text."),
)
