"""Label files: merged, kept, or refused with the row's number."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

import tiny
from backends.engine import labels
from investigator.errors import WorkbenchError
from investigator.records import LabelNote


def row(index: object, description: object, **more: Any) -> dict[str, Any]:
    return {"index": index, "description": description, "modelId": "m", "layer": "2-x"} | more


def test_identical_rows_merge_and_several_labels_a_latent_stay(tmp_path: Path) -> None:
    rows = [row("1", "cats"), row("1", "cats"), row("1", "dogs"), row(2, " cats "), row("3", ""), row("4", None)]
    found = labels.read(tiny.write_labels(tmp_path / "l.jsonl", rows))
    assert found.texts == ["cats", "dogs"]
    assert found.latents_of("cats") == (1, 2) and found.latents_of("birds") == ()
    assert found.labels_of(1) == ("cats", "dogs") and found.labels_of(3) == ()
    assert found.labelled == 2 and found.largest == 2
    assert "cats" in found and "birds" not in found


def test_notes_say_where_a_label_comes_from(tmp_path: Path) -> None:
    rows = [
        row("7", "heat", explanationModelName="gpt", typeName="oai_token-act-pair", embedding=[0.5] * 4),
        row("7", "the word heat", typeName="rule", rule="word", score=0.75, split="unseen"),
    ]
    found = labels.read(tiny.write_labels(tmp_path / "l.jsonl", rows))
    assert found.notes_of(7) == (
        LabelNote("heat", author="gpt"),
        LabelNote("the word heat", author="rule", rule="word", score=0.75),
    )
    assert found.split_of("heat") == "train" and found.split_of("the word heat") == "unseen"


def test_gzip_is_the_same_set_with_the_same_fingerprint(tmp_path: Path) -> None:
    plain = tiny.write_labels(tmp_path / "l.jsonl", tiny.label_rows())
    packed = tmp_path / "l.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    one, other = labels.read(plain), labels.read(packed)
    assert one.texts == other.texts and one.fingerprint == other.fingerprint
    rows = tiny.label_rows()[:-1]
    assert labels.read(tiny.write_labels(tmp_path / "m.jsonl", rows)).fingerprint != one.fingerprint


def test_the_list_fingerprint_ignores_which_latents_carry_a_label(tmp_path: Path) -> None:
    one = labels.read(tiny.write_labels(tmp_path / "a.jsonl", [row("1", "x"), row("2", "y")]))
    other = labels.read(tiny.write_labels(tmp_path / "b.jsonl", [row("5", "x"), row("6", "y")]))
    assert one.list_fingerprint == other.list_fingerprint and one.fingerprint != other.fingerprint


@pytest.mark.parametrize("column", ["index", "description"])
def test_a_missing_column_names_the_row(tmp_path: Path, column: str) -> None:
    bad = row("2", "b")
    del bad[column]
    with pytest.raises(WorkbenchError, match=rf"Row 2 of the labels .*l\.jsonl.*`{column}`"):
        labels.read(tiny.write_labels(tmp_path / "l.jsonl", [row("1", "a"), bad]))


def test_an_index_that_is_no_number_is_named(tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match=r"Row 1 of the labels .*'seven'"):
        labels.read(tiny.write_labels(tmp_path / "l.jsonl", [row("seven", "a")]))


@pytest.mark.parametrize("content", [b"{not json}\n", b'{"index":"1","description":"\xff"}\n', b"[1,2]\n"])
def test_what_is_no_row_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "l.jsonl"
    file.write_bytes(content)
    with pytest.raises(WorkbenchError, match="Row 1 of the labels"):
        labels.read(file)


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match=r"gone\.jsonl"):
        labels.read(tmp_path / "gone.jsonl")
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(b"x" * 1000)[:-9])
    with pytest.raises(WorkbenchError, match=r"cut\.jsonl\.gz"):
        labels.read(tmp_path / "cut.jsonl.gz")


def test_labels_are_data_and_come_through_as_they_are(tmp_path: Path) -> None:
    evil = "\x1b[2J[bold]x[/bold]\u202e\u200b"
    file = tmp_path / "l.jsonl"
    file.write_text(json.dumps(row("1", evil)) + "\n")
    assert labels.read(file).labels_of(1) == (evil,)


def test_counting_labels_is_what_reading_them_finds(tmp_path: Path) -> None:
    rows = [(1, "cats"), (1, "dogs"), (3, None), (5, "cats"), (5, "cats"), (6, "  ")]
    lines = "".join(json.dumps({"index": str(one), "description": text, "score": 1.0}) + "\n" for one, text in rows)
    file = tmp_path / "l.jsonl"
    file.write_text(lines)
    found = labels.read(file)
    assert labels.count(file) == (found.labelled, len(found.texts)) == (2, 2)
    file.write_text(lines + '{"index": "x", "description": "y"}\n')
    with pytest.raises(WorkbenchError, match="Row 7"):
        labels.count(file)
