"""Documents out of every format, and one sentence for each file that gives none."""

from __future__ import annotations

import gzip
import json
import lzma
import tracemalloc
from pathlib import Path

import pytest

from backends.engine.index import corpus_texts
from backends.engine.index.corpus_reading import LONGEST, Reading
from investigator.errors import BadInput

PARAGRAPHS = ["The first paragraph.\nIt has two lines.", "The second one.", "The third, with a café."]


def read(path: Path, **choices: object) -> tuple[list[tuple[str, str]], list[str]]:
    reading = Reading(**choices)  # type: ignore[arg-type]
    found = [(one.name, one.text) for one in corpus_texts.documents(path, reading)]
    return found, reading.notes


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a.txt.xz", "a.md"])
@pytest.mark.parametrize("gap", ["\n\n", "\r\n\r\n", "\n \t\n\n"])
def test_blank_lines_part_a_text(tmp_path: Path, name: str, gap: str) -> None:
    content = gap.join(PARAGRAPHS).encode()
    pack = {"gz": gzip.compress, "xz": lzma.compress}.get(name[-2:], bytes)
    (tmp_path / name).write_bytes(pack(content))
    found, notes = read(tmp_path / name)
    assert [text.replace("\r\n", "\n") for _, text in found] == PARAGRAPHS
    assert [place for place, _ in found] == [f"{name}#1", f"{name}#2", f"{name}#3"]
    assert notes == []
    whole, _ = read(tmp_path / name, whole=True)
    assert [place for place, _ in whole] == [name]


def test_rows_of_json_lines_parquet_and_a_saved_dataset_are_documents(tmp_path: Path) -> None:
    import datasets
    import pyarrow
    from pyarrow import parquet

    rows = [{"text": text, "n": n} for n, text in enumerate(PARAGRAPHS)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "a.jsonl").write_text(lines)
    (tmp_path / "a.jsonl.xz").write_bytes(lzma.compress(lines.encode()))
    table = pyarrow.table({"text": [*PARAGRAPHS, None], "n": [1, 2, 3, 4]})
    parquet.write_table(table, tmp_path / "a.parquet")
    datasets.Dataset.from_list(rows).save_to_disk(str(tmp_path / "saved"))
    split = datasets.DatasetDict({"train": datasets.Dataset.from_list(rows[:1])})
    split.save_to_disk(str(tmp_path / "splits"))
    for name in ("a.jsonl", "a.jsonl.xz", "a.parquet", "saved"):
        found, notes = read(tmp_path / name)
        assert [text for _, text in found] == PARAGRAPHS
        assert found[1][0] == f"{name}:2" and notes == []
    assert read(tmp_path / "splits")[0] == [("splits/train:1", PARAGRAPHS[0])]
    for name in ("a.parquet", "saved"):
        found, notes = read(tmp_path / name, column="body")
        assert found == [] and "no column 'body'" in notes[0] and "text, n" in notes[0]


def test_a_row_may_keep_its_text_elsewhere_and_broken_rows_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text('{"body": "one"}\nno json\n\n{"body": 3}\n{"text": "other"}\n{"body": "two"}\n')
    found, notes = read(file, column="body")
    assert [text for _, text in found] == ["one", "two"]
    assert notes == ["3 lines of a.jsonl hold no text called 'body'; the first is line 2."]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.txt", b"", "holds no text"),
        ("blank.txt", b" \n\n \t\n", "holds no text"),
        ("picture.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "binary"),
        ("utf16.txt", "not UTF-8".encode("utf-16"), "binary"),
        ("latin.txt", "caf\u00e9 au lait".encode("latin-1"), "not UTF-8"),
        ("cut.txt.gz", gzip.compress(b"a text that is cut short" * 99, mtime=0)[:40], "cannot be read"),
        ("cut.txt.xz", b"no xz at all", "cannot be read"),
        ("empty.jsonl", b"", "holds no text"),
        ("bad.jsonl", b"\xff\xfe\n", "hold no text called 'text'"),
        ("bad.parquet", b"PAR1 and then nothing", "no Parquet file"),
    ],
)
def test_a_file_that_gives_no_text_is_said_in_one_sentence(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    found, notes = read(tmp_path / name)
    assert [text for _, text in found if text.strip()] == []
    assert len(notes) == 1 and said in notes[0] and name in notes[0]


def test_a_broken_saved_dataset_is_said_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text("{}")
    found, notes = read(tmp_path)
    assert found == [] and "no saved dataset" in notes[0]


def test_what_stands_before_a_bad_byte_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(b"good words\n\n" * 100_000 + b"\xff" + b"more" * 400_000)
    found, notes = read(file)
    assert found[0][1] == "good words"
    assert len(notes) == 1 and "after byte 1,048,576" in notes[0]


@pytest.mark.parametrize("filler", ["x", "word ", "\u00e9\u00e8 "])
def test_one_endless_line_is_read_in_pieces_that_hold_all_of_it(tmp_path: Path, filler: str) -> None:
    file = tmp_path / "line.txt"
    text = filler * (12_000_000 // len(filler))
    file.write_text(text, encoding="utf-8")
    read(file)
    tracemalloc.start()
    longest, total = 0, 0
    for document in corpus_texts.documents(file, Reading()):
        longest, total = max(longest, len(document.text)), total + len(document.text)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert longest <= LONGEST and total == len(text)
    assert peak < 12_000_000


def test_a_long_row_comes_in_named_parts(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(json.dumps({"text": "word " * 40_000}))
    found, _ = read(file)
    assert [name for name, _ in found] == ["a.jsonl:1", "a.jsonl:1+1", "a.jsonl:1+2", "a.jsonl:1+3"]
    assert "".join(text for _, text in found) == "word " * 40_000


def test_folders_are_read_through_in_order_and_missing_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name in ("c.txt", "a.txt", "b/d.txt", ".hidden"):
        (tmp_path / name).write_text("words")
    found = corpus_texts.files([tmp_path])
    assert [str(file.relative_to(tmp_path)) for file in found] == ["a.txt", "b/d.txt", "c.txt"]
    with pytest.raises(BadInput, match="no file or folder"):
        corpus_texts.files([tmp_path / "missing.txt"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="no file in"):
        corpus_texts.files([tmp_path / "empty"])
