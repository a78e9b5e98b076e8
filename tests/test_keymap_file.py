"""The keymap file: what it moves, what it gets wrong, and that no wrong line stops the app."""

from pathlib import Path

import pytest
from screen_tools import stage

from screens import keymap, keys
from screens.modals import SessionChooser


def moved(text: str, tmp_path: Path) -> keymap.Keymap:
    file = tmp_path / "keymap.toml"
    file.write_text(text, encoding="utf-8")
    return keymap.load(file)


def test_no_file_moves_nothing(tmp_path: Path) -> None:
    assert keymap.load(tmp_path / "keymap.toml") == keymap.Keymap({})
    assert keymap.keymap_file().name == "keymap.toml"


def test_ids_are_quoted_or_nested_and_keys_one_or_several(tmp_path: Path) -> None:
    found = moved('"bench.keep" = "k"\n[bench]\nwhy = ["z", "f9"]\n[notebook]\nnote = "m, f8"\n', tmp_path)
    assert found == keymap.Keymap({"bench.keep": "k", "bench.why": "z,f9", "notebook.note": "m,f8"})


def test_two_actions_may_swap_their_keys(tmp_path: Path) -> None:
    assert moved('[bench]\nkeep = "w"\nwhy = "s"\n', tmp_path).moved == {"bench.keep": "w", "bench.why": "s"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[bench]\nkep = "k"', "Did you mean bench.keep?"),
        ('[bench]\nkeep = "w"', "which bench.why has"),
        ('[bench]\nkeep = "N"', "which app.notebook has"),
        ('[app]\nnotebook = "s"', "has. app.notebook keeps its own"),
        ("[bench]\nkeep = 3", "gives bench.keep no key"),
        ("[bench]\nkeep = []", "gives bench.keep no key"),
        ('[zoo]\n"\\u001b[red]" = "k"', "which is no action"),
        ("[bench\nkeep", "cannot be read"),
    ],
)
def test_what_cannot_be_used_is_a_sentence_and_moves_nothing(text: str, words: str, tmp_path: Path) -> None:
    found = moved(text, tmp_path)
    assert found.moved == {}
    assert len(found.troubles) == 1 and words in found.troubles[0]
    assert "\x1b" not in found.troubles[0]


def test_a_file_that_is_no_text_or_a_folder_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "keymap.toml").write_bytes(b"\xff\xfe\x00")
    assert "cannot be read" in keymap.load(tmp_path / "keymap.toml").troubles[0]
    assert keymap.load(tmp_path) == keymap.Keymap({})


def test_the_defaults_do_not_clash() -> None:
    for action in keys.ACTIONS:
        assert keymap.check({action.id: list(action.keys)}) == keymap.Keymap({action.id: ",".join(action.keys)})


async def test_a_moved_key_works_the_old_one_is_dead_and_help_and_footer_say_so() -> None:
    async with stage(keymap={"notebook.session": "Z"}) as made:
        await made.press("N")
        await made.shows("session")
        await made.press("o")
        assert not isinstance(made.app.screen, SessionChooser)
        assert "Z session" in made.text()
        await made.press("question_mark")
        await made.shows("notebook.session")
        await made.press("escape", "Z")
        await made.until(lambda: isinstance(made.app.screen, SessionChooser))


async def test_a_keymap_with_a_mistake_is_told_once_and_its_other_lines_work(own_home: Path) -> None:
    (own_home / "config").mkdir()
    (own_home / "config" / "keymap.toml").write_text('[notebook]\nsession = "Z"\nnote = "d"\nkepp = "k"\n')
    found = keymap.load()
    async with stage(keymap=found.moved, troubles=found.troubles) as made:
        await made.tells("Did you mean notebook.keep?")
        await made.tells("which notebook.drop has")
        await made.press("N", "Z")
        await made.until(lambda: isinstance(made.app.screen, SessionChooser))
