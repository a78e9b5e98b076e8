"""`train map` and `compare` on the command line: what is asked of the child, and what cannot be asked."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from investigator import cli
from investigator.commands import compare as compare_command
from investigator.commands import train, train_map
from investigator.errors import BadInput


def parsed(*words: str) -> argparse.Namespace:
    return cli.build_parser((words[0],)).parse_args(list(words))


def test_a_map_is_asked_of_a_child_and_its_pages_are_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[str, dict[str, Any], tuple[str, ...]]] = []

    def run_work(options: Any, command: str, arguments: Any, *, folder: Path, files: tuple[str, ...] = ()) -> int:
        asked.append((command, arguments, files))
        folder.mkdir()
        (folder / "map.md").write_text("# a map\x1b[2J\n", encoding="utf-8")
        (folder / "pairs.md").write_text("# all pairs\n", encoding="utf-8")
        return 0

    monkeypatch.setattr(train_map, "run_work", run_work)
    out, sentences = tmp_path / "map", tmp_path / "some.txt"
    words = ("train", "map", str(sentences), "--from", "pocket:3", "--to", "other:4", "--out", str(out), "--all-pairs")
    assert train.run(parsed(*words, "--lambda", "10")) == 0
    command, arguments, files = asked[0]
    assert command == "train map"
    assert files == (str(sentences),)
    assert (arguments["source"], arguments["target"], arguments["penalty"]) == ("pocket:3", "other:4", 10.0)
    assert (arguments["kind"], arguments["all_pairs"], arguments["sentences"]) == ("ridge", True, 1500)
    printed = capsys.readouterr().out
    assert "# a map" in printed
    assert "# all pairs" in printed
    assert "\x1b" not in printed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("train", "map", "--from", "pocket:3", "--out", "x"), "leads from one place to another"),
        (("train", "map", "--from", "a:1", "--to", "b:1", "--lambda", "-1", "--out", "x"), "penalty cannot be -1"),
        (("train", "sae", "--out", "x"), "sae needs texts"),
    ],
)
def test_what_cannot_be_trained_is_a_sentence(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        train.run(parsed(*words))


def test_a_comparison_by_no_method_is_a_sentence() -> None:
    with pytest.raises(BadInput, match="names no method"):
        compare_command.run(parsed("compare", "some text", "--methods", "guessing"))
