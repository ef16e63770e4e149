"""The documents are of what there is: every route, every socket event, and a page with all of both."""

from __future__ import annotations

import json
import re
import shlex
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from aiohttp import web
from openapi_spec_validator import validate
from roomcast.api_docs.asyncapi import asyncapi
from roomcast.api_docs.docs import page
from roomcast.api_docs.openapi import openapi
from roomcast.api_docs.socket_io import SOCKET_IO_OPERATIONS
from roomcast.app import SHUTDOWN, build_app
from roomcast.http.operations import OPERATIONS, Operation
from roomcast.rooms.handlers import CALLS
from roomcast.rooms.upload_rooms import PROGRESS
from roomcast.uploads.lifecycle import Status

from tests.support import described
from tests.support.harness import ROOT
from tests.support.settings import settings_of

SPECS = ROOT / "static/node_modules/@asyncapi/specs/schemas/3.0.0-without-$id.json"
Route = tuple[str, str]
DIRECT: set[Route] = {("POST", f"/api/uploads/{{id}}/{word}") for word in ("progress", "complete")}
"""What is served only where there is a bucket."""


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


async def test_the_routes_are_the_documents(tmp_path: Path) -> None:
    routes, operations = await served(tmp_path)
    own = openapi([*SOCKET_IO_OPERATIONS, *operations], cookie=None)
    assert {(method.upper(), path) for path, methods in own["paths"].items() for method in methods} == routes
    everything = described.http()["paths"]
    assert {(method.upper(), path) for path in everything for method in everything[path]} == routes | DIRECT


@pytest.mark.parametrize("cookie", [None, "roomcast_token"])
def test_the_openapi_document_is_one(cookie: str | None) -> None:
    document = openapi(described.OPERATIONS, cookie=cookie, url="https://example.org")
    validate(document)
    guarded = [one for methods in document["paths"].values() for one in methods.values() if one["security"]]
    assert bool(guarded) == (cookie is not None)
    names = [one["operationId"] for methods in document["paths"].values() for one in methods.values()]
    assert len(names) == len(set(names))


def test_the_asyncapi_document_is_one() -> None:
    if not SPECS.exists():
        pytest.skip("static/node_modules is missing: `make setup` brings it where npm is installed")
    standard = jsonschema_rs.Draft7Validator(json.loads(SPECS.read_text()))
    for cookie in (None, "roomcast_token"):
        assert [error.message for error in standard.iter_errors(asyncapi(cookie=cookie))] == []


def test_the_socket_events_are_the_documents() -> None:
    operations = described.sockets()["operations"]
    by_action = {
        action: {name for name, one in operations.items() if one["action"] == action} for action in ("receive", "send")
    }
    assert by_action == {"receive": {"connect", *CALLS}, "send": {PROGRESS, *(status.value for status in Status)}}


def test_every_reference_leads_somewhere() -> None:
    for document in (described.http(), described.sockets()):
        for reference in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document)):
            place: Any = document
            for step in reference.split("/"):
                place = place[step]
            assert place


class Links(HTMLParser):
    """The ids of a page, and where its links lead."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        said = dict(attrs)
        self.ids += [value for name in ("id",) if (value := said.get(name))]
        self.targets += [value for name in ("href", "src") if (value := said.get(name))]


def test_the_page_has_all_of_it_and_needs_nothing_from_elsewhere() -> None:
    text = page(described.http(), described.sockets(), url="https://example.org")
    links = Links(text)
    assert len(links.ids) == len(set(links.ids))
    assert {target[1:] for target in links.targets if target.startswith("#")} <= set(links.ids)
    assert {target for target in links.targets if not target.startswith("#")} == {
        "/static/favicon.svg", "/static/base.css", "/static/page.css", "/static/docs.css",
        "/openapi.json", "/asyncapi.json",
    }  # fmt: skip
    assert not links.tags & {"script", "style", "iframe", "img"}
    for name in (*CALLS, *described.http()["components"]["schemas"]):
        assert f"<code>{name}</code>" in text
    for path in described.http()["paths"]:
        assert f"<code>{path}</code>" in text


def test_every_example_of_a_command_is_one() -> None:
    text = page(described.http(), described.sockets(), url="https://example.org")
    commands = re.findall(r'aria-label="As a command"><code>(.*?)</code>', text)
    assert len(commands) > len(described.ROUTES)
    for command in commands:
        words = shlex.split(command.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"))
        assert words[0] == "curl"
        assert any(word.startswith("https://example.org/") for word in words), command
        assert not any("{" in word and word.startswith("https:") for word in words), command
