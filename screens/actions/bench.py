"""What can be done on the bench and in its plot."""

from __future__ import annotations

from screens.actions.base import Action

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
    Action("bench.pane_6", ("6",), "pane(6)", "pane 6: verbalizers", "Go to what verbalizers say, fidelity in front."),
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
    Action(
        "bench.verbalize",
        ("v",),
        "verbalize",
        "let a verbalizer speak",
        "Let a verbalizer put this activation into words; again for another seed.",
        "verbalize",
    ),
    Action("bench.next_verbalizer", ("V",), "next_verbalizer", "another verbalizer", "Take another verbalizer."),
    Action(
        "bench.test_row", ("t",), "test_row", "test the row's text", "Test the selected row's text as a hypothesis."
    ),
    Action(
        "bench.readers",
        ("r",),
        "readers",
        "score by every reader",
        "Score the selected row's text by every reader that reads this layer, beside the one that said it.",
    ),
    Action(
        "bench.find", ("f",), "find", "find in the corpus", "Look for the selected row's text in the corpus.", "find"
    ),
    Action(
        "bench.intervene",
        ("x",),
        "intervene",
        "intervene here",
        "Ablate the selected feature at this token, dose by dose; without one, type a change.",
        "intervene",
    ),
    Action("bench.why", ("w",), "why", "why this score", "Show what a row's score is made of, with controls.", "why"),
    Action("bench.keep", ("s",), "keep", "keep as a finding", "Keep the selected row as a finding.", "keep"),
    Action("bench.order", ("o",), "order", "next order", "Order the pane another way: by gap, by score.", "order"),
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
