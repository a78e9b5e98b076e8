"""Flags mean the same before and after the sub-command."""

import pytest

from investigator.cli import parse


@pytest.mark.parametrize(
    "arguments",
    [
        ["--workbench", "a.toml", "--session", "s", "features", "a prompt"],
        ["features", "a prompt", "--workbench", "a.toml", "--session", "s"],
        ["--workbench", "b.toml", "--session", "s", "features", "a prompt", "--workbench", "a.toml"],
    ],
)
def test_a_flag_holds_wherever_it_stands(arguments: list[str]) -> None:
    options = parse(arguments)
    assert (options.workbench, options.session, options.device) == ("a.toml", "s", "")
