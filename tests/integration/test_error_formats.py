"""Errors have the format of their route's dialect, also when aiohttp raises them or the route does not exist."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import ClientConnectionResetError, web
from aiohttp.test_utils import make_mocked_request
from pytest_aiohttp.plugin import AiohttpClient
from roomcast.dialects.errors import error_format
from roomcast.errors import Code, Forbidden, RoomcastError, Unauthenticated, UnsupportedType
from roomcast.http.errors import errors_as_json

from tests.support.app import captured_log

RAISED: dict[str, tuple[Exception, int, str]] = {
    "of a client": (UnsupportedType("This is a text."), 415, "UNSUPPORTED_TYPE"),
    "without a token": (Unauthenticated("A token is required."), 401, "UNAUTHENTICATED"),
    "of another's": (Forbidden("This is another's."), 403, "FORBIDDEN"),
    "of the server": (ValueError("a secret"), 500, "INTERNAL"),
}
ASSEMBLY_TEXTS = {"UNAUTHENTICATED": "Authentication required", "FORBIDDEN": "Access denied"}
BODIES: dict[str, Any] = {
    "/api/uploads/x": lambda code, text: {"error": {"code": code, "message": text}},
    "/api/files/progress/x": lambda _, text: {"error": text},
    "/api/files/upload": lambda _, text: {"message": text, "uploaded": 0, "upload_ids": [], "failed": []},
    "/api/progress/x": lambda _, text: {"detail": text},
    "/api/transflow/status": lambda code, text: {"error": ASSEMBLY_TEXTS.get(code, text)},
    "/api/transflow/stream": lambda code, text: {"error": ASSEMBLY_TEXTS.get(code, text)},
    "/api/status": lambda code, text: {"error": ASSEMBLY_TEXTS.get(code, text)},
}


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("why", RAISED)
async def test_error_is_answered_in_the_dialect_of_its_route(
    why: str, path: str, aiohttp_client: AiohttpClient
) -> None:
    error, status, code = RAISED[why]

    async def fail(_: web.Request) -> web.Response:
        raise error

    app = web.Application(middlewares=[errors_as_json])
    app.router.add_get(path, fail)
    client = await aiohttp_client(app)
    answer = await client.get(path)
    text = error.message if isinstance(error, RoomcastError) else "Something went wrong on the server."
    assert (answer.status, await answer.json()) == (status, BODIES[path](code, text))
    assert answer.headers.get("X-Error-Code") == (None if path == "/api/uploads/x" else code)
    assert answer.headers.get("WWW-Authenticate") == ("Bearer" if status == 401 else None)
    other = await client.post(path)
    assert (other.status, await other.json()) == (
        405,
        BODIES[path]("MALFORMED", "This address does not accept that method."),
    )
    assert set(other.headers["Allow"].split(",")) == {"GET", "HEAD"}


async def test_response_to_a_client_that_has_gone_is_no_error_of_the_server() -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        raise ClientConnectionResetError("Cannot write to closing transport")

    with captured_log() as log:
        response = await errors_as_json(make_mocked_request("GET", "/api/uploads/x"), answer)
    assert (response.status, log) == (400, [])


@pytest.mark.parametrize("path", ["/api/progress", "/api/progress/", "/api/progress/a/b"])
async def test_unknown_path_below_a_dialects_is_not_found_in_the_dialect(
    path: str, aiohttp_client: AiohttpClient
) -> None:
    client = await aiohttp_client(web.Application(middlewares=[errors_as_json]))
    assert await (await client.get(path)).json() == {"detail": "Nothing was found at this URL."}


@pytest.mark.parametrize("path", ["/api/progressive", "/api/filesystem/upload", "/media/api/files/upload", "/"])
def test_path_that_only_resembles_a_dialects_has_the_native_format(path: str) -> None:
    problem = {"code": Code.NOT_FOUND, "message": "No."}
    assert error_format(path).render(problem) == {"error": problem}  # type: ignore[arg-type]
