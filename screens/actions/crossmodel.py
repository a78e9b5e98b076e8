"""What can be done where two models are compared."""

from __future__ import annotations

from screens.actions.base import Action

CROSSMODEL = (
    Action("crossmodel.left", ("left",), "token(-1)", "previous token", "Move to the token on the left.", "token"),
    Action("crossmodel.right", ("right",), "token(1)", "next token", "Move to the token on the right.", "token"),
    Action("crossmodel.first", ("home",), "token_end(-1)", "first token", "Move to the first token."),
    Action("crossmodel.last", ("end",), "token_end(1)", "last token", "Move to the last token."),
    Action("crossmodel.up", ("up",), "row(-1)", "previous text", "Select the text above.", "row", palette=False),
    Action("crossmodel.down", ("down",), "row(1)", "next text", "Select the text below.", "row", palette=False),
    Action(
        "crossmodel.compare",
        ("g",),
        "compare",
        "compare",
        "Let both models' readers say what this source holds.",
        "compare",
    ),
    Action("crossmodel.wash_less", ("minus",), "wash(-1)", "less washout", "Mix in less of the background.", "washout"),
    Action(
        "crossmodel.wash_more",
        ("plus", "equals_sign"),
        "wash(1)",
        "more washout",
        "Mix in more of the background.",
        "washout",
    ),
    Action("crossmodel.controls", ("c",), "controls", "controls", "Read the controls too, or hide them.", "controls"),
    Action(
        "crossmodel.hypothesis",
        ("h",),
        "hypothesis",
        "make it a hypothesis",
        "Test the selected text at this token: one reader's claim, scored by the others.",
        "hypothesis",
    ),
    Action("crossmodel.map", ("m",), "next_map", "next map", "Go through another map from this model.", "map"),
    Action(
        "crossmodel.source",
        ("i",),
        "source",
        "another source",
        "Type a source instead of the cursor's: a latent such as l3#12, or a difference.",
        "source",
    ),
    Action(
        "crossmodel.layer_down",
        ("left_square_bracket", "comma"),
        "layer(-1)",
        "layer below",
        "Go one layer down.",
        "layer",
    ),
    Action(
        "crossmodel.layer_up",
        ("right_square_bracket", "full_stop"),
        "layer(1)",
        "layer above",
        "Go one layer up.",
        "layer",
    ),
    Action("crossmodel.part", ("tab",), "part(1)", "next column", "Go to the next column.", "column"),
    Action("crossmodel.part_back", ("shift+tab",), "part(-1)", "column before", "Go one column back.", palette=False),
    Action("crossmodel.own", ("1",), "column(0)", "own", "What model A's own reader says.", palette=False),
    Action(
        "crossmodel.native", ("2",), "column(1)", "native", "What model B says of its own activation.", palette=False
    ),
    Action(
        "crossmodel.mapped", ("3",), "column(2)", "mapped", "What model B says of the mapped vector.", palette=False
    ),
    Action("crossmodel.washed", ("4",), "column(3)", "washed", "The same with the background mixed in.", palette=False),
    Action("crossmodel.why", ("w",), "why", "all of it", "Show every column and control with all numbers.", "why"),
    Action("crossmodel.keep", ("s",), "keep", "keep as a finding", "Keep the comparison.", "keep"),
    Action("crossmodel.again", ("r",), "again", "ask again", "Draw once more with another seed."),
    Action("crossmodel.copy", ("y",), "copy", "copy as text", "Copy the comparison with all numbers."),
    Action(
        "crossmodel.leave", ("escape",), "leave", "leave", "Drop the typed source, else the controls.", palette=False
    ),
)
