"""Forms as browsers, curl and upload widgets send them, and requests that have only a part of a file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.app import AppServer
from tests.support.harness import Api, Reply
from tests.support.tus import Tus

TEMPLATES = '[templates.document]\nkind = "file"\nmax_bytes = 10_000\n'
CONTENT = b"no picture, no film\n" * 10


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    path = tmp_path / "templates.toml"
    path.write_text(TEMPLATES)
    return {"ROOMCAST_TEMPLATES": str(path), "ROOMCAST_FILES_TEMPLATE": "document"}


@pytest.fixture
async def api(server: AppServer) -> AsyncIterator[Api]:
    async with Api(server) as client:
        yield client


def part(disposition: str, content: bytes = CONTENT, *more: str) -> bytes:
    head = "\r\n".join([f"Content-Disposition: form-data; {disposition}", *more])
    return b"--b\r\n" + head.encode("utf-8", "surrogateescape") + b"\r\n\r\n" + content + b"\r\n"


def field(name: str, value: str) -> bytes:
    return part(f'name="{name}"', value.encode())


async def send(api: Api, *parts: bytes, route: str = "/api/uploads?type=document", **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    media = {"Content-Type": "multipart/form-data; boundary=b"}
    return await api.request("POST", route, data=b"".join(parts) + b"--b--\r\n", headers={**media, **named})


def filenames(reply: Reply) -> list[str]:
    assert reply.status == 202, reply.body
    return [upload["filename"] for upload in reply.body["uploads"]]


NAMES = (
    ('name="file"; filename="Folge 3; Teil 1; Ende.jpg"', "Folge 3; Teil 1; Ende.jpg"),
    ('name="file"; filename="a;b;c.jpg"', "a;b;c.jpg"),
    ("name=file; filename=my clip.jpg", "my clip.jpg"),
    ("filename=clip[1].jpg; name=file", "clip[1].jpg"),
    (r'name="file"; filename="a\"b\".jpg"', 'a"b".jpg'),
    ('name="file"; filename="a%22b.jpg"', 'a"b.jpg'),
    (r'name="file"; filename="C:\x\y.jpg"', "y.jpg"),
    ('name="file"; filename="euro.jpg"; filename*=UTF-8\'\'%e2%82%ac.jpg', "€.jpg"),
    ('name="file"; filename="caf\udce9.jpg"', "caf\N{REPLACEMENT CHARACTER}.jpg"),
    ('name="files[]"; filename="a.jpg"', "a.jpg"),
    ('name="file[0]"; filename="a.jpg"', "a.jpg"),
    ('name="file"; filename=""', "untitled"),
)


async def test_file_has_the_name_that_its_client_wrote(api: Api) -> None:
    for disposition, filename in NAMES:
        assert filenames(await send(api, part(disposition))) == [filename], disposition


async def test_metadata_of_filepond_is_no_file(api: Api) -> None:
    parts = field("file", '{"color": "red"}'), part('name="file"; filename="a.jpg"'), field("file", "{}")
    assert filenames(await send(api, *parts)) == ["a.jpg"]
    lenient = await send(api, *parts, route="/api/files/upload")
    assert (lenient.status, lenient.body.get("failed")) == (200, []), lenient.body


async def test_file_without_a_name_is_a_file_even_if_it_is_json(api: Api) -> None:
    typed = part('name="file"', b'{"color": "red"}', "Content-Type: application/json")
    assert filenames(await send(api, typed)) == ["untitled"]
    assert filenames(await send(api, part('name="file"', b"[1, 2]"))) == ["untitled"]
    assert filenames(await send(api, part('name="file"', b'{"a": "' + b"x" * 9000 + b'"}'))) == ["untitled"]


async def test_input_without_a_chosen_file_is_no_file(api: Api) -> None:
    empty = part('name="file"; filename=""', b"", "Content-Type: application/octet-stream")
    assert filenames(await send(api, empty, part('name="files"; filename="a.jpg"'), empty)) == ["a.jpg"]
    for parts in ((empty,), (field("title", "holiday"),), (field("file", "{}"),), ()):
        reply = await send(api, *parts)
        assert reply.refusal == (400, "MALFORMED")
        assert reply.body["error"]["message"] == "The form contains no file."


async def test_file_in_another_field_is_refused_by_the_names_of_the_fields(api: Api) -> None:
    for name in ("filepond", "video", "file[a]", "files[]x", "files[][]", ""):
        reply = await send(api, part(f'name="{name}"; filename="a.jpg"'))
        assert reply.refusal == (400, "MALFORMED"), name
        assert "file, files, media_file" in reply.body["error"]["message"], name


DROPZONE = {
    "dzuuid": "u",
    "dzchunkindex": "0",
    "dztotalfilesize": "400",
    "dzchunksize": "200",
    "dzchunkbyteoffset": "0",
}
CHUNKS: dict[str, dict[str, str]] = {
    "dropzone": {**DROPZONE, "dztotalchunkcount": "2"},
    "resumable.js": {"resumableChunkNumber": "1", "resumableTotalChunks": "3"},
    "flow.js": {"flowChunkNumber": "1", "flowTotalChunks": "3"},
    "fine uploader": {"qqpartindex": "0", "qqtotalparts": "2"},
    "plupload": {"name": "a.jpg", "chunk": "0", "chunks": "2"},
}


async def test_form_with_a_chunk_of_a_file_is_refused(server: AppServer, api: Api) -> None:
    file = part('name="file"; filename="a.jpg"')
    for client, values in CHUNKS.items():
        fields = [field(name, value) for name, value in values.items()]
        for parts in ([*fields, file], [file, *fields]):
            reply = await send(api, *parts, route="/api/uploads")
            assert reply.refusal == (400, "MALFORMED"), client
            assert "chunk" in reply.body["error"]["message"], client
            assert (await send(api, *parts, route="/api/files/upload")).refusal == (400, "MALFORMED"), client
        query = "&".join(f"{name}={value}" for name, value in values.items())
        assert (await send(api, file, route=f"/api/uploads?{query}")).refusal == (400, "MALFORMED"), client
    assert {upload["status"] for upload in (await api.list()).body["uploads"]} <= {"error"}
    assert server.error_lines() == []


async def test_file_that_a_chunking_client_sends_whole_is_accepted(api: Api) -> None:
    fields = [field(name, value) for name, value in {**DROPZONE, "dztotalchunkcount": "1"}.items()]
    assert filenames(await send(api, *fields, part('name="file"; filename="a.jpg"'))) == ["a.jpg"]


async def test_body_that_is_a_range_of_a_file_is_refused_and_the_whole_one_is_accepted(api: Api) -> None:
    upload_id, url = await api.reserved("a.txt", len(CONTENT), template="document")
    for value in (f"bytes 0-{len(CONTENT) - 1}/{4 * len(CONTENT)}", "bytes 0-9/*", "bytes */10", ""):
        reply = await api.request("PUT", url, data=CONTENT, headers={"Content-Range": value})
        assert reply.refusal == (400, "MALFORMED"), value
    assert (await api.get(upload_id)).body["stage"] == "receiving"
    assert (await api.put(url, CONTENT)).status == 202
    file = part('name="file"; filename="a.jpg"')
    for route in ("/api/uploads?type=document", "/api/files/upload"):
        assert (await send(api, file, route=route, Content_Range="bytes 0-9/100")).refusal == (400, "MALFORMED")


async def test_metadata_of_tus_is_read_as_far_as_it_can_be(api: Api) -> None:
    header = "filename YS50eHQ=,type ZG9jdW1lbnQ=,token _-_-,name holiday.mp4,"
    reply = await Tus(api).post(CONTENT, Upload_Length=str(len(CONTENT)), Upload_Metadata=header)
    assert reply.status == 201
    assert (await api.get(reply.headers["Location"].rpartition("/")[2])).body["filename"] == "a.txt"
    assert (await Tus(api).head(reply.headers["Location"])).headers["Upload-Metadata"] == header


async def test_limit_of_a_list_is_the_number_that_it_says(api: Api) -> None:
    for limit in ("0", "201", "0000000019999999", "9" * 39, "9" * 4400, "-1", "1e2", "٣", " 5", "", "1_0"):
        for route in ("/api/uploads", "/api/admin/uploads"):
            assert (await api.request("GET", route, params={"limit": limit})).refusal == (400, "MALFORMED"), limit


async def test_limit_with_zeros_before_it_is_accepted(api: Api) -> None:
    body: dict[str, Any] = {"files": [{"filename": f"{number}.txt"} for number in range(3)], "type": "document"}
    assert (await api.request("POST", "/api/uploads", json=body)).status == 201
    assert len((await api.list(limit="000000002")).body["uploads"]) == 2
