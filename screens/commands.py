"""The command palette: every action of the current screen and of the app, from the registry."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from screens import keys


def provider() -> type[Provider]:
    """Return the provider; a function, so that the app reads it late."""
    return ActionCommands


class ActionCommands(Provider):
    """Finds actions by their titles. Titles are `Content`, because a key such as [ would be read as markup."""

    async def discover(self) -> Hits:
        """Offer everything that can be done here."""
        for action in self._actions():
            title = self._title(action)
            yield DiscoveryHit(Content(title), self._run(action), text=title, help=action.tooltip)

    async def search(self, query: str) -> Hits:
        """Offer what matches, best first."""
        matcher = self.matcher(query)
        for action in self._actions():
            title = self._title(action)
            score = matcher.match(title)
            if score > 0:
                yield Hit(score, Content(title), self._run(action), text=title, help=action.tooltip)

    def _actions(self) -> list[keys.Action]:
        room = str(getattr(self.screen, "ROOM", ""))
        return [action for action in keys.of(room, "app") if action.palette]

    def _title(self, action: keys.Action) -> str:
        moved: dict[str, str] = getattr(self.app, "moved_keys", {})
        shown = " ".join(keys.symbol(key) for key in keys.keys_of(action, moved))
        return f"{action.screen}: {action.title}" + (f"  {shown}" if shown else "")

    def _run(self, action: keys.Action) -> Callable[[], Awaitable[bool]]:
        node = self.app if action.screen == "app" else self.screen
        return partial(self.app.run_action, action.call, node)
