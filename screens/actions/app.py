"""What can be done on every screen."""

from __future__ import annotations

from screens.actions.base import Action

APP = (
    Action("app.quit", ("ctrl+q", "ctrl+c"), "quit", "quit", "Leave the app; every answer is saved already.", "", True),
    Action("app.stop", ("ctrl+g",), "stop_work", "stop the work", "Stop what this pane runs.", "", True),
    Action("app.bench", ("B",), "switch_mode('bench')", "the bench", "Go to the bench.", "bench"),
    Action(
        "app.hypotheses", ("H",), "switch_mode('hypotheses')", "the hypotheses", "Go to what you tested, side by side."
    ),
    Action("app.corpus", ("C",), "switch_mode('corpus')", "the corpus", "Go to the search of a whole corpus."),
    Action(
        "app.crossmodel", ("X",), "switch_mode('crossmodel')", "two models", "Go to what another model's readers say."
    ),
    Action("app.intervene", ("I",), "switch_mode('intervene')", "interventions", "Go to what a change would do."),
    Action("app.sweep", ("S",), "switch_mode('sweep')", "layers x tokens", "Go to the sweep of every token and layer."),
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
