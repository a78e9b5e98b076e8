"""Check, repair, backup: real files damaged at random pages; what is readable comes back, and nothing is deleted."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from session_tools import TOKENS, an_open, features, script, some_features

from investigator import paths
from investigator.cli import main
from investigator.errors import BadInput, StoreError
from sessions import Store, open_store
from sessions.backup import backup
from sessions.check import check
from sessions.pages import Pages
from sessions.repair import damaged, lines, repair, table_of

PAGE = 4096
ANSWERS = 150
LONG = "a harbour with a long description, " * 400
"""Makes rows that go on over several overflow pages."""


def fill(path: Path) -> None:
    with open_store(path) as store:
        session = store.session("whales")
        store.save_answer(session, *an_open())
        several = [some_features(f"q-{n}", f"label {n} {LONG if n % 10 == 0 else ''}") for n in range(ANSWERS)]
        store.save_answers([(session, *one) for one in several])
        for n in range(20):
            finding = store.keep(session, f"q-{n}", title=f"finding {n}", note="a note", tags=("tag",))
            store.edit_finding(finding.id, f"note {n}")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound database with long and short rows, its log merged."""
    path = tmp_path_factory.mktemp("care") / "sessions.db"
    fill(path)
    return path


@pytest.fixture
def path(whole: Path, tmp_path: Path) -> Iterator[Path]:
    yield Path(shutil.copy(whole, tmp_path / "sessions.db"))


def answers_in(path: Path) -> dict[str, object]:
    with open_store(path) as store:
        return {saved.id: saved.result for saved in store.answers(limit=10_000) if saved.error is None}


def statuses(path: Path) -> dict[str, str]:
    return {row.name: row.status for row in check(path)}


def test_every_row_is_found_without_sqlite_and_is_the_one_that_sqlite_gives(path: Path) -> None:
    read = {(name, str(row["id"])): row for name, row in lines(path)}
    with sqlite3.connect(path) as connection:
        connection.row_factory = sqlite3.Row
        for table in ("sessions", "strips", "answers", "findings", "revisions"):
            told = [dict(row) for row in connection.execute(f"select * from {table}")]
            assert [read[table, row["id"]] for row in told] == told, table
            assert len(told) == sum(name == table for name, _ in read)
    connection.close()


def test_rows_that_stand_in_the_log_alone_are_found_too(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    store = open_store(path)
    store.save_answer(store.session("s"), *some_features("q-1", LONG))
    assert path.with_name("sessions.db-wal").stat().st_size > 0
    # A copy made while the file is open, as after a power cut.
    for ending in ("", "-wal"):
        shutil.copy(path.with_name(path.name + ending), tmp_path / f"copy.db{ending}")
    store.close()
    assert ("answers", "q-1") in {(name, row["id"]) for name, row in lines(tmp_path / "copy.db")}


def test_a_sound_file_passes_every_check_and_is_not_changed(path: Path) -> None:
    before = path.read_bytes()
    assert set(statuses(path).values()) == {"ok"}
    assert path.read_bytes() == before
    done = repair(path, busy=1.0)
    assert done.read == () and not any(done.rows.values())


@pytest.mark.parametrize("seed", range(12))
def test_pages_damaged_at_random_cost_the_rows_on_them_and_no_others(path: Path, seed: int) -> None:
    """Independent reference: the rows whose own bytes lie on no damaged page, as SQLite told them before."""
    before, chance = answers_in(path), random.Random(seed)
    content = bytearray(path.read_bytes())
    count = len(content) // PAGE
    hit = chance.sample(range(count), chance.randrange(1, max(2, count // 8)))
    for page in hit:
        at = page * PAGE
        content[at : at + PAGE] = chance.choice((bytes(PAGE), chance.randbytes(PAGE)))
    path.write_bytes(content)
    spared = {id for id in before if not _touched(id, bytes(content))}
    assert damaged(path)
    assert "error" in statuses(path).values()
    done = repair(path, busy=1.0)
    after = answers_in(path)
    assert spared <= set(after), "what stands on sound pages comes back"
    assert all(after[id] == before[id] for id in after), "and nothing comes back changed"
    assert [Path(file).read_bytes() for file in done.read] == [bytes(content)], "the damaged file is kept whole"
    assert statuses(path)["pages"] == statuses(path)["search"] == statuses(path)["records"] == "ok"
    again = repair(path, busy=1.0)
    assert not any(again.rows.values()), "repairing twice brings nothing twice"


def _touched(id: str, content: bytes) -> bool:
    """Whether a short row's own words are gone; long rows count, because their chains may pass through any page."""
    number = id.removeprefix("q-")
    return not number.isdigit() or int(number) % 10 == 0 or f'"label {number} "'.encode() not in content


@pytest.mark.parametrize("damage", ["the header", "the first half", "text in its place"])
def test_a_file_without_its_header_gives_its_rows_back(path: Path, damage: str) -> None:
    content = bytearray(path.read_bytes())
    half = len(content) // 2 // PAGE * PAGE
    if damage == "the header":
        content[:PAGE] = bytes(PAGE)
    elif damage == "the first half":
        content[:half] = bytes(half)
    else:
        content = bytearray(b"not a database at all")
    path.write_bytes(content)
    repair(path, busy=1.0)
    found = answers_in(path)
    assert {"the header": ANSWERS - 2, "the first half": 10, "text in its place": -1}[damage] < len(found)
    assert statuses(path)["pages"] == "ok"


def test_a_session_whose_name_is_lost_is_opened_under_another(path: Path) -> None:
    with sqlite3.connect(path) as raw:
        raw.execute("delete from sessions")
        raw.commit()
        raw.execute("vacuum")
    raw.close()
    assert statuses(path)["references"] == "error"
    content = bytearray(path.read_bytes())
    content[:PAGE] = bytes(PAGE)
    path.write_bytes(content)
    done = repair(path, busy=1.0)
    with open_store(path) as store:
        assert done.adopted == 1
        assert [one.name.startswith("recovered ") for one in store.sessions()] == [True]
        assert len(store.findings()) == 20 and store.findings()[3].note == "note 3"
    assert statuses(path)["references"] == "ok"


def test_what_the_app_put_aside_is_brought_back_into_the_file_it_began(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[:100] = bytes(100)
    path.write_bytes(content)
    with open_store(path) as store:
        assert "sessions repair" in store.notice
        store.save_answer(store.session("whales"), *some_features("new", "after the damage"))
    assert statuses(path)["put aside"] == "warning"
    repair(path, busy=1.0)
    found = answers_in(path)
    assert "new" in found and found["q-7"] == features("label 7 ")
    with open_store(path) as store:
        assert store.strip("pocket", [token.id for token in TOKENS]) is not None


def test_a_file_that_another_program_has_open_is_not_repaired(path: Path) -> None:
    code = "import sys; from sessions import open_store; from pathlib import Path\n"
    code += "store = open_store(Path(sys.argv[1])); print('open', flush=True); sys.stdin.readline()"
    other = script(code, str(path))
    assert other.stdout is not None and other.stdin is not None
    assert other.stdout.readline() == "open\n"
    with pytest.raises(StoreError, match="Another program has the session file"):
        repair(path, busy=0.1)
    other.communicate("\n")
    assert repair(path, busy=1.0).read == ()


def test_garbage_is_no_row() -> None:
    chance = random.Random(1)
    for _ in range(2000):
        row = tuple(chance.choice((None, 1, "x", "{", b"x")) for _ in range(chance.choice((3, 5, 8, 16))))
        name = table_of(row)
        assert name is None or all(value is None or not isinstance(value, bytes) for value in row)


def test_random_bytes_are_read_without_a_fault(tmp_path: Path) -> None:
    chance = random.Random(2)
    for number in range(40):
        file = tmp_path / f"{number}.db"
        pages = [bytes([13]) + chance.randbytes(PAGE - 1) for _ in range(5)]
        file.write_bytes(b"".join(pages))
        assert isinstance(list(Pages(file).rows()), list)


def test_a_backup_is_whole_while_the_file_is_written(path: Path, tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path\nfrom session_tools import some_features\n"
    code += "from sessions import open_store\n"
    code += "store = open_store(Path(sys.argv[1])); s = store.session('busy'); print('go', flush=True)\n"
    code += "for n in range(100000):\n    store.save_answer(s, *some_features(f'w-{n}', 'x'))"
    writer = script(code, str(path))
    assert writer.stdout is not None
    writer.stdout.readline()
    try:
        copy = backup(path, tmp_path / "copy.db")
    finally:
        writer.kill()
        writer.communicate()
    assert set(statuses(copy).values()) == {"ok"}
    assert {f"q-{n}" for n in range(ANSWERS)} <= set(answers_in(copy))


def test_a_backup_is_never_written_over_and_a_damaged_file_is_not_copied(path: Path, tmp_path: Path) -> None:
    first = backup(path)
    assert first.parent == path.parent and first.name.startswith("sessions-") and first.stat().st_mode & 0o077 == 0
    with pytest.raises(BadInput, match="is there already"):
        backup(path, first)
    with pytest.raises(BadInput, match="no session file"):
        backup(tmp_path / "none.db")
    with pytest.raises(StoreError, match="could not be copied"):
        backup(path, tmp_path / "nowhere" / "copy.db")
    assert not list(tmp_path.glob(".*"))


def test_the_commands_say_what_they_did(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = paths.data_folder()
    home.mkdir(parents=True)
    shutil.copy(path, home / "sessions.db")
    assert main(["sessions", "check"]) == 0
    assert "is whole" in capsys.readouterr().out
    assert main(["sessions", "backup", str(home / "b.db"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bytes"] == (home / "b.db").stat().st_size
    assert main(["sessions", "repair"]) == 0
    assert "nothing to repair" in capsys.readouterr().out
    content = bytearray((home / "sessions.db").read_bytes())
    content[PAGE : 3 * PAGE] = bytes(2 * PAGE)
    (home / "sessions.db").write_bytes(content)
    assert main(["sessions", "check", "--json"]) == 6
    assert any(row["status"] == "error" for row in json.loads(capsys.readouterr().out)["checks"])
    assert main(["sessions", "repair"]) == 0
    said = capsys.readouterr().out
    assert "Brought back" in said and "answers" in said and "kept as they are" in said
    assert main(["sessions", "check"]) == 0
    assert main(["sessions", "check", str(home / "none.db")]) == 2
    assert main(["sessions", "whales", "stray"]) == 2


def test_a_store_opened_on_the_repaired_file_searches_it(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[PAGE : 2 * PAGE] = bytes(PAGE)
    path.write_bytes(content)
    repair(path, busy=1.0)
    with open_store(path) as store:
        assert isinstance(store, Store)
        assert [saved.id for saved in store.answers(search='"label 33')] == ["q-33"]
