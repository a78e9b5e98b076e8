"""Agreement of texts as tables: the pairs, and what their cosines are set beside."""

from __future__ import annotations

from investigator.records import Agreed, AgreementRow
from investigator.table import Table, number

COLUMNS = (">cosine", ">p", "agree", "text", "other text")


def cells(row: AgreementRow) -> tuple[str, ...]:
    """Return the cells of `COLUMNS`."""
    return (number(row.cosine), number(row.p), "yes" if row.agrees else "no", row.left, row.right)


def words(found: Agreed) -> str:
    """Return how many pairs agree, and how many would by chance, in a sentence."""
    of = f"{found.agreeing:,} of {found.compared:,} pairs agree"
    return f"{of}; {found.compared * found.share:.2g} would by chance, were the texts paired at random"


def threshold_words(found: Agreed) -> str:
    """Return what the threshold is and where it comes from, in a sentence."""
    pairs = f"{found.pairs:,} pairs of {found.labels:,} labels"
    return f"cosine above {found.threshold:.3f}: at most {found.share:.3g} of {pairs} reach that"


def of_result(found: Agreed) -> Table:
    """Return what the pairs are set beside."""
    rows = (("embedder", found.embedder), ("threshold", threshold_words(found)), ("agreeing", words(found)))
    return Table("Agreement", ("figure", "value"), (*rows, *((("note", found.note),) if found.note else ())))
