"""Bad input: the response has a stable code, the room an error, and no file is left on the disk."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Shelf
from tests.support.app import AppServer
from tests.support.clips import text_named_mp4, truncate
from tests.support.harness import Api, HalfSent, Reply, eventually, paths_below
from tests.support.tus import Tus
from tests.support.watchers import Watcher

LIMIT = 1_000_000
SMALL = (64, 48)


@pytest.fixture
def body_stall() -> str:
    """For how many seconds a body may stall. A test of one that does names fewer."""
    return "60"


@pytest.fixture
def settings(body_stall: str) -> dict[str, str]:
    limits = {"ROOMCAST_MAX_UPLOAD_BYTES": str(LIMIT), "ROOMCAST_MAX_FILES": "3"}
    return {**limits, "ROOMCAST_BODY_STALL_SECONDS": body_stall}


@pytest.fixture(autouse=True)
async def server_intact(server: AppServer, api: Api, shelf: Shelf) -> AsyncIterator[None]:
    """Check after every test that no stray file is left and that the next upload works."""
    yield
    assert await api.healthy()
    assert (await api.finished(await api.accepted(shelf.image("after.png", size=SMALL))))["status"] == "completed"
    await eventually(lambda: strays(server) == [], what="the deletion of stray files")
    assert server.error_lines() == []


def strays(server: AppServer) -> list[Path]:
    """Files that belong neither to the results nor to the databases."""
    known = re.compile(r"media/|(ledger|assemblies)[.]|url[.]secret$|deployment$|.*/[.]lock$")
    files = [path for path in paths_below(server.data) if path.is_file()]
    return [path for path in files if not known.match(f"{path.relative_to(server.data)}")]


def multipart(*parts: tuple[str, str | None, bytes], end: bool = True) -> dict[str, Any]:
    """A form of parts, each with its field, its file name as written in the header, and its content."""
    body = b""
    for field, filename, content in parts:
        named = "" if filename is None else f'; filename="{filename}"'
        body += f'--frontier\r\nContent-Disposition: form-data; name="{field}"{named}\r\n\r\n'.encode()
        body += content + b"\r\n"
    body += b"--frontier--\r\n" if end else b""
    return {"data": body, "headers": {"Content-Type": "multipart/form-data; boundary=frontier"}}


async def post(api: Api, *parts: tuple[str, str | None, bytes], end: bool = True) -> Reply:
    return await api.request("POST", "/api/uploads", **multipart(*parts, end=end))


async def test_empty_file_is_unreadable(api: Api) -> None:
    assert (await post(api, ("file", "clip.mp4", b""))).refusal == (422, "UNREADABLE_MEDIA")


async def test_text_named_mp4_is_refused(api: Api, tmp_path: Path) -> None:
    assert (await api.upload(text_named_mp4(tmp_path / "clip.mp4"))).refusal == (415, "UNSUPPORTED_TYPE")


async def test_room_receives_the_error_when_text_is_refused(api: Api, watcher: Watcher, tmp_path: Path) -> None:
    text = text_named_mp4(tmp_path / "clip.mp4").read_bytes()
    upload_id, url = await api.reserved("clip.mp4", len(text))
    await watcher.join(upload_id)
    assert (await api.put(url, text)).refusal == (415, "UNSUPPORTED_TYPE")
    last = await watcher.end(upload_id)
    assert last["error"]["code"] == "UNSUPPORTED_TYPE"
    assert last["error"]["step"] == "receiving"
    assert last["error"]["retryable"] is False


async def test_truncated_clip_is_completed_and_marked_as_partial(api: Api, watcher: Watcher, shelf: Shelf) -> None:
    upload_id = await api.accepted(truncate(shelf.clip(seconds=5, fps=10, audio=True), 0.5))
    await watcher.join(upload_id)
    last = await watcher.end(upload_id)
    assert last["status"] == "completed"
    partial = last["element"]["partial"]
    assert 1 < partial["seconds"] < 4
    assert partial["declaredSeconds"] == pytest.approx(5, abs=0.1)
    assert last["element"]["outputs"][0]["duration"] == pytest.approx(partial["seconds"], abs=0.2)


async def test_clip_without_its_index_fails_at_the_first_attempt(
    server: AppServer, api: Api, watcher: Watcher, shelf: Shelf
) -> None:
    upload_id = await api.accepted(truncate(shelf.clip(seconds=2, faststart=False), 0.5))
    await watcher.join(upload_id)
    last = await watcher.end(upload_id)
    assert last["status"] == "error"
    assert last["error"]["code"] == "UNREADABLE_MEDIA"
    assert last["error"]["retryable"] is False
    assert last["attempt"] == 1
    await eventually(lambda: server.files_of(upload_id) == [], what="the deletion of the file")


@pytest.mark.parametrize("name", ["picture.png", "picture.jpg"])
async def test_truncated_image_is_unreadable(api: Api, shelf: Shelf, name: str) -> None:
    upload_id = await api.accepted(truncate(shelf.image(name, noise=True), 0.5))
    last = await api.finished(upload_id)
    assert last["error"]["code"] == "UNREADABLE_MEDIA"


async def test_form_without_a_file_in_a_file_field_is_malformed(api: Api, shelf: Shelf) -> None:
    content = shelf.image().read_bytes()
    for parts in (
        [("video", "clip.mp4", content)],
        [("type", None, b"auto")],
        [],
    ):
        assert (await post(api, *parts)).refusal == (400, "MALFORMED"), parts


async def test_unknown_template_is_malformed(api: Api, shelf: Shelf) -> None:
    for reply in (
        await api.upload(shelf.image(), template="no-such-template"),
        await api.reserve(("clip.mp4", 100), template="no-such-template"),
    ):
        assert reply.refusal == (400, "MALFORMED")


async def test_too_large_file_is_refused_by_its_declared_size(api: Api, server: AppServer) -> None:
    assert (await api.reserve(("clip.mp4", LIMIT + 1))).refusal == (413, "TOO_LARGE")
    _, url = await api.reserved("clip.mp4", LIMIT)
    async with HalfSent(server, "PUT", url, bytes(LIMIT + 1), first=0) as sending:
        assert await sending.status() == 413


async def test_too_large_file_is_refused_by_its_bytes(api: Api, watcher: Watcher, shelf: Shelf) -> None:
    content = shelf.image().read_bytes() + bytes(LIMIT)

    async def unannounced() -> AsyncIterator[bytes]:
        for at in range(0, len(content), 65536):
            yield content[at : at + 65536]

    upload_id, url = await api.reserved("picture.png", LIMIT)
    await watcher.join(upload_id)
    assert (await api.request("PUT", url, data=unannounced())).refusal == (413, "TOO_LARGE")
    last = await watcher.end(upload_id)
    assert last["error"]["code"] == "TOO_LARGE"
    assert (await post(api, ("file", "picture.png", content))).refusal == (413, "TOO_LARGE")


@pytest.mark.parametrize("off", [-1, +1])
async def test_content_length_other_than_reserved_is_refused_before_the_first_byte(
    api: Api, shelf: Shelf, off: int
) -> None:
    content = shelf.image().read_bytes()
    upload_id, url = await api.reserved("picture.png", len(content) + off)
    assert (await api.put(url, content)).refusal == (400, "MALFORMED"), "told before a byte is taken"
    assert (await api.get(upload_id)).body["stage"] == "receiving"


@pytest.mark.parametrize(("off", "refusal"), [(-1, (413, "TOO_LARGE")), (+1, (400, "MALFORMED"))])
async def test_body_without_length_and_other_than_reserved_fails_the_upload(
    api: Api, shelf: Shelf, off: int, refusal: tuple[int, str]
) -> None:
    content = shelf.image().read_bytes()

    async def unannounced() -> AsyncIterator[bytes]:
        yield content

    upload_id, url = await api.reserved("picture.png", len(content) + off)
    assert (await api.request("PUT", url, data=unannounced())).refusal == refusal
    assert (await api.get(upload_id)).body["error"]["code"] == refusal[1]


async def test_too_many_files_in_one_request_are_refused(api: Api, shelf: Shelf) -> None:
    content = shelf.image().read_bytes()
    assert (await post(api, *(("files", f"{number}.png", content) for number in range(4)))).refusal == (429, "TOO_MANY")
    reservation = await api.reserve(*((f"{number}.png", 10) for number in range(4)))
    assert reservation.refusal == (429, "TOO_MANY")


async def test_good_files_of_a_form_are_queued_when_others_are_refused(
    api: Api, watcher: Watcher, shelf: Shelf
) -> None:
    content = shelf.image().read_bytes()
    reply = await post(api, ("files", "bad.mp4", b"text " * 50), ("files", "good.png", content), ("files", "none", b""))
    assert reply.status == 202
    entries = {entry["filename"]: entry for entry in reply.body["uploads"]}
    assert entries["bad.mp4"]["error"]["code"] == "UNSUPPORTED_TYPE"
    assert entries["none"]["error"]["code"] == "UNREADABLE_MEDIA"
    assert "error" not in entries["good.png"]
    assert reply.body["uploadId"] == entries["good.png"]["uploadId"]
    await watcher.join(entries["good.png"]["uploadId"])
    assert (await watcher.end(entries["good.png"]["uploadId"]))["status"] == "completed"


async def test_form_of_only_bad_files_is_refused_with_an_entry_for_each(api: Api) -> None:
    reply = await post(api, ("files", "one.mp4", b"text " * 50), ("files", "two.mp4", b""))
    assert reply.refusal == (415, "UNSUPPORTED_TYPE")
    named = reply.body["error"]["details"]["uploads"]
    assert len({entry["uploadId"] for entry in named}) == 2


@pytest.mark.parametrize("form", ["PUT", "multipart"])
async def test_disconnect_fails_the_upload_and_leaves_no_file(
    server: AppServer, api: Api, watcher: Watcher, shelf: Shelf, form: str
) -> None:
    content = shelf.clip().read_bytes()
    content += bytes(900_000 - len(content))  # so much that a reader that buffers some of it has passed others on
    if form == "PUT":
        _, url = await api.reserved("cut-off.mp4", len(content))
        sending = HalfSent(server, "PUT", url, content, first=len(content) // 2)
    else:
        whole = multipart(("file", "cut-off.mp4", content))
        sending = HalfSent(
            server, "POST", "/api/uploads", whole["data"], first=len(content) // 2, headers=whole["headers"]
        )
    async with sending:
        upload_id = (await eventually(lambda: listed(api, "cut-off.mp4"), what="the upload in the list"))["uploadId"]
        await watcher.join(upload_id)
        if form == "PUT":  # a form's file is listed once its bytes are being read, a reservation before that
            await api.until(upload_id, lambda message: message["bytesReceived"] > 0)
    last = await watcher.end(upload_id)
    assert last["error"]["code"] == "MALFORMED"
    assert server.files_of(upload_id) == []


async def listed(api: Api, filename: str) -> dict[str, Any] | None:
    uploads: list[dict[str, Any]] = (await api.list()).body["uploads"]
    return next((message for message in uploads if message["filename"] == filename), None)


@pytest.mark.parametrize("body_stall", ["1"])
async def test_stalled_body_fails_the_upload(server: AppServer, api: Api, watcher: Watcher, shelf: Shelf) -> None:
    content = shelf.clip().read_bytes()
    upload_id, url = await api.reserved("clip.mp4", len(content))
    await watcher.join(upload_id)
    async with HalfSent(server, "PUT", url, content, first=len(content) // 2) as sending:
        last = await watcher.end(upload_id)
        assert last["error"]["code"] == "STALLED"
        assert server.files_of(upload_id) == []
        assert await sending.status() == 408


async def test_form_without_its_closing_boundary_is_malformed(api: Api, shelf: Shelf) -> None:
    assert (await post(api, ("file", "picture.png", shelf.image().read_bytes()), end=False)).refusal == (
        400,
        "MALFORMED",
    )


NAMES = {
    "a way out": ("../../../etc/passwd.png", "passwd.png"),
    "a way out of Windows": ("..\\..\\boot.png", "boot.png"),
    "an absolute path": ("/etc/passwd.png", "passwd.png"),
    "NUL": ("nul\0byte.png", "nulbyte.png"),
    "line ends": ("two\r\nlines.png", "twolines.png"),
    "emoji": ("🎬 película.png", "🎬 película.png"),
    "markup": ("<img src=x onerror=alert(1)>.png", None),
    "an option": ("-y.png", None),
    "5,000 characters": ("x" * 5000 + ".png", None),
    "dots": ("..", None),
    "nothing": ("", None),
    "half a character": ("\ud800.png", None),
}


PROCESSED = {"a way out", "emoji"}
"""Of the files with a name that is expected, those that are processed, as all the others are."""


async def test_strange_file_name_of_a_reservation_is_cleaned(server: AppServer, api: Api, shelf: Shelf) -> None:
    content = shelf.image(size=SMALL).read_bytes()
    for case, (name, expected) in NAMES.items():
        body = json.dumps({"files": [{"filename": name, "size": len(content)}]})
        reply = await api.request("POST", "/api/uploads", data=body, headers={"Content-Type": "application/json"})
        if reply.status != 201:
            assert reply.refusal == (400, "MALFORMED"), case
            assert expected is None, case
            continue
        (entry,) = reply.body["uploads"]
        assert expected in (None, entry["filename"]), case
        assert 0 < len(entry["filename"]) <= 255, case
        assert not set("/\\\0\r\n") & set(entry["filename"]), case
        if expected is not None and case not in PROCESSED:
            continue
        assert (await api.put(entry["contentUrl"], content)).status == 202, case
        last = await api.finished(entry["uploadId"])
        assert last["status"] == "completed", case
        assert last["filename"] == entry["filename"], case
        for output in last["element"]["outputs"]:
            assert (await api.request("GET", output["url"])).status == 200, case
        await eventually(lambda: strays(server) == [], what="the deletion of the source")
        folder = server.data / "media" / entry["uploadId"]
        assert all(path.is_relative_to(folder) for path in server.files_of(entry["uploadId"])), case


async def test_strange_file_name_of_a_form_is_cleaned(api: Api, shelf: Shelf) -> None:
    content = shelf.image(size=SMALL).read_bytes()
    for name in ("../../../etc/passwd.png", "🎬.png", "x" * 5000 + ".png"):
        reply = await post(api, ("file", name, content))
        assert reply.status == 202, name
        (entry,) = reply.body["uploads"]
        assert "/" not in entry["filename"], name
        assert 0 < len(entry["filename"]) <= 255, name
        assert (await api.finished(entry["uploadId"]))["status"] == "completed", name


RESERVATIONS: dict[str, str] = {
    "no JSON": "{",
    "nothing": "",
    "null": "null",
    "a list": "[]",
    "no files": "{}",
    "an empty list of files": '{"files": []}',
    "files of another shape": '{"files": {"filename": "a", "size": 1}}',
    "a size of words": '{"files": [{"filename": "a", "size": "many"}]}',
    "a negative size": '{"files": [{"filename": "a", "size": -1}]}',
    "a size that is no number": '{"files": [{"filename": "a", "size": NaN}]}',
    "a name that is no text": '{"files": [{"filename": 1, "size": 1}]}',
    "a template that is no text": '{"type": {}, "files": [{"filename": "a", "size": 1}]}',
    "deep nesting": "[" * 20_000,
}


async def test_wrong_reservation_is_malformed(api: Api) -> None:
    for name, body in RESERVATIONS.items():
        reply = await api.request("POST", "/api/uploads", data=body, headers={"Content-Type": "application/json"})
        assert reply.refusal == (400, "MALFORMED"), (name, reply.body)


@pytest.mark.parametrize("chunks", [0, 1, 2])
async def test_file_with_another_md5_than_declared_fails(api: Api, watcher: Watcher, shelf: Shelf, chunks: int) -> None:
    """By PUT, or by tus in so many chunks."""
    content = shelf.image().read_bytes()
    files = [{"filename": "picture.png", "size": len(content), "md5": "0" * 32}]
    (entry,) = (await api.request("POST", "/api/uploads", json={"files": files})).body["uploads"]
    await watcher.join(entry["uploadId"])
    half = len(content) // 2 if chunks == 2 else 0
    if half:
        assert (await Tus(api).patch(entry["tusUrl"], 0, content[:half])).status == 204
    if chunks:
        reply = await Tus(api).patch(entry["tusUrl"], half, content[half:])
    else:
        reply = await api.put(entry["contentUrl"], content)
    assert reply.refusal == (400, "MALFORMED")
    assert (await watcher.end(entry["uploadId"]))["error"]["code"] == "MALFORMED"


async def test_second_body_for_a_received_upload_is_refused(api: Api, shelf: Shelf) -> None:
    content = shelf.image().read_bytes()
    upload_id, url = await api.reserved("picture.png", len(content))
    assert (await api.put(url, content)).status == 202
    assert (await api.put(url, content)).refusal == (409, "WRONG_STATE")
    assert (await api.finished(upload_id))["status"] == "completed"


async def test_second_body_is_refused_while_the_first_arrives(
    server: AppServer, api: Api, watcher: Watcher, shelf: Shelf
) -> None:
    content = shelf.image().read_bytes()
    upload_id, url = await api.reserved("picture.png", len(content))
    await watcher.join(upload_id)
    async with HalfSent(server, "PUT", url, content, first=len(content) // 2) as sending:
        await watcher.until(upload_id, lambda message: message["bytesReceived"] > 0)
        assert (await api.put(url, content)).refusal == (409, "WRONG_STATE")
        await sending.send()
        assert await sending.status() == 202
    assert (await watcher.end(upload_id))["status"] == "completed"


async def test_unknown_routes_respond_in_json(api: Api) -> None:
    assert (await api.request("GET", "/api/no-such-thing")).refusal == (404, "NOT_FOUND")
    assert (await api.get("not-an-id")).refusal == (404, "NOT_FOUND")
    assert (await api.request("PATCH", "/api/uploads")).code is not None
