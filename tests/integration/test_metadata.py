"""The metadata of uploads on every way in, and on every surface that has it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import aiohttp
import pytest

from tests.conftest import Shelf
from tests.support.app import AppServer
from tests.support.harness import Api, Reply
from tests.support.tus import Tus, metadata

MINE = {"productId": 7, "tags": ["a", "ä"]}
TOO_LARGE = {"a": "x" * 4096}


async def form(api: Api, path: str, *fields: tuple[str, str | bytes]) -> Reply:
    body = aiohttp.FormData(quote_fields=False)
    for name, value in fields:
        if isinstance(value, bytes):
            body.add_field(name, value, filename=f"{name}.png")
        else:
            body.add_field(name, value)
    return await api.request("POST", path, data=body)


async def metadata_of(api: Api, reply: Reply) -> list[Any]:
    assert reply.status in (201, 202), reply.body
    ids = [entry["uploadId"] for entry in reply.body["uploads"]]
    return [(await api.get(upload_id)).body["metadata"] for upload_id in ids]


@pytest.mark.parametrize("first", [True, False], ids=["before the file", "after the file"])
@pytest.mark.parametrize("path", ["/api/uploads", "/api/files/upload"])
async def test_metadata_of_a_form_counts_wherever_the_field_is(
    server: AppServer, api: Api, shelf: Shelf, path: str, first: bool
) -> None:
    fields: list[tuple[str, str | bytes]] = [("metadata", json.dumps(MINE)), ("file", shelf.image().read_bytes())]
    reply = await form(api, path, ("type", "image"), *(fields if first else fields[::-1]))
    upload_id = reply.body["uploads"][0]["uploadId"] if path == "/api/uploads" else reply.body["task_id"]
    state = await api.finished(upload_id)
    assert (state["status"], state["metadata"]) == ("completed", MINE)
    assembly_id = reply.body.get("assemblyId")
    if assembly_id:
        status = await api.request("GET", "/api/transflow/status", params={"assemblyId": assembly_id})
        assert [upload["metadata"] for upload in status.body["uploads"]] == [MINE]


async def test_metadata_after_a_second_file_is_refused(server: AppServer, api: Api, shelf: Shelf) -> None:
    image = shelf.image().read_bytes()
    reply = await form(api, "/api/uploads", ("type", "image"), ("file", image), ("file", image), ("metadata", "{}"))
    assert reply.refusal == (400, "INVALID_METADATA")


async def test_reserved_files_have_their_own_metadata_or_the_reservations(server: AppServer, api: Api) -> None:
    files = [{"filename": "a.mp4", "metadata": MINE}, {"filename": "b.mp4"}, {"filename": "c.mp4", "metadata": {}}]
    reply = await api.request("POST", "/api/uploads", json={"metadata": {"batch": 1}, "files": files})
    assert await metadata_of(api, reply) == [MINE, {"batch": 1}, {}]


async def test_completed_files_are_known_already_only_with_the_same_metadata(
    server: AppServer, api: Api, shelf: Shelf
) -> None:
    image = shelf.image().read_bytes()
    file = {"filename": "a.png", "size": len(image), "md5": hashlib.md5(image, usedforsecurity=False).hexdigest()}
    reserved = await api.request("POST", "/api/uploads", json={"metadata": MINE, "files": [file]})
    await api.put(reserved.body["uploads"][0]["contentUrl"], image)
    await api.finished(reserved.body["uploadId"])
    again = [
        await api.request("POST", "/api/uploads", json={"metadata": sent, "files": [file]}) for sent in (MINE, {"n": 1})
    ]
    assert [reply.status for reply in again] == [200, 201]
    assert again[0].body["state"]["metadata"] == MINE


async def test_tus_upload_has_the_metadata_of_its_header(server: AppServer, api: Api) -> None:
    created = await Tus(api).post(
        Upload_Length="5", Upload_Metadata=metadata(filename="a.mp4", metadata=json.dumps(MINE))
    )
    assert created.status == 201
    upload_id = created.headers["Location"].rpartition("/")[2]
    assert (await api.get(upload_id)).body["metadata"] == MINE


@pytest.mark.parametrize("wrong", ["{", "[1]", json.dumps(TOO_LARGE), '{"a\\u0007": 1}', '{"a": "\\u0000"}'])
async def test_wrong_metadata_is_refused_and_creates_nothing(
    server: AppServer, api: Api, shelf: Shelf, wrong: str
) -> None:
    image = shelf.image().read_bytes()
    replies = [
        await form(api, "/api/uploads", ("metadata", wrong), ("file", image)),
        await form(api, "/api/files/upload", ("metadata", wrong), ("file", image)),
        await Tus(api).post(Upload_Length="5", Upload_Metadata=metadata(metadata=wrong)),
    ]
    if wrong.startswith("{") and wrong != "{":
        files = [{"filename": "a.mp4"}]
        replies.append(await api.request("POST", "/api/uploads", json={"metadata": json.loads(wrong), "files": files}))
    assert [reply.refusal for reply in replies] == [(400, "INVALID_METADATA")] * len(replies)
    assert (await api.list()).body["uploads"] == []
