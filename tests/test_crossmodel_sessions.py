"""A stored comparison: found by its words, exported escaped, asked again by its command, replayed."""

from __future__ import annotations

from typing import Any

import pytest
from screen_tools import saved
from two_models import TwoModels

from fake_backend import tokens_of
from investigator import cli
from investigator.commands import compare as command_module
from investigator.records import Compared
from investigator.sources import Decoder, Residual
from investigator.wire import Compare, Open
from sessions import open_store
from sessions.markdown import export_markdown
from sessions.replay import compare as held_against
from sessions.replay import question_of, why_not
from sessions.reproduce import arguments

PROMPT = "Several whales | surfaced"


async def kept(store: Any, verb: Compare, backend: TwoModels) -> Any:
    session = store.session("tests")
    await saved(store, session, Open(prompt=PROMPT), backend)
    return await saved(store, session, verb, backend)


def source() -> Residual:
    return Residual("pocket", tuple(token.id for token in tokens_of(PROMPT)), 3, 2)


async def test_its_texts_are_found_and_exported_as_text() -> None:
    store, backend = open_store(), TwoModels()
    backend.first = "[bold]names[/] of <b>cities</b> | `x`"
    answer = await kept(store, Compare(source(), "to-gpt2", controls=True), backend)
    session = store.session("tests")
    assert [one.id for one in store.answers(session, "towns sea")] == [answer.id]
    text = export_markdown(store, session)
    assert "washed (C2)" in text or "washed \\(C2\\)" in text
    assert "control: permuted map" in text
    assert "<b>cities" not in text
    assert "shuffled pairs" in text
    assert "investigator compare" in text


@pytest.mark.parametrize(
    "verb",
    [
        Compare(source(), "to-gpt2", 0.3, ("l2el-gpt2",), "mapper-3", ("drawn",), 7, 0.5, 0.8, 12, 2, 5, True, 4),
        Compare(Decoder("pocket-l3", 12), "to-gpt2", 0.5, ("l2el-gpt2",), "mapper-3"),
    ],
)
async def test_its_command_asks_the_very_same(verb: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = await kept(open_store(), verb, TwoModels())
    words = arguments(answer)
    options = cli.build_parser(("compare",)).parse_args(words)
    asked: list[Compare] = []

    class Desk:
        def __enter__(self) -> Desk:
            return self

        def __exit__(self, *_: object) -> None:
            return None

        def source(self, options: Any) -> Any:
            if options.source:
                return options.source[0], None
            return Residual(options.subject, source().token_ids, options.layer, options.token), None

        def ask(self, question: Compare) -> None:
            asked.append(question)

    monkeypatch.setattr(command_module, "desk", lambda options: Desk())
    monkeypatch.setattr(command_module, "print_answer", lambda answer, json: None)
    command_module.run(options)
    found = asked[0]
    if isinstance(verb.source, Residual):
        assert found == verb
    else:
        assert (found.map, found.readers, found.own, found.methods) == (verb.map, verb.readers, verb.own, verb.methods)


async def test_it_is_replayed_and_what_differs_is_named() -> None:
    store, backend = open_store(), TwoModels()
    answer = await kept(store, Compare(source(), "to-gpt2", controls=True), backend)
    assert not why_not(answer)
    assert isinstance(answer.result, Compared)
    again = await kept(store, question_of(answer), TwoModels())  # type: ignore[arg-type]
    assert held_against(answer, again.answer(), 1e-4).rows == ()
    other = TwoModels()
    other.first = "numbers above ten"
    changed = await kept(store, question_of(answer), other)  # type: ignore[arg-type]
    assert any("readings" in one.path for one in held_against(answer, changed.answer(), 1e-4).rows)
