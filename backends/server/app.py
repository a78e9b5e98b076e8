"""The routes of protocol version 1."""

from __future__ import annotations

import contextlib

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from backends.server import files, limits
from backends.server.encoding import log
from backends.server.journal import Journal
from backends.server.refusals import Refused, read_lease, read_question
from backends.server.service import Service


def make_app(service: Service) -> Starlette:
    """Return the application that answers for a service."""
    routes = Routes(service)
    table = [
        ("GET", "/handshake", routes.handshake),
        ("POST", "/questions", routes.ask),
        ("GET", "/questions/{id}/events", routes.events),
        ("GET", "/questions/{id}/file", routes.file),
        ("POST", "/questions/{id}/cancel", routes.cancel),
        ("POST", "/questions/{id}/acknowledge", routes.acknowledge),
        ("POST", "/leases", routes.lease),
        ("DELETE", "/leases/{client}", routes.leave),
        ("GET", "/status", routes.status),
        ("GET", "/openapi.json", routes.contract),
        ("POST", "/shutdown", routes.shutdown),
    ]
    return Starlette(
        routes=[Route(path, endpoint, methods=[method]) for method, path, endpoint in table],
        exception_handlers={Refused: _refused, HTTPException: _unknown, Exception: _fault},
    )


class Routes:
    """One method a route."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def handshake(self, request: Request) -> Response:
        """Say who is here; with `wait`, once the engine is ready or has failed, or after a while."""
        if request.query_params.get("wait", "") not in {"", "0"}:
            await self._service.settle(limits.WAIT)
        return _json(self._service.handshake())

    async def ask(self, request: Request) -> Response:
        """Ask a question, once an id; with `from`, answer with its events at once."""
        start = _start(request) if "from" in request.query_params else None
        self._service.check_nonce(request.query_params.get("nonce", ""))
        question = read_question(await _body(request))
        journal = self._service.ask(question)
        return _json({"id": question.id}, 202) if start is None else _stream(journal, start)

    async def events(self, request: Request) -> Response:
        """Replay a question's events from a number on, then follow them."""
        start = _start(request)
        return _stream(self._service.questions.journal(request.path_params["id"]), start)

    async def file(self, request: Request) -> Response:
        """Give out the file that goes with an answer, from a byte on."""
        start, journal = _start(request), self._service.questions.journal(request.path_params["id"])
        if journal.file is None or not journal.ended:
            raise Refused("No file goes with this question's answer.", "Only an answered `fetch` has one.", 404)
        return files.stream(journal.file, start)

    async def cancel(self, request: Request) -> Response:
        """Cancel a question."""
        self._service.questions.cancel(request.path_params["id"], "cancelled")
        return Response(status_code=204)

    async def acknowledge(self, request: Request) -> Response:
        """Forget an ended question's events."""
        self._service.questions.acknowledge(request.path_params["id"])
        return Response(status_code=204)

    async def lease(self, request: Request) -> Response:
        """Take or renew a lease."""
        lease = read_lease(await _body(request))
        self._service.lease(lease.client, lease.seconds)
        return _json(lease)

    async def leave(self, request: Request) -> Response:
        """End a lease and the client's work."""
        self._service.leases.end(request.path_params["client"])
        return Response(status_code=204)

    async def status(self, request: Request) -> Response:
        """Say what is going on."""
        return _json(self._service.status())

    async def contract(self, request: Request) -> Response:
        """Return the protocol as an OpenAPI document."""
        from backends.server.contract import document

        return _json(document())

    async def shutdown(self, request: Request) -> Response:
        """End the process where nothing would be lost, or whatever it does with `force`."""
        self._service.shut_down(force=request.query_params.get("force", "") not in {"", "0"})
        return Response(status_code=202)


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limits.REQUEST_BYTES:
            raise Refused(f"The request has more than {limits.REQUEST_BYTES} bytes.", "Ask in smaller parts.", 413)
    return bytes(body)


def _start(request: Request) -> int:
    given = request.query_params.get("from", "0")
    with contextlib.suppress(ValueError):
        if (start := int(given)) >= 0:
            return start
    raise Refused(f"`from={given[:40]}` is not the number of an event.", "Use 0 or a higher whole number.")


def _json(record: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(record), status, media_type="application/json")


def _stream(journal: Journal, start: int) -> StreamingResponse:
    return StreamingResponse(journal.follow(start), media_type="application/x-ndjson")


def _sentence(status: int, kind: str, message: str, mend: str) -> Response:
    return _json({"kind": kind, "message": message, "mend": mend}, status)


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return _sentence(error.status, error.kind, error.message, error.mend)


async def _unknown(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = f"There is no route {request.method} {request.url.path[:80]}."
    return _sentence(error.status_code, "bad-input", message, "docs/protocol.md lists the routes.")


async def _fault(_request: Request, error: Exception) -> Response:
    if not isinstance(error, ClientDisconnect):
        log.error("a route failed", exc_info=error)
    return _sentence(500, "error", "The backend could not answer this request.", "Its log says more.")
