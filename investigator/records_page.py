"""The page of every record on the wire, written from the records: `python -m investigator.records_page FILE`.

What a field means stands once, beside the field in the code; this puts it into `docs/records.md`, and a test holds the
page to it.
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from investigator import wire

HEAD = """# Records

Every record on the wire, from the code that reads and writes it (`python -m investigator.records_page docs/records.md`
writes this page). A record of a union carries its tag; a field with a default may be left out; a field that a reader
does not know is ignored. How they travel stands in [the protocol](protocol.md).
"""
GROUPS: tuple[tuple[str, Any], ...] = (
    ("Questions and what carries them", (wire.Question, wire.Handshake, wire.Lease, wire.ServerStatus)),
    ("Verbs", typing.get_args(wire.Verb)),
    ("Events", typing.get_args(wire.Event)),
)
"""Titles and the records that a group begins with; what these hold follows in groups of its own."""


def page() -> str:
    """Return the whole page."""
    known = [kind for _, kinds in GROUPS for kind in kinds]
    rest: list[type] = []
    for kind in known:
        rest += [each for each in _within(kind) if each not in known and each not in rest]
    groups = [*GROUPS, *_sorted(rest)]
    parts = (f"\n## {title}\n\n" + "\n".join(_record(kind) for kind in kinds) for title, kinds in groups)
    return HEAD + "".join(parts)


def _sorted(rest: list[type]) -> list[tuple[str, list[type]]]:
    def tagged(field: str) -> list[type]:
        found = [kind for kind in rest if getattr(kind, "__struct_config__").tag_field == field]  # noqa: B009
        return sorted(found, key=lambda kind: str(tag(kind)))

    results, rows, sources = tagged("result"), tagged("row"), tagged("kind")
    others = sorted((kind for kind in rest if kind not in {*results, *rows, *sources}), key=lambda kind: kind.__name__)
    return [("Sources", sources), ("Results", results), ("Rows", rows), ("Parts of records", others)]


def _within(kind: type, seen: frozenset[type] = frozenset()) -> Iterator[type]:
    """Yield every record that a record's fields can hold, in the order of the fields, itself left out."""
    for field in msgspec.structs.fields(kind):
        for found in _structs(field.type):
            if found not in seen and found is not kind:
                seen |= {found}
                yield found
                for deeper in _within(found, seen):
                    seen |= {deeper}
                    yield deeper


def _structs(annotation: Any) -> Iterator[type]:
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from _structs(inner)


def tag(kind: type) -> str:
    """Return a record's tag, empty where it needs none."""
    found = getattr(kind, "__struct_config__").tag  # noqa: B009
    return str(found or "")


def _record(kind: type) -> str:
    config = getattr(kind, "__struct_config__")  # noqa: B009
    named = f" (`{config.tag_field}`: `{config.tag}`)" if config.tag else ""
    lines = [f"### {kind.__name__}{named}", "", *textwrap.wrap(" ".join((kind.__doc__ or "").split()), 120), ""]
    fields, said = msgspec.structs.fields(kind), _said(kind)
    if fields:
        lines += ["| field | type | default | what |", "|---|---|---|---|"]
        lines += [
            f"| `{one.name}` | {_type(one.type)} | {_default(one)} | {said.get(one.name, '')} |" for one in fields
        ]
        lines.append("")
    return "\n".join(lines)


def _said(kind: type) -> dict[str, str]:
    """Return the sentences under a class's fields."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(tree, ast.ClassDef)
    found: dict[str, str] = {}
    for before, after in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name) and isinstance(after, ast.Expr):
            text = after.value.value if isinstance(after.value, ast.Constant) else ""
            found[before.target.id] = " ".join(str(text).split()).replace("|", "\\|")
    return found


def _type(annotation: Any) -> str:
    """Return a type as JSON has it."""
    plain = {str: "text", int: "integer", float: "number", bool: "true or false", type(None): "null"}
    if annotation in plain:
        return plain[annotation]
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return ", ".join(f"`{value}`" for value in inner)
    if origin in {tuple, list}:
        several = [each for each in inner if each is not Ellipsis]
        fixed = len(several) > 1 or Ellipsis not in inner
        return f"[{', '.join(map(_type, several))}]" if fixed else f"list of {_type(several[0])}"
    if origin is dict:
        return f"object of {_type(inner[1])}"
    if inner:
        kinds = [each for each in inner if each is not type(None)]
        known = {wire.Verb: "a verb", wire.Event: "an event"}.get(annotation)
        words = known or (_family(kinds) if len(kinds) > 3 else " or ".join(map(_type, kinds)))
        return f"{words} or null" if len(kinds) < len(inner) else words
    return f"[{annotation.__name__}](#{_anchor(annotation)})" if isinstance(annotation, type) else str(annotation)


def _family(kinds: list[Any]) -> str:
    field = getattr(kinds[0], "__struct_config__").tag_field if _is_struct(kinds[0]) else ""  # noqa: B009
    return {"kind": "a source", "result": "a result", "row": "a row", "verb": "a verb"}.get(
        field, " or ".join(map(_type, kinds))
    )


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _anchor(kind: type) -> str:
    config = getattr(kind, "__struct_config__")  # noqa: B009
    return kind.__name__.lower() + (f"-{config.tag_field}-{config.tag}" if config.tag else "")


def _default(field: Any) -> str:
    if field.required:
        return ""
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    return f"`{msgspec.json.encode(value).decode()}`"


def main() -> int:
    """Write the page to the file that the command line names, or print it."""
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(page(), encoding="utf-8")
    else:
        print(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
