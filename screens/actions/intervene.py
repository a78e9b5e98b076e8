"""What can be done with an intervention."""

from __future__ import annotations

from screens.actions.base import Action

INTERVENE = (
    Action("intervene.up", ("up",), "row(-1)", "previous dose", "Select the dose above.", "dose", palette=False),
    Action("intervene.down", ("down",), "row(1)", "next dose", "Select the dose below.", "dose", palette=False),
    Action("intervene.left", ("left",), "token(-1)", "previous token", "Change the token on the left.", "token"),
    Action("intervene.right", ("right",), "token(1)", "next token", "Change the token on the right.", "token"),
    Action("intervene.layer_down", ("left_square_bracket", "comma"), "layer(-1)", "layer below", "One layer lower."),
    Action(
        "intervene.layer_up",
        ("right_square_bracket", "full_stop"),
        "layer(1)",
        "layer above",
        "Change one layer higher.",
    ),
    Action(
        "intervene.edit",
        ("i", "slash"),
        "edit",
        "write the change",
        "Type `ablate l3#12` or `add EXPRESSION`; enter runs it, tab completes.",
        "change",
    ),
    Action("intervene.run", ("x", "r"), "again", "run it here", "Run the change at this token and layer.", "run"),
    Action(
        "intervene.later",
        ("l",),
        "later",
        "this token, or from it on",
        "Change this token alone, or every later one too, those of the continuation included.",
        "from here on",
    ),
    Action("intervene.doses", ("d",), "doses", "doses", "Type the doses, with blanks between.", "doses"),
    Action(
        "intervene.hypotheses",
        ("h",),
        "hypotheses",
        "hypotheses to follow",
        "Type sentences whose score downstream is followed, | between them.",
        "hypotheses",
    ),
    Action("intervene.why", ("w",), "why", "read in full", "Read every dose, token and score as tables.", "read"),
    Action("intervene.keep", ("s",), "keep", "keep as a finding", "Keep the selected dose as a finding.", "keep"),
    Action("intervene.copy", ("y",), "copy", "copy as text", "Copy the whole answer as text."),
    Action("intervene.open", ("enter",), "open_row", "open on the bench", "Show the place there.", palette=False),
    Action("intervene.leave", ("escape",), "leave", "leave", "Leave the input.", palette=False),
)
