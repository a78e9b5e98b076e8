"""An empty Textual app, the yardstick of the start and frame figures."""

from __future__ import annotations

from textual.app import App, ComposeResult
from textual.widgets import Static

from screens.trace import start_heartbeat


class EmptyApp(App[None]):
    """One line of text and nothing else."""

    def compose(self) -> ComposeResult:
        """Show the line that the benchmark waits for."""
        yield Static("an empty app")

    def on_mount(self) -> None:
        """Beat where a trace was asked for."""
        start_heartbeat(self)


def main() -> None:
    """Run it."""
    EmptyApp().run()


if __name__ == "__main__":
    main()
