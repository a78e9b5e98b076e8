"""Exports: complete, pasteable, inert whatever people and models wrote, and every command asks the same again."""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token as MarkdownToken
from session_tools import HOSTILE, PROMPT, an_open, answered, features, opened, some_features, source

from fake_backend import FakeBackend
from investigator import cli, wire
from investigator.events import fold
from investigator.records import Token
from investigator.sources import Decoder, Mean, Random, Residual
from investigator.text import inert
from investigator.wire import Explain, Failed, Open, Question, RankLabels, ShowFeature, ShowFeatures, ShowLens
from sessions import Session, Store, export_json, export_markdown, open_store
from sessions.reproduce import command

INERT = {"text", "strong_open", "strong_close", "softbreak"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "sessions.db") as opened_store:
        yield opened_store


@pytest.fixture
def session(store: Store) -> Session:
    return store.session("whales")


def parsed(text: str) -> list[MarkdownToken]:
    return MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(text)


def shape(tokens: list[MarkdownToken]) -> list[str]:
    return [token.type for token in tokens if token.type != "inline"]


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_people_and_models_wrote_is_only_ever_text(store: Store, text: str) -> None:
    def export(words: str, name: str) -> str:
        session = store.session(name)
        tokens = (Token(1, words, True), Token(hash(words) % 1000, words))
        question = Open(words)
        store.save_answer(session, *answered(f"{name}-open", question, opened(words, tokens)))
        place = msgspec.structs.replace(source(1), token_ids=tuple(token.id for token in tokens))
        store.save_answer(session, *answered(f"{name}-f", ShowFeatures(place, filter=words), features(words)))
        failed = fold(f"{name}-x", [Failed("score", words, words, n=0)])
        store.save_answer(session, Question(f"{name}-x", "t", ShowFeatures(place)), failed)
        store.keep(session, f"{name}-f", row_key="0", title=words, note=" ".join(words.splitlines()), tags=(words,))
        return export_markdown(store, session)

    clean = text.encode("utf-8", "replace").decode().replace("\0", "")
    hostile, usual = parsed(export(clean, "hostile")), parsed(export("plain words", "plain"))
    assert shape(hostile) == shape(usual)
    for token in hostile:
        if token.type == "inline":
            assert {child.type for child in token.children or ()} <= INERT | {"text_special"}
    shown = "".join(child.content for token in hostile for child in token.children or ())
    assert inert(clean) in shown
    written = export_markdown(store, store.session("hostile"))
    assert all(char == "\n" or inert(char) == char for char in written)


def test_an_export_reads_as_a_person_would_write_it(store: Store, session: Session) -> None:
    store.save_answer(session, *an_open())
    store.save_answer(session, *some_features("q-1", "names of cities", position=4))
    store.keep(session, "q-1", row_key="0", title="Cities", note="One.\n\nTwo.", tags=("geo", "port"))
    text = export_markdown(store, session)
    assert text.startswith("# whales\n")
    assert "### Cities\n\nTags: geo, port\n\nOne\\.\n\nTwo\\." in text
    assert "Tokens 0 to 4: &lt;bos&gt;│The│ harbour│ of│**\\[Lisbon\\]**" in text
    assert "| 0 | 8.000 | 3.00 | 0.1% | names of cities |" in text
    assert f"investigator features '{PROMPT}' --subject pocket --token 4 --layer 3" in text
    assert "subject: pocket" in text and "torch 2\\.13" in text and "0011223344556677" in text


def test_a_span_is_bracketed_as_one(store: Store, session: Session) -> None:
    store.save_answer(session, *an_open())
    store.save_answer(session, *answered("q-1", ShowFeatures(source(1, 3)), features("a")))
    text = export_markdown(store, session)
    assert "│**\\[The\\]**│**\\[harbour\\]**│ of" in text
    assert "features at tokens 1:3 “The harbour”, layer 3" in text
    assert "--token 1:3" in text


def test_findings_alone_leave_the_other_answers_out(store: Store, session: Session) -> None:
    store.save_answer(session, *some_features("q-1", "kept"))
    store.save_answer(session, *some_features("q-2", "left out"))
    store.keep(session, "q-1", title="Kept")
    text = export_markdown(store, session, findings_only=True)
    assert "kept" in text and "left out" not in text


def test_a_prompt_opened_again_and_again_is_shown_once(store: Store, session: Session) -> None:
    for n in range(3):
        store.save_answer(session, *an_open(f"open-{n}"))
        store.save_answer(session, *some_features(f"q-{n}", f"label {n}"))
    text = export_markdown(store, session)
    assert text.count("**Likely next**") == 1 and all(f"label {n}" in text for n in range(3))


def test_long_tables_end_with_how_much_is_left_out(store: Store, session: Session) -> None:
    store.save_answer(session, *some_features("q-1", *(f"label {n}" for n in range(80))))
    text = export_markdown(store, session, rows=50)
    assert "label 49" in text and "label 50" not in text and "30 more rows are in the JSON export." in text


def test_the_json_export_holds_everything(store: Store, session: Session) -> None:
    store.save_answer(session, *an_open())
    store.save_answer(session, *some_features("q-1", "names of cities"))
    finding = store.keep(session, "q-1", title="Cities", note="n", tags=("a",))
    document = msgspec.json.decode(export_json(store, session))
    answers = {answer["id"]: answer for answer in document["answers"]}
    assert answers["q-1"]["result"] == plain(features("names of cities"))
    assert document["strips"][answers["q-1"]["strip"]]["prompt"] == PROMPT
    assert document["findings"] == [plain(finding)]
    assert answers["q-1"]["provenance"]["libraries"] == {"torch": "2.13"}


def plain(record: object) -> object:
    return msgspec.json.decode(msgspec.json.encode(record))


def test_verdicts_controls_hits_and_contrasts_are_exported(store: Store, session: Session) -> None:
    async def keep(id: str, verb: wire.Verb) -> None:
        question = Question(id, "t", verb)
        store.save_answer(session, question, fold(id, [event async for event in FakeBackend().ask(question)]))

    for id, verb in (
        ("test", wire.Test(("ships",), (source(),))),
        ("contrast", wire.Contrast("ships", "ports", source())),
        ("find", wire.Find("references to the sea")),
    ):
        asyncio.run(keep(id, verb))
    store.keep(session, "test", row_key="0:ships", title="Ships")
    text = export_markdown(store, session)
    finding = text.split("## Answers")[0]
    assert "✓ supported" in finding and "**Controls**" in finding and "\\+1\\.07 to \\+1\\.47" in finding
    assert "The left one fits better" in text and "\\+0\\.80 to \\+1\\.20" in text
    assert "the old harbour of\\[ Lisbon\\]" in text and "best of the background" in text and "| 5000 |" in text
    answers = {one["id"]: one for one in msgspec.json.decode(export_json(store, session))["answers"]}
    assert answers["test"]["result"]["rows"][0]["score"]["verdict"] == "supported"
    assert answers["contrast"]["result"]["interval"] == [0.8, 1.2]
    assert answers["find"]["result"]["rows"][0]["tokens"][-1] == " Lisbon"


def test_a_prompt_that_was_never_opened_is_asked_again_by_its_tokens(store: Store, session: Session) -> None:
    store.save_answer(session, *some_features("q-1", "a"))
    assert "--ids 1,20,21,22,23 --subject pocket --token 4" in command(store.answer("q-1"))


def residual(backend: FakeBackend, prompt: str, position: int = -1, end: int | None = None) -> Residual:
    opened_prompt = backend._open(Open(prompt))
    ids = tuple(token.id for token in opened_prompt.tokens)
    return Residual("pocket", ids, 3, position % len(ids), end)


def commands() -> list[tuple[str, Open, wire.Verb]]:
    """Return prompts as they were opened, and a question about each."""
    backend = FakeBackend()
    usual, dashed, hostile = PROMPT, "-x --json", "it's \x1b[31m $HOME `id` \u202eabc\nnew 'quoted' \\ 🙂"
    here = residual(backend, usual)
    found: list[tuple[str, Open, wire.Verb]] = [
        ("open", Open(usual), Open(usual, subject="pocket")),
        ("continue", Open(usual), Open(usual, subject="pocket", continue_tokens=3, seed=7)),
        ("features", Open(usual), ShowFeatures(here, "pocket-l3", "rate", "rate<0.01 'ports'", False, 7)),
        ("span", Open(usual), ShowFeatures(residual(backend, usual, 1, 3))),
        ("feature", Open(usual), ShowFeature(12, "pocket-l3")),
        ("labels", Open(usual), RankLabels(here, "mapper", "score", None, 9, "ports")),
        ("own labels", Open(usual), RankLabels(here, labels=("-dashed", "a 'b'", "\x1b]0;x\x07"))),
        ("decoder", Open(usual), RankLabels(Decoder("pocket-l3", 5))),
        ("explain", Open(usual), Explain(here, "mapper", 9, 0.5, 0.8, 12, 0.4, 5, 11)),
        ("random", Open(usual), Explain(Random("pocket", 3, 4))),
        ("test", Open(usual), wire.Test(("a", "-b", "c 'd'"), (here,), "mapper", "positions")),
        ("test sources", Open(usual), wire.Test(("a",), (Mean("pocket", 3), Decoder("pocket-l3", 1)))),
        ("method", Open(usual), RankLabels(here, "mapper", method="proven", controls=False)),
        ("unjudged", Open(usual), Explain(here, "mapper", controls=False)),
        (
            "phrasings",
            Open(usual),
            wire.Test(
                ("a", "-b", "a=b"),
                (here,),
                "mapper",
                "position",
                True,
                ("{}", "-about {} 'x'", "words: {}"),
                {"a": ("c=d", "e"), "a=b": ("f",), "-b": ("g",)},
                7,
                True,
                5,
            ),
        ),
        ("as typed", Open(usual), wire.Test(("a",), (here,), "mapper", controls=False, templates=())),
        ("contrast", Open(usual), wire.Contrast("-a", "b", here, None, "mapper", ("{}", "of {}"), 3)),
        ("two places", Open(usual), wire.Contrast("a", "a", here, residual(backend, usual, 1, 3), "mapper", ())),
        ("contrast of sources", Open(usual), wire.Contrast("a", "b", Mean("pocket", 3), Decoder("pocket-l3", 1))),
        ("find", Open(usual), wire.Find("-dashed 'text'", "stories", "mapper", 7, True, True, seed=2)),
        ("find plainly", Open(usual), wire.Find("references to the sea")),
        ("lens", Open(usual), ShowLens(here, 3)),
        ("dashes", Open(dashed), ShowFeatures(residual(backend, dashed))),
        ("hostile", Open(hostile), ShowFeatures(residual(backend, hostile))),
        ("standard input", Open("-"), ShowFeatures(residual(backend, "-"))),
        ("doctor", Open(usual), wire.CheckWorkbench()),
    ]
    return found


@pytest.mark.parametrize(("prompt", "verb"), [case[1:] for case in commands()], ids=[case[0] for case in commands()])
def test_the_printed_command_asks_the_very_same_question(
    store: Store, session: Session, prompt: Open, verb: wire.Verb, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = FakeBackend()

    async def both() -> None:
        for id, asked in (("open", prompt), ("q", verb)):
            answer = fold(id, [event async for event in backend.ask(Question(id, "t", asked))])
            store.save_answer(session, Question(id, "t", asked), answer)

    asyncio.run(both())
    line = command(store.answer("q"))
    assert inert(line) == line
    words = subprocess.run(["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True).stdout
    again = FakeBackend()
    again._prompts = backend._prompts
    monkeypatch.setattr("backends.launch.Local", lambda *_, **__: again)
    assert cli.main(words.decode().split("\0")[1:-1]) == 0
    assert same(again.asked[-1].verb, verb)


def same(one: wire.Verb, other: wire.Verb) -> bool:
    """Compare verbs; a prompt stands for its tokens."""
    if isinstance(one, Open) and isinstance(other, Open):
        return (one.prompt, one.continue_tokens, one.seed) == (other.prompt, other.continue_tokens, other.seed)
    return one == other
