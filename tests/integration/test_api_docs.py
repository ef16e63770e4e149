"""The OpenAPI document has exactly the routes of the application."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web
from roomcast.api_docs.openapi import openapi
from roomcast.api_docs.socket_io import SOCKET_IO_OPERATIONS
from roomcast.app import SHUTDOWN, build_app
from roomcast.http.operations import OPERATIONS, Operation

from tests.support import described
from tests.support.settings import settings_of

Route = tuple[str, str]
PRESIGNED: set[Route] = {("POST", f"/api/uploads/{{id}}/{word}") for word in ("progress", "complete")}
"""Routes that are served only if there is a bucket."""


async def served(folder: Path) -> tuple[set[Route], list[Operation]]:
    """Return the routes of the real application, and the operations that it describes."""
    runner = web.AppRunner(await build_app(settings_of(data=folder, workers=1)))
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
