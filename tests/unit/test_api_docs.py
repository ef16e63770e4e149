"""The OpenAPI and AsyncAPI documents are valid, complete, and have valid examples."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from roomcast.api_docs.asyncapi import APPLICATION_EVENT
from roomcast.api_docs.routes import GUIDES
from roomcast.http.pages import STATIC
from roomcast.rooms.handlers import CALLS
from roomcast.rooms.upload_rooms import DELETED, PROGRESS
from roomcast.uploads.lifecycle import Status

from tests.support import described
from tests.support.examples import example


def test_asyncapi_document_has_every_call_and_event() -> None:
    operations = described.sockets()["operations"]
    by_action = {
        action: {name for name, one in operations.items() if one["action"] == action} for action in ("receive", "send")
    }
    assert by_action == {
        "receive": {"connect", *CALLS},
        "send": {PROGRESS, DELETED, APPLICATION_EVENT, *(status.value for status in Status)},
    }


def test_every_reference_can_be_resolved() -> None:
    for document in (described.http(), described.sockets()):
        for reference in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document)):
            place: Any = document
            for step in reference.split("/"):
                place = place[step]
            assert place


@pytest.mark.parametrize("document", [described.http, described.sockets])
def test_example_of_every_type_is_valid(document: Callable[[], described.Document]) -> None:
    schemas = document()["components"]["schemas"]
    for name, schema in schemas.items():
        described.check(schema, example(schema, schemas), name, components=document)


def test_example_of_every_parameter_is_valid() -> None:
    document = described.http()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for one in operation.get("parameters", []):
                value = example(one["schema"], document["components"]["schemas"])
                described.check(one["schema"], value, f"{method} {path} {one['name']}")


def test_every_guide_for_readers_of_the_api_is_linked() -> None:
    linked = set(re.findall(r'href="docs/([^"]+)"', (STATIC / "docs" / "docs.html").read_text()))
    unlinked = {"benchmarks.md", "index.md", "migrating.md"}
    assert linked == {path.name for path in GUIDES.glob("*.md")} - unlinked
