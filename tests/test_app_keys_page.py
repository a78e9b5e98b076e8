"""The page of keys says what the registry says."""

from pathlib import Path

import pytest

from screens import keys
from screens.help_page import key_table

PAGE = (Path(__file__).parent.parent / "docs" / "keys.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("room", sorted({action.screen for action in keys.ACTIONS}))
def test_every_key_of_a_screen_stands_on_the_page_as_it_is_bound(room: str) -> None:
    assert key_table(room, {}) in PAGE
