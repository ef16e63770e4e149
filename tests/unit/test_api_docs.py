"""The OpenAPI and AsyncAPI documents are valid, complete, and have valid examples."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from roomcast.api_docs.asyncapi import APPLICATION_EVENT
from roomcast.api_docs.examples import example
from roomcast.api_docs.routes import GUIDES
from roomcast.api_docs.schemas import Schemas
from roomcast.fanout.relay import PLAYABLE
from roomcast.http.pages import STATIC
from roomcast.http.responses import json_response
from roomcast.rooms.handlers import CALLS
from roomcast.rooms.upload_rooms import DELETED, PROGRESS
from roomcast.uploads.lifecycle import Status
from roomcast.uploads.messages import Output

from tests.support import described


def test_asyncapi_document_has_every_call_and_event() -> None:
    operations = described.sockets()["operations"]
    by_action = {
        action: {name for name, one in operations.items() if one["action"] == action} for action in ("receive", "send")
    }
    assert by_action == {
        "receive": {"connect", *CALLS},
        "send": {PROGRESS, PLAYABLE, DELETED, APPLICATION_EVENT, *(status.value for status in Status)},
    }


def test_change_of_one_document_leaves_the_next_one_as_it_is() -> None:
    one, next_one = Schemas(), Schemas()
    for schemas in (one, next_one):
        assert schemas.of(Output) == {"$ref": "#/components/schemas/Output"}
    one.components["Output"]["properties"].clear()
    assert next_one.components["Output"]["properties"]


@pytest.mark.parametrize("document", [described.http, described.sockets])
def test_document_can_be_sent_as_json(document: Callable[[], described.Document]) -> None:
    assert json.loads(json_response(document()).text or "") == document()


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


def test_every_event_has_an_example_that_is_valid_and_of_its_own_status() -> None:
    messages = described.sockets()["channels"]["socket"]["messages"]
    for name in (PROGRESS, DELETED, APPLICATION_EVENT, *(status.value for status in Status)):
        (shown,) = messages[name]["examples"]
        described.check(messages[name]["payload"], shown["payload"], name, components=described.sockets)
    payloads = {name: messages[name]["examples"][0]["payload"] for name in (DELETED, *Status)}
    assert {name: payload["status"] for name, payload in payloads.items()} == {
        **{status.value: status.value for status in Status},
        DELETED: Status.ERROR,
    }
    assert {name for name, payload in payloads.items() if "element" in payload} == {Status.COMPLETED}
    assert {name: payload["error"]["code"] for name, payload in payloads.items() if "error" in payload} == {
        Status.ERROR: "UNREADABLE_MEDIA",
        DELETED: "DELETED",
    }


def test_payload_of_another_status_is_not_one_of_the_event() -> None:
    messages = described.sockets()["channels"]["socket"]["messages"]
    with pytest.raises(AssertionError, match="completed"):
        described.check_message(Status.COMPLETED, messages[Status.ERROR]["examples"][0]["payload"])
