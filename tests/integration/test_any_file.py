"""Files that are not media, by form, PUT and tus, and forms that are too large."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from roomcast.http.intake.multipart import MAX_FIELDS

from tests.integration.conftest import ServeApp
from tests.support.app import AppServer
from tests.support.harness import Api, eventually
from tests.support.tus import Tus

TEMPLATES = """
[templates.document]
kind = "file"
max_bytes = 10_000
"""
TEXT = b"no picture, no film\n" * 300


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    path = tmp_path / "templates.toml"
    path.write_text(TEMPLATES)
    return {"ROOMCAST_TEMPLATES": str(path), "ROOMCAST_MAX_UPLOAD_BYTES": "100000", "ROOMCAST_MAX_FILES": "2"}


@pytest.fixture
async def api(server: AppServer) -> AsyncIterator[Api]:
    async with Api(server) as client:
        yield client


async def stored(api: Api, upload_id: str) -> bytes:
    """The result of an upload, as it is served."""
    end = await api.finished(upload_id)
    assert end["status"] == "completed", end
    (output,) = end["element"]["outputs"]
    return (await api.request("GET", output["url"])).content


def form_of(*parts: tuple[str, bytes, str | None]) -> aiohttp.FormData:
    form = aiohttp.FormData()
    for field, content, filename in parts:
        form.add_field(field, content if filename else content.decode(), filename=filename)
    return form


@pytest.mark.parametrize("content", [TEXT, b"x"], ids=["some", "one byte"])
async def test_form_put_and_tus_accept_any_file_under_a_file_template(api: Api, content: bytes) -> None:
    form = form_of(("type", b"document", None), ("file", content, "a.txt"))
    by_form = (await api.request("POST", "/api/uploads", data=form)).body["uploadId"]
    reserved, url = await api.reserved("b.txt", len(content), template="document")
    assert (await api.put(url, content)).status == 202
    tus_url = await Tus(api).create(len(content), content, filename="c.txt", type="document")
    for upload_id in (by_form, reserved, tus_url.rpartition("/")[2]):
        assert await stored(api, upload_id) == content


async def test_type_field_after_the_file_still_decides_its_template(api: Api) -> None:
    form = form_of(("file", TEXT, "a.txt"), ("type", b"document", None))
    reply = await api.request("POST", "/api/uploads", data=form)
    assert await stored(api, reply.body["uploadId"]) == TEXT


async def test_forms_refuse_a_file_that_is_not_media_under_a_media_template(api: Api) -> None:
    for form in (form_of(("file", TEXT, "a.txt")), form_of(("file", TEXT, "a.txt"), ("type", b"image", None))):
        assert (await api.request("POST", "/api/uploads", data=form)).refusal == (415, "UNSUPPORTED_TYPE")
    assert (await api.request("POST", "/api/files/upload", data=form_of(("file", TEXT, "a.txt")))).status == 415


async def test_form_put_and_tus_refuse_a_file_above_the_templates_limit(api: Api) -> None:
    large = bytes(10_001)
    form = form_of(("type", b"document", None), ("file", large, "a.bin"))
    assert (await api.request("POST", "/api/uploads", data=form)).refusal == (413, "TOO_LARGE")
    assert (await api.reserve(("b.bin", len(large)), template="document")).refusal == (413, "TOO_LARGE")
    created = await Tus(api).post(Upload_Length=str(len(large)), Upload_Metadata="type ZG9jdW1lbnQ=")
    assert created.refusal == (413, "TOO_LARGE")


async def test_empty_file_is_accepted_by_put_and_refused_by_tus(api: Api) -> None:
    reserved, url = await api.reserved("empty.txt", 0, template="document")
    assert (await api.put(url, b"")).status == 202
    assert await stored(api, reserved) == b""
    created = await Tus(api).post(Upload_Length="0", Upload_Metadata="type ZG9jdW1lbnQ=")
    assert created.refusal == (422, "UNREADABLE_MEDIA")
    assert created.body["error"]["message"] == "The file is empty."


async def test_native_form_ignores_the_path_field(api: Api) -> None:
    form = form_of(("type", b"document", None), ("path", b"../up", None), ("file", TEXT, "a.txt"))
    upload_id = (await api.request("POST", "/api/uploads", data=form)).body["uploadId"]
    end = await api.finished(upload_id)
    assert (end["metadata"], end["element"]["outputs"][0]["key"]) == ({}, f"{upload_id}/download/a.txt")


async def test_form_without_a_declared_size_is_limited_by_its_bytes(server: AppServer, api: Api) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b'--frontier\r\nContent-Disposition: form-data; name="files"; filename="endless.mp4"\r\n\r\n'
        while sent < 100 << 20:
            sent += 1 << 16
            yield bytes(1 << 16)

    headers = {"Content-Type": "multipart/form-data; boundary=frontier"}
    reply = await api.request("POST", "/api/files/upload", data=endless(), headers=headers)
    assert (reply.refusal, reply.body["upload_ids"]) == ((413, "TOO_LARGE"), [])
    assert [one["filename"] for one in reply.body["failed"]] == ["endless.mp4"]
    assert sent < 10 << 20
    await eventually(lambda: list((server.data / "incoming").iterdir()) == [])


async def test_form_with_too_many_refused_files_is_refused(api: Api) -> None:
    form = form_of(*((f"field {number}", b"x", f"{number}.txt") for number in range(300)))
    reply = await api.request("POST", "/api/files/upload", data=form)
    assert (reply.refusal, len(reply.body["failed"])) == ((429, "TOO_MANY"), 2 + MAX_FIELDS)


async def test_form_of_files_without_a_token_is_refused_in_the_dialects_format(serve: ServeApp) -> None:
    server = await serve(JWT_SECRET="a secret that is long enough for its purpose")
    async with Api(server) as anybody:
        reply = await anybody.request("POST", "/api/files/upload", data=form_of(("files", TEXT, "a.txt")))
    assert reply.refusal == (401, "UNAUTHENTICATED")
    assert reply.body == {"message": "A token is required.", "uploaded": 0, "upload_ids": [], "failed": []}
