"""`evaluate faults --quick`: every kind of fault is made a few times, and nothing is lost, doubled, leaked or left."""

from __future__ import annotations

import json

import pytest

from investigator.cli import main
from investigator.commands.faults.ground import QUICK
from investigator.commands.faults.loopback import sshd
from investigator.commands.faults.strings import hostile

NOUGHT = (
    "answers_lost", "answers_duplicated", "orphans", "unexpected_5xx", "escapes_leaked", "files_outside",
)  # fmt: skip


def test_nothing_is_lost_when_everything_breaks(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "faults", "--quick", "--json"]) == 0
    figures = {each["name"]: each for each in json.loads(capsys.readouterr().out)["figures"]}
    values = {name: each["value"] for name, each in figures.items()}
    assert {name: values[name] for name in NOUGHT} == dict.fromkeys(NOUGHT, 0.0)
    for name in ("backend_kills", "writer_kills", "malformed_requests", "hostile_strings"):
        assert values[name] == getattr(QUICK, name), name
    assert values["clients_held"] == QUICK.clients
    if sshd() is None:
        assert values["link_cuts"] is None and "no sshd" in figures["link_cuts"]["compared_with"]
    else:
        assert values["link_cuts"] == QUICK.link_cuts


def test_every_hostile_string_is_another() -> None:
    several = list(hostile(600))
    assert len(several) >= 500
    assert len(set(several)) == len(several)
