"""Tests of the OpenAPI document against the application's routes and the standard."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from aiohttp import web
from openapi_spec_validator import validate
from pytest_aiohttp.plugin import AiohttpClient
from roomcast.api_docs.asyncapi import asyncapi
from roomcast.api_docs.openapi import openapi
from roomcast.api_docs.routes import ApiDocs
from roomcast.api_docs.socket_io import SOCKET_IO_OPERATIONS
from roomcast.app import SHUTDOWN, build_app
from roomcast.extensions.registry import Extensions
from roomcast.http.operations import OPERATIONS, Operation

from tests.support import described, operations
from tests.support.harness import ROOT
from tests.support.settings import settings_of

SPECS = ROOT / "static/node_modules/@asyncapi/specs/schemas/3.0.0-without-$id.json"
Route = tuple[str, str]
PRESIGNED: set[Route] = {("POST", f"/api/uploads/{{id}}/{word}") for word in ("progress", "complete")}
"""Routes that are served only if there is a bucket."""


async def served(folder: Path) -> tuple[set[Route], list[Operation]]:
    """Return the routes of the real application, and the operations that it describes."""
    runner = web.AppRunner(await build_app(settings_of(data=folder, workers=1), Extensions()))
    await runner.setup()
    assert isinstance(runner.app, web.Application)
    routes = {(route.method, route.resource.canonical) for route in runner.app.router.routes() if route.resource}
    operations = runner.app[OPERATIONS]
    await runner.app[SHUTDOWN]()
    await runner.cleanup()
    return routes, operations


async def test_document_has_exactly_the_routes_that_are_served(tmp_path: Path) -> None:
    routes, operations = await served(tmp_path)
    own = openapi([*SOCKET_IO_OPERATIONS, *operations], cookie=None)
    assert {(method.upper(), path) for path, methods in own["paths"].items() for method in methods} == routes
    everything = described.http()["paths"]
    assert {(method.upper(), path) for path in everything for method in everything[path]} == routes | PRESIGNED


async def test_two_documents_requested_at_once_are_generated_one_after_the_other(
    aiohttp_client: AiohttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    both_run = threading.Barrier(2, timeout=0.5)
    overlaps = []

    def generate(*_: Any, **__: Any) -> dict[str, Any]:
        with suppress(threading.BrokenBarrierError):
            both_run.wait()
            overlaps.append("both generators run")
        return {}

    monkeypatch.setattr("roomcast.api_docs.routes.openapi", generate)
    monkeypatch.setattr("roomcast.api_docs.routes.asyncapi", generate)
    app = web.Application()
    ApiDocs(settings_of(), open_mode=True).add_routes(app)
    client = await aiohttp_client(app)
    responses = await asyncio.gather(*(client.get(path) for path in ("/openapi.json", "/asyncapi.json")))
    assert [response.status for response in responses] == [200, 200]
    assert overlaps == []


@pytest.mark.parametrize("cookie", [None, "roomcast_token"])
def test_openapi_document_is_valid(cookie: str | None) -> None:
    document = openapi(operations.OPERATIONS, cookie=cookie, url="https://example.org")
    validate(document)
    guarded = [one for methods in document["paths"].values() for one in methods.values() if one["security"]]
    assert bool(guarded) == (cookie is not None)
    names = [one["operationId"] for methods in document["paths"].values() for one in methods.values()]
    assert len(names) == len(set(names))


def test_asyncapi_document_is_valid() -> None:
    if not SPECS.exists():
        pytest.skip("static/node_modules is missing: `make setup` brings it where npm is installed")
    standard = jsonschema_rs.Draft7Validator(json.loads(SPECS.read_text()))
    for cookie in (None, "roomcast_token"):
        assert [error.message for error in standard.iter_errors(asyncapi(cookie=cookie))] == []
