"""The language of sources: what is printed parses to the same source, and what is wrong is pointed at."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from investigator import expressions
from investigator.expressions import ExpressionError, Names, complete, parse, show
from investigator.sources import (
    Ablated,
    Decoder,
    Difference,
    Mapped,
    Mean,
    Prompted,
    Random,
    Residual,
    Source,
    Stored,
    Sum,
    Weighted,
)

names = st.one_of(st.sampled_from(["", "pocket", "a-b", "L3", "L8-A", "sae", "mean", "x.y"]), st.text(max_size=6))
some_name = names.filter(bool)
layers = st.integers(-1, 60)
positions = st.integers(-20, 20)
ends = st.none() | st.integers(-20, 20)
floats = st.floats(allow_nan=False, allow_infinity=False)
latents = st.lists(st.integers(-3, 99_999), min_size=1, max_size=4).map(tuple)
leaf = st.one_of(
    st.builds(Residual, names, st.lists(st.integers(0, 99_999), max_size=5).map(tuple), layers, positions, ends),
    st.builds(Prompted, st.text(max_size=20), names, layers, positions, ends),
    st.builds(Decoder, names, st.integers(-3, 99_999)),
    st.builds(Mean, names, layers),
    st.builds(Random, names, layers, st.integers(-5, 2**40)),
    st.builds(Stored, st.text(max_size=20), st.text(max_size=5), st.integers(-3, 99), names, layers),
)
sources = st.recursive(
    leaf,
    lambda inside: st.one_of(
        st.builds(Difference, inside, inside),
        st.lists(st.builds(Weighted, floats, inside), min_size=1, max_size=4).map(lambda terms: Sum(tuple(terms))),
        st.builds(Ablated, inside, names, latents),
        st.builds(Mapped, inside, some_name, floats),
    ),
    max_leaves=6,
)


@settings(max_examples=400, deadline=None)
@given(sources)
def test_a_printed_source_parses_to_itself(source: Source) -> None:
    assert repr(parse(show(source))) == repr(source)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet='A"L3#@/.,-+*()[]:sae fileman0195=\\`', max_size=40))
def test_any_line_is_a_source_or_a_sentence_with_its_place(line: str) -> None:
    try:
        source = parse(line)
    except ExpressionError as error:
        assert str(error).endswith(".") and 0 <= error.at <= len(line)
        return
    assert repr(parse(show(source))) == repr(source)


def one(latent: int) -> Weighted:
    return Weighted(1.0, Decoder("l3", latent))


A, B = Prompted("text", "A", 8), Prompted("other", "A", 8)


@pytest.mark.parametrize(
    ("line", "source"),
    [
        ('A:"text"@-1/L8 - A:"other"@-1/L8', Difference(A, B)),
        ('"text"', Prompted("text")),
        ('"text"@3..7', Prompted("text", position=3, end=7)),
        ('"text"@3../L2', Prompted("text", "", 2, 3, 0)),
        ('"text"@..', Prompted("text", "", -1, 0, 0)),
        ("[5, 6, 7]@1..", Residual("", (5, 6, 7), -1, 1, 3)),
        ("sae:l3#1234", Decoder("l3", 1234)),
        ("l3#1234", Decoder("l3", 1234)),
        ("mean(L3)", Mean("", 3)),
        ("random(A:L3, seed=1)", Random("A", 3, 1)),
        ('ablate(A:"text"@-1/L8, l3#12, l3#40)', Ablated(A, "l3", (12, 40))),
        ("0.5 * (l3#1 + l3#2)", Sum((Weighted(0.5, Sum((one(1), one(2)))),))),
        ("l3#1-l3#2-l3#3", Sum(tuple(Weighted(w, Decoder("l3", i)) for w, i in ((1.0, 1), (-1.0, 2), (-1.0, 3))))),
        ('file("x.safetensors", "key", 3)', Stored("x.safetensors", "key", 3)),
        ('file("x.npy", 3, A:L8)', Stored("x.npy", "", 3, "A", 8)),
        ('map(a-to-b, A:"text"@-1/L8, wash=0.3)', Mapped(A, "a-to-b", 0.3)),
        ('"x"/L8-A:"other"/L8', Difference(Prompted("x", "", 8), B)),
    ],
)  # fmt: skip
def test_each_form_means_what_the_page_says(line: str, source: Source) -> None:
    assert parse(line) == source
    assert parse(show(source)) == source


@pytest.mark.parametrize(
    ("line", "at", "word"),
    [
        ("", 0, "missing"),
        ('("text"@-1/L3', 0, "missing for the bracket"),
        ('"text")', 6, "closes no bracket"),
        ('"text', 0, "closing quote"),
        ("“text”", 0, "straight double quotes"),
        ("text", 0, "alone is no source"),
        ('ablate("text")', 13, "No latent"),
        ('ablate("text", l3#1, l2#2)', 21, "two SAEs"),
        ("steer(l3#1)", 0, "no function"),
        ('"a" "b"', 4, "without a sign"),
        ('"a" * 0.5', 4, "before what it weighs"),
        ('"a" / 2', 6, "layer is missing"),
        ('"a"@x', 4, "no position"),
        ("0.5", 3, "weighs a source"),
        ("1e999 * l3#1", 0, "too large"),
        ("l3#99999999999999999999", 3, "too large"),
        ("l3#1 +", 6, "missing"),
        ('"\\q"', 0, "escape"),
        ("(" * 10_000, 16, "too deep"),
        ("+".join(["l3#1"] * 2_000), 324, "at most 64 parts"),
        ("x" * 10_000, 0, "alone is no source"),
        ("\x1b[31m", 0, "means nothing"),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_what_is_wrong_is_said_with_its_place(line: str, at: int, word: str) -> None:
    with pytest.raises(ExpressionError, match=word) as raised:
        parse(line)
    assert raised.value.at == at
    if line:
        above, below = raised.value.picture.split("\n")
        assert "\x1b" not in above and below.strip() == "^"


def test_the_caret_stands_under_its_place() -> None:
    with pytest.raises(ExpressionError) as raised:
        parse('ablate("a 日", l3#1, l2#2)')
    above, below = raised.value.picture.split("\n")
    # The wide character takes two cells of a terminal and one of the text.
    assert above[below.index("^") - 1 :].startswith("l2#2")


def test_records_of_before_the_algebra_still_decode() -> None:
    residual = '{"kind":"residual","subject":"p","token_ids":[1,2],"layer":3,"position":-1,"end":null}'
    old = f'{{"kind":"difference","left":{residual},"right":{residual}}}'
    place = Residual("p", (1, 2), 3, -1)
    assert msgspec.json.decode(old, type=Source) == Difference(place, place)
    assert msgspec.json.encode(place).decode() == residual


BENCH = Names(subjects=(("pocket", 6, 3), ("other", 4, 2)), saes=("l3", "l2"), maps=("a-to-b",))


@pytest.mark.parametrize(
    ("line", "first"),
    [
        ('"text"', '"text"@-1/L3'),
        ('other:"text"', 'other:"text"@-1/L2'),
        ('"text"@-1/', '"text"@-1/L3'),
        ('"text"@', '"text"@-1'),
        ("ab", "ablate("),
        ('ablate("x"@-1/L3, ', 'ablate("x"@-1/L3, l3#'),
        ("sae:", "sae:l3#"),
        ("oth", 'other:"'),
        ("mean(", "mean(L3"),
        ("map(", "map(a-to-b, "),
        ("l3#1 - ra", "l3#1 - random("),
    ],
)
def test_a_line_is_completed(line: str, first: str) -> None:
    assert complete(line, BENCH)[0] == first


def test_nothing_is_completed_inside_a_text() -> None:
    assert complete('"the map', BENCH) == ()


def test_every_name_of_the_package_is_there() -> None:
    assert all(hasattr(expressions, name) for name in expressions.__all__)
