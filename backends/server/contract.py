"""The protocol as an OpenAPI document, made from the very records and limits that the routes read."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from backends.server import limits
from backends.server.refusals import NAME_PATTERN
from investigator import __version__
from investigator.wire import PROTOCOL, Event, Handshake, Lease, Question, ServerStatus

_REFUSALS = {
    "400": "it cannot be read or asked",
    "404": "no such question",
    "409": "it contradicts what is there",
    "410": "another backend lives here now",
    "413": f"more than {limits.REQUEST_BYTES} bytes",
    "429": f"more than {limits.QUESTIONS_PER_CLIENT} questions of one client under way",
}
_WORDS = ("kind", "message", "mend")
_SAID = {"type": "object", "required": list(_WORDS), "properties": {name: {"type": "string"} for name in _WORDS}}


@cache
def document() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of every route."""
    kinds = (Question, Event, Handshake, Lease, ServerStatus)
    schemas, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    question, event, handshake, lease, status = schemas
    components["Refusal"] = _SAID
    named = components["Question"]["properties"]
    for field in ("id", "client"):
        named[field] = {"type": "string", "pattern": NAME_PATTERN}
    named["protocol"] = {"const": PROTOCOL}
    components["Lease"]["properties"] = {
        "client": {"type": "string", "pattern": NAME_PATTERN},
        "seconds": {"type": "number", "exclusiveMinimum": 0, "maximum": limits.LONGEST_LEASE},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Investigator backend", "version": f"{PROTOCOL} ({__version__})"},
        "paths": {
            "/handshake": {"get": _route("who is here", _json(handshake), [], _flag("wait"))},
            "/questions": {
                "post": _route(
                    "ask; with `from`, answer with the events",
                    {"200": _events(event), "202": {"description": "asked"}},
                    ["400", "409", "410", "413", "429"],
                    _number("from"),
                    _query("nonce", {"type": "string"}),
                    body=question,
                )
            },
            "/questions/{id}/events": {
                "get": _route("replay and follow", {"200": _events(event)}, ["400", "404"], _id(), _number("from"))
            },
            "/questions/{id}/file": {
                "get": _route("the file of an answer", {"200": _bytes()}, ["400", "404"], _id(), _number("from"))
            },
            "/questions/{id}/cancel": {"post": _route("cancel", _nothing("204"), ["404"], _id())},
            "/questions/{id}/acknowledge": {"post": _route("forget", _nothing("204"), ["409"], _id())},
            "/leases": {"post": _route("take or renew", _json(lease), ["400", "413"], body=lease)},
            "/leases/{client}": {"delete": _route("end a lease", _nothing("204"), [], _id("client"))},
            "/status": {"get": _route("what is going on", _json(status), [])},
            "/openapi.json": {"get": _route("this document", _json({"type": "object"}), [])},
            "/shutdown": {"post": _route("end the process", _nothing("202"), ["409"], _flag("force"))},
        },
        "components": {"schemas": components},
    }


def _route(
    says: str, answers: dict[str, Any], refusals: list[str], *parameters: dict[str, Any], body: Any = None
) -> dict[str, Any]:
    refused = {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}}
    found: dict[str, Any] = {
        "summary": says,
        "parameters": list(parameters),
        "responses": answers | {code: {"description": _REFUSALS[code], "content": refused} for code in refusals},
    }
    if body is not None:
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return found


def _json(schema: Any) -> dict[str, Any]:
    return {"200": {"description": "yes", "content": {"application/json": {"schema": schema}}}}


def _events(event: Any) -> dict[str, Any]:
    # One event a line; OpenAPI has no word for that, so the schema is that of a line.
    return {"description": "events, one a line", "content": {"application/x-ndjson": {"schema": event}}}


def _bytes() -> dict[str, Any]:
    return {"description": "the bytes", "content": {"application/octet-stream": {"schema": {"type": "string"}}}}


def _nothing(code: str) -> dict[str, Any]:
    return {code: {"description": "done"}}


def _query(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema}


def _flag(name: str) -> dict[str, Any]:
    return _query(name, {"enum": [0, 1]})


def _number(name: str) -> dict[str, Any]:
    return _query(name, {"type": "integer", "minimum": 0})


def _id(name: str = "id") -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "pattern": NAME_PATTERN}}
