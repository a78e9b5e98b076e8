"""The chooser of what to export and where to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input, Label, OptionList, Static
from textual.widgets.option_list import Option

from screens.modals.base import Sheet


@dataclass(frozen=True)
class ExportChoice:
    """A form and a file."""

    form: str
    file: Path


class ExportChooser(Sheet[ExportChoice]):
    """Pick a form with the arrows, mend the file name, enter writes; an existing file asks for enter once more."""

    def __init__(self, forms: Mapping[str, tuple[str, str]], stem: str, folder: Path | None = None) -> None:
        """Take `forms` as {form: (what it is, suffix)} and the file name's stem."""
        super().__init__("export", "↑↓ form · tab file · enter write · esc leave")
        self.forms = dict(forms)
        self._start = (folder or Path.cwd()) / stem
        self._asked_over: Path | None = None

    def compose(self) -> ComposeResult:
        """Lay out the forms above the file."""
        options = [Option(Content(words), id=form) for form, (words, _) in self.forms.items()]
        yield self.box(
            OptionList(*options, id="export-forms", markup=False, compact=True),
            Label("file"),
            Input(id="export-file", select_on_focus=False),
            Static(id="export-trouble", classes="trouble", markup=False),
            id="export",
        )

    def on_mount(self) -> None:
        """Start on the first form."""
        forms = self.query_one(OptionList)
        forms.focus()
        forms.highlighted = 0

    @property
    def form(self) -> str:
        """Return the form under the cursor."""
        return list(self.forms)[self.query_one(OptionList).highlighted or 0]

    @on(OptionList.OptionHighlighted)
    def rename(self) -> None:
        """Give the file the form's suffix, unless its name was mended by hand."""
        field = self.query_one(Input)
        suffixes = {suffix for _, suffix in self.forms.values()}
        stem = self._start if not field.value else Path(field.value)
        bare = str(stem).removesuffix(next((end for end in suffixes if str(stem).endswith(end)), ""))
        field.value = bare + self.forms[self.form][1]

    @on(OptionList.OptionSelected)
    @on(Input.Submitted)
    def write(self) -> None:
        """Hand the choice back; a file that exists is named first."""
        file = Path(self.query_one(Input).value).expanduser()
        trouble = self._trouble(file)
        if trouble:
            self._asked_over = file if file.is_file() else None
            self.query_one("#export-trouble", Static).update(Content(trouble))
            return
        self.dismiss(ExportChoice(self.form, file))

    def _trouble(self, file: Path) -> str:
        if not self.query_one(Input).value.strip() or file.is_dir():
            return "Name a file, not a folder."
        if not file.parent.is_dir():
            return f"There is no folder {file.parent}. Name a file in a folder that exists."
        if file.exists() and self._asked_over != file:
            return f"{file.name} exists already. Enter again writes over it; or type another name."
        return ""
