"""Fidelity where it is read: in front of a text in tables, in the bench, in a copied line and in the why sheet."""

from __future__ import annotations

from investigator import fidelity, tables
from investigator.records import ExplanationRow, Explanations, Fidelity, FidelityControl, Score
from screens import bench_rows, why

FOUND = Fidelity(
    fve=0.62,
    cosine=0.893,
    controls=(
        FidelityControl("mean vector", 0.66, -0.2),
        FidelityControl("random text", 0.5, -0.78, 16),
        FidelityControl("shuffled words", 0.87, 0.54),
    ),
    variance=0.563,
    baseline="directions of 512 background activations of layer 3",
)


def _row(found: Fidelity | None) -> ExplanationRow:
    return ExplanationRow("text about water", Score(score=-1.0, tokens=4), count=2, rank=1, fidelity=found)


def test_a_table_has_fidelity_in_front_of_the_text_and_what_it_is_compared_with() -> None:
    result = Explanations("nla", 2, 1, (_row(FOUND),))
    first, behind, *_ = tables.tables_of(result)
    cells = dict(zip(first.columns, first.rows[0], strict=True))
    assert (cells[">fve"], cells[">cos"]) == ("0.620", "0.893")
    assert (cells[">fve shuffled"], cells[">fve random"]) == ("0.540", "-0.780")
    assert first.columns[-1] == "text" and first.columns[-2] == ">fve random"
    assert behind.title == "Fidelity of the first text"
    assert [row[0] for row in behind.rows] == ["the text", "mean vector", "random text", "shuffled words"]
    assert "variance 0.563: directions of 512 background activations of layer 3" in behind.rows[0]


def test_without_a_reconstructor_nothing_is_said_of_it() -> None:
    first, *more = tables.tables_of(Explanations("l2el", 2, 1, (_row(None),)))
    assert not any("fve" in column for column in first.columns)
    assert not any("Fidelity" in table.title for table in more)
    assert fidelity.short(None) == ""


def test_a_failed_fidelity_is_an_error_and_no_number() -> None:
    failed = Fidelity(error="The text has 300 tokens.")
    assert fidelity.cells(failed)[0] == "error"
    assert fidelity.words(failed) == "fidelity failed: The text has 300 tokens."
    assert "fidelity    failed: The text has 300 tokens." in why.why(_row(failed))


def test_the_bench_copies_and_explains_it() -> None:
    assert fidelity.short(FOUND) == "fve 0.62 (shuffled 0.54)"
    assert bench_rows.as_text(_row(FOUND), None).startswith("fve 0.620, cosine 0.893 (mean vector -0.200, ")
    said = why.why(_row(FOUND))
    assert "fidelity    fve +0.620, cosine +0.893" in said
    assert "shuffled words   fve +0.540, cosine +0.870" in said
    assert "fve = 1 - 2 (1 - cosine) / 0.5630, the variance of directions of 512" in said
