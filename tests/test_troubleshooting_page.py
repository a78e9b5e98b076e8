"""The troubleshooting page: every message on it is provoked here, and nothing is provoked that is not on it."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
from provocations import PROVOCATIONS, Ground

PAGE = (Path(__file__).parents[1] / "docs" / "troubleshooting.md").read_text(encoding="utf-8")


def messages() -> list[str]:
    """Return the first cells of the page's tables, without their code marks."""
    cells = re.findall(r"^\| (`.+?`) \| ", PAGE, re.MULTILINE)
    return [re.sub(r"^(`+) ?(.*?) ?\1$", r"\2", cell) for cell in cells]


def pattern(message: str) -> re.Pattern[str]:
    parts = [re.escape(part) for part in message.split("...")]
    return re.compile(".+?".join(parts), re.DOTALL)


def test_the_page_and_the_provocations_name_the_same_messages() -> None:
    assert sorted(messages()) == sorted(PROVOCATIONS)


@pytest.mark.parametrize("message", PROVOCATIONS, ids=lambda message: message[:60])
async def test_each_message_is_said_in_the_trouble_it_stands_for(
    message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    provoked = PROVOCATIONS[message](Ground(tmp_path, monkeypatch, capsys))
    said = await provoked if inspect.isawaitable(provoked) else provoked
    assert pattern(message).search(str(said)), said
