"""Tests of the OpenAPI document against the application's routes and the standard."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import jsonschema_rs
import openapi_spec_validator
import pytest
from aiohttp import web
from openapi_schema_validator import OAS31Validator
from openapi_schema_validator._specifications import REGISTRY
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
OPENAPI = jsonschema_rs.Draft202012Validator(
    json.loads((Path(openapi_spec_validator.__file__).parent / "resources/schemas/v3.1/schema.json").read_text())
)
"""The standard's schema of a document, which leaves the schemas in it unchecked."""
_KEYWORDS = "https://spec.openapis.org/oas/3.1/meta/base"
SCHEMAS = jsonschema_rs.Draft202012Validator(
    OAS31Validator.META_SCHEMA,
    registry=jsonschema_rs.Registry([(_KEYWORDS, REGISTRY.contents(_KEYWORDS))]),
    validate_formats=True,
)
"""The standard's schema of the schemas in a document, in a hundredth of the time that the one in Python takes."""
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


def test_openapi_document_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OAS31Validator, "check_schema", lambda schema, **_: SCHEMAS.validate(schema))
    guarded = openapi(operations.OPERATIONS, cookie="roomcast_token", url="https://example.org")
    validate(guarded)
    names = [one["operationId"] for methods in guarded["paths"].values() for one in methods.values()]
    assert len(names) == len(set(names))
    assert any(one["security"] for methods in guarded["paths"].values() for one in methods.values())


def test_openapi_document_without_authentication_is_valid() -> None:
    document = openapi(operations.OPERATIONS, cookie=None, url="https://example.org")
    guarded = openapi(operations.OPERATIONS, cookie="roomcast_token", url="https://example.org")
    assert document["components"]["schemas"] == guarded["components"]["schemas"]  # each of which is validated above
    assert [error.message for error in OPENAPI.iter_errors(document)] == []
    assert not any(one["security"] for methods in document["paths"].values() for one in methods.values())


def test_asyncapi_document_is_valid() -> None:
    if not SPECS.exists():
        pytest.skip("static/node_modules is missing: `make setup` brings it where npm is installed")
    standard = jsonschema_rs.Draft7Validator(json.loads(SPECS.read_text()))
    for cookie in (None, "roomcast_token"):
        assert [error.message for error in standard.iter_errors(asyncapi(cookie=cookie))] == []
