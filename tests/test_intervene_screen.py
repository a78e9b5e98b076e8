"""The intervention screen and the prompt line's expressions, by real keys over the fake backend."""

from typing import Any

import pytest
from bench_pilot import NARROW, WIDE, Bench, bench, press, text, the, until

from fake_backend import FakeBackend
from investigator import wire
from investigator.expressions import ExpressionError, Names, parse
from investigator.records import DoseRow, Intervened, Likely, Mover, Result, Shift
from investigator.sources import Decoder, Difference, Prompted
from investigator.wire import Intervene, Open, RankLabels, ShowFeatures, Verb
from screens import changes
from screens.changes import Change
from screens.intervene import InterveneScreen
from sessions import open_store

SIZES = pytest.mark.parametrize("size", [WIDE, NARROW])
HOSTILE = "\x1b]0;owned\x07[bold]"


class Changing(FakeBackend):
    """The fake backend, answering interventions."""

    def _answer(self, verb: Verb) -> Result:
        if not isinstance(verb, Intervene):
            return super()._answer(verb)
        doses = verb.doses or (0.0, 1.0)
        shifts = tuple(Shift(said, -3.0, -0.5, (-0.1, 0.1)) for said in verb.hypotheses)
        rows = tuple(
            DoseRow(dose, 9.0 * dose, 0.25 * dose, (0.1 * dose, 0.12 * dose), (Mover(HOSTILE, 0.1, 0.4),), (),
                    f"written {HOSTILE}", 2, ("alike",), (4,), shifts)
            for dose in doses
        )  # fmt: skip
        return Intervened("tiny", 2, 1, 30.0, (Likely("x", 0.5),), "written before", rows, "mapper", 2, 5)


def screen(pilot: Bench) -> InterveneScreen:
    found = pilot.app.screen
    assert isinstance(found, InterveneScreen)
    return found


async def type_in(pilot: Bench, line: str) -> None:
    await press(pilot, "end", "ctrl+u", *line, "enter")


async def shows(pilot: Bench, *words: str) -> None:
    await until(pilot, lambda: all(word in text(pilot) for word in words))


def changes_asked(backend: FakeBackend) -> list[Any]:
    return list(backend.verbs("intervene"))


@SIZES
async def test_x_ablates_the_selected_feature_at_the_cursor(size: tuple[int, int]) -> None:
    backend = Changing()
    async with bench(backend, size) as pilot:
        await press(pilot, "down")
        latent = int(the(pilot).features.table.current.key)
        place = the(pilot).place.residual
        await press(pilot, "x")
        await until(pilot, lambda: pilot.app.current_mode == "intervene" and bool(screen(pilot).table.rows))
        sae = pilot.app.book.saes[0].name
        assert changes_asked(backend) == [Intervene(place, (latent,), sae)]
        await press(pilot, "down")
        await shows(pilot, "dose 1", "0.250", "0.110 (0.100 to 0.120)", "written")
        assert "\x1b" not in text(pilot)


async def test_a_change_is_typed_and_what_is_wrong_is_pointed_at() -> None:
    backend = Changing()
    async with bench(backend) as pilot:
        await press(pilot, "I")
        await shows(pilot, "Type `ablate l3#12`")
        await press(pilot, "i")
        await type_in(pilot, "add 0.5 * (l3#1")
        await shows(pilot, "A ) is missing")
        assert not changes_asked(backend)
        await until(pilot, lambda: pilot.app.focused is not None and pilot.app.focused.id == "change-input")
        await type_in(pilot, 'add "a" - "b"')
        await until(pilot, lambda: len(changes_asked(backend)) == 1)
        assert changes_asked(backend)[0].add == Difference(Prompted("a"), Prompted("b"))


async def test_doses_hypotheses_and_extent_ask_again() -> None:
    backend = Changing()
    async with bench(backend) as pilot:
        await press(pilot, "x")
        await until(pilot, lambda: len(changes_asked(backend)) == 1)
        await press(pilot, "d")
        await type_in(pilot, "0 x")
        await shows(pilot, "Doses are numbers")
        await press(pilot, "d")
        await type_in(pilot, "0 3")
        await until(pilot, lambda: len(changes_asked(backend)) == 2)
        await press(pilot, "h")
        await type_in(pilot, "ports | the sea")
        await until(pilot, lambda: len(changes_asked(backend)) == 3)
        await press(pilot, "l")
        await until(pilot, lambda: len(changes_asked(backend)) == 4)
        last = changes_asked(backend)[-1]
        assert (last.doses, last.hypotheses, last.later) == ((0.0, 3.0), ("ports", "the sea"), True)
        await press(pilot, "down")
        await shows(pilot, "all later ones", "the sea", "-0.500 to -3.000")
        await press(pilot, "left")
        await shows(pilot, "stale")
        await press(pilot, "x")
        await until(pilot, lambda: changes_asked(backend)[-1].source.position == last.source.position - 1)


async def test_a_dose_is_kept_and_opened_again_from_the_notebook(tmp_path: Any) -> None:
    backend, store = Changing(), open_store(tmp_path / "s.db")
    async with bench(backend, store=store) as pilot:
        await until(pilot, lambda: pilot.app.session is not None)
        await press(pilot, "x")
        await until(pilot, lambda: bool(screen(pilot).table.rows) and not screen(pilot).work.active)
        await press(pilot, "down", "s")
        await until(pilot, lambda: len(store.findings()) == 1)
        assert store.findings()[0].row_key == "DoseRow:1"
        assert "dose 1: KL 0.250" in store.findings()[0].title
        await press(pilot, "w")
        await shows(pilot, "Without the change")
        await press(pilot, "escape", "N", "enter")
        await until(pilot, lambda: pilot.app.current_mode == "intervene")
        assert len(changes_asked(backend)) == 1
        page = screen(pilot).export_text("doses")
        assert "| 1 |" in page and "\x1b" not in page


@SIZES
async def test_an_expression_on_the_prompt_line_is_read_in_every_pane(size: tuple[int, int]) -> None:
    backend = Changing()
    async with bench(backend, size) as pilot:
        await press(pilot, "i")
        await type_in(pilot, '= "one two"@-1/L3 - "three"@-1/L3')
        source = parse('"one two"@-1/L3 - "three"@-1/L3')
        await until(pilot, lambda: any(verb == ShowFeatures(source) for verb in backend.verbs("features")))
        await until(pilot, lambda: any(verb == RankLabels(source) for verb in backend.verbs("labels")))
        assert backend.verbs("open")[-1] == Open(prompt="one two")
        await shows(pilot, "reads the expression")
        await press(pilot, "h")
        await type_in(pilot, "ports")
        await until(pilot, lambda: bool(backend.verbs("test")))
        asked = backend.verbs("test")[-1]
        assert isinstance(asked, wire.Test) and (asked.sources, asked.scope) == ((source,), "position")
        await press(pilot, "1", "left")
        assert the(pilot).place.given is None
        await until(pilot, lambda: "reads the expression" not in text(pilot))


async def test_a_single_place_is_gone_to_and_a_bare_direction_keeps_the_prompt() -> None:
    backend = Changing()
    async with bench(backend) as pilot:
        await press(pilot, "i")
        await type_in(pilot, '= "one two three"@1..3/L2')
        await until(pilot, lambda: the(pilot).place.opened.prompt == "one two three")
        place = the(pilot).place
        assert (place.span, place.layer, place.given) == ((1, 3), 2, None)
        await press(pilot, "i")
        await type_in(pilot, f"= {pilot.app.book.saes[0].name}#7")
        await until(pilot, lambda: the(pilot).place.given == Decoder(pilot.app.book.saes[0].name, 7))
        assert the(pilot).place.opened.prompt == "one two three"
        await press(pilot, "escape")
        assert the(pilot).place.given is None


async def test_what_is_wrong_on_the_prompt_line_is_pointed_at_and_a_backslash_means_a_prompt() -> None:
    backend = Changing()
    async with bench(backend) as pilot:
        opened = len(backend.verbs("open"))
        await press(pilot, "i")
        await type_in(pilot, '= ablate("a")')
        await shows(pilot, "No latent to ablate")
        assert len(backend.verbs("open")) == opened
        await until(pilot, lambda: pilot.app.focused is the(pilot).prompt_bar.input)
        assert the(pilot).prompt_bar.input.cursor_position == len('= ablate("a"')
        await type_in(pilot, "\\= a sign")
        await until(pilot, lambda: backend.verbs("open")[-1] == Open(prompt="= a sign"))


async def test_tab_completes_an_expression() -> None:
    async with bench(Changing()) as pilot:
        await press(pilot, "i", "ctrl+u", *'= "one"')
        await press(pilot, "tab")
        layer = pilot.app.book.subjects[0].layer
        assert the(pilot).prompt_bar.input.value == f'= "one"@-1/L{layer}'


NAMES = Names((("p", 4, 3),), ("l3", "big sae"))


@pytest.mark.parametrize(
    ("line", "change"),
    [
        ("ablate l3#12, l3#40", Change((12, 40), "l3")),
        ("ablate #3", Change((3,))),
        ("l3#12", Change((12,), "l3")),
        ("ablate `big sae`#1", Change((1,), "big sae")),
        ('add "a" - "b"', Change(add=Difference(Prompted("a"), Prompted("b")))),
        ("add l3#12", Change(add=Decoder("l3", 12))),
    ],
)
def test_changes_are_read_and_written(line: str, change: Change) -> None:
    assert changes.parse(line) == change
    assert changes.parse(change.words) == change


@pytest.mark.parametrize(("line", "at"), [("ablate l3#1, l2#2", 13), ("ablate ", 6), ("add (", 4), ("ablate l3", 9)])
def test_what_is_wrong_in_a_change_has_its_place(line: str, at: int) -> None:
    with pytest.raises(ExpressionError) as raised:
        changes.parse(line)
    assert abs(raised.value.at - at) <= 1


def test_a_change_is_completed() -> None:
    assert changes.complete("a", NAMES)[:2] == ("ablate ", "add ")
    assert changes.complete("ablate ", NAMES)[0] == "ablate l3#"
    assert changes.complete("ablate l3#1, ", NAMES)[0] == "ablate l3#1, l3#"
    assert changes.complete('add "x"', NAMES) == ('add "x"@-1/L3',)
