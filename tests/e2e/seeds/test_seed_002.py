"""A file manager that sends a form of many files into a folder, and shows a bar for each and one for all."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.conftest import Shelf
from tests.e2e.seeds.node_program import Line, of_kind, run_program
from tests.support.clips import truncate
from tests.support.harness import ROOT, Api, Reply, RunningServer, eventually
from tests.support.watchers import Watcher, assert_truthful, statuses

pytestmark = pytest.mark.node

TEMPLATES = """
[templates.document]
kind = "file"
max_bytes = 1000
"""


@pytest.fixture(autouse=True)
def eventsource(node: None) -> None:
    if not (ROOT / "static" / "node_modules" / "eventsource").is_dir():
        pytest.skip("static/node_modules is missing: `make setup` brings it where npm is installed")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    path = tmp_path_factory.mktemp("templates") / "templates.toml"
    path.write_text(TEMPLATES)
    return {"ROOMCAST_TEMPLATES": str(path), "ROOMCAST_FILES_TEMPLATE": "document", "ROOMCAST_MAX_FILES": "4"}


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    path = tmp_path / "notes, é.txt"
    path.write_bytes(b"<script>alert(1)</script>")
    return path


async def manage(server: RunningServer, *files: Path, path: str = "", template: str = "") -> list[Line]:
    return await run_program("file_manager.mjs", server.url, path, template, *map(str, files))


def answer(lines: list[Line]) -> tuple[int, dict[str, Any]]:
    (one,) = of_kind(lines, "answer")
    return one["status"], one["result"]


def sources(server: RunningServer) -> list[Path]:
    """What has arrived and is still there."""
    return list((server.data / "incoming").iterdir())


async def send(api: Api, *files: tuple[str, bytes], path: str | None = None, field: str = "files") -> Reply:
    """A form whose path comes before its files."""
    form = aiohttp.FormData()
    if path is not None:
        form.add_field("path", path)
    for name, content in files:
        form.add_field(field, content, filename=name)
    return await api.request("POST", "/api/files/upload", data=form)


async def test_two_files_complete_and_each_progress_bar_fills(server: RunningServer, api: Api, shelf: Shelf) -> None:
    pictures = [shelf.image("one.png"), shelf.image("two.png", size=(300, 200))]
    lines = await manage(server, *pictures, template="auto")
    status, result = answer(lines)
    ids = result["upload_ids"]
    assert status == 200
    assert result == {
        "message": "Files uploaded", "uploaded": 2, "upload_ids": ids, "task_id": ids[0], "failed": [],
    }  # fmt: skip
    assert of_kind(lines, "lost") == []
    assert of_kind(lines, "shown") == [
        {"kind": "shown", "text": "Overall Progress: 100.0%", "allCompleted": True, "errors": []}
    ]
    for upload_id, picture in zip(ids, pictures, strict=True):
        progress = [one["progress"] for one in of_kind(lines, "progress") if one["progress"]["upload_id"] == upload_id]
        size = picture.stat().st_size
        for one in progress:
            assert (one["filename"], one["total_bytes"]) == (picture.name, size)
            assert one["uploaded_bytes"] == size * round(one["progress_percentage"] * 10) // 1000
            assert (one["status"] == "completed") == (one["uploaded_bytes"] == size)
        bytes_shown = [one["uploaded_bytes"] for one in progress]
        assert bytes_shown == sorted(bytes_shown)
        native = (await api.get(upload_id)).body
        assert progress[-1]["completed_at"] == native["updatedAt"]
        assert set(progress[-1]) == {
            "upload_id", "filename", "total_bytes", "uploaded_bytes", "status", "progress_percentage", "started_at",
            "completed_at",
        }  # fmt: skip


async def test_path_is_in_the_state_and_begins_the_keys_of_the_results(
    server: RunningServer, api: Api, shelf: Shelf
) -> None:
    lines = await manage(server, shelf.image(), path="/holidays//2026 é %41/", template="auto")
    (upload_id,) = answer(lines)[1]["upload_ids"]
    state = (await api.get(upload_id)).body
    assert state["metadata"] == {"path": "holidays/2026 é %41"}
    keys = [output["key"] for output in state["element"]["outputs"]]
    assert len(keys) > 1
    assert {key.rpartition("/")[0] for key in keys} == {f"holidays/2026 é %41/{upload_id}"}
    for output in state["element"]["outputs"]:
        reply = await api.request("GET", output["url"])
        assert (reply.status, len(reply.content)) == (200, output["size"])
        assert reply.headers["Content-Disposition"].startswith("inline; filename")


async def test_file_that_is_not_media_is_stored_unchanged_and_served_as_a_download_only(
    server: RunningServer, api: Api, notes: Path
) -> None:
    lines = await manage(server, notes, path="docs")
    assert of_kind(lines, "shown")[0]["allCompleted"] is True
    (upload_id,) = answer(lines)[1]["upload_ids"]
    element = (await api.get(upload_id)).body["element"]
    (output,) = element["outputs"]
    size = notes.stat().st_size
    assert (element["type"], element["filename"], element["original"]["size"]) == ("file", notes.name, size)
    assert (output["kind"], output["mime"], output["size"]) == ("file", "application/octet-stream", size)
    assert output["key"] == f"docs/{upload_id}/download/{notes.name}"
    reply = await api.request("GET", output["url"])
    assert (reply.status, reply.content) == (200, notes.read_bytes())
    expected = {
        "Content-Type": "application/octet-stream",
        "Content-Disposition": "attachment; filename*=UTF-8''notes%2C%20%C3%A9.txt",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; media-src 'self'; sandbox",
    }
    assert {name: reply.headers[name] for name in expected} == expected
    await eventually(lambda: sources(server) == [])


async def test_image_under_a_file_template_is_served_as_a_download(
    server: RunningServer, api: Api, shelf: Shelf
) -> None:
    reply = await send(api, ("page.html.svg", b"<svg/>"), ("picture.png", shelf.image().read_bytes()[:200]))
    for upload_id in reply.body["upload_ids"]:
        (output,) = (await api.finished(upload_id))["element"]["outputs"]
        headers = (await api.request("GET", output["url"])).headers
        assert headers["Content-Type"] == "application/octet-stream"
        assert headers["Content-Disposition"].startswith("attachment;")


async def test_file_that_is_not_media_has_the_same_events_as_a_video(
    server: RunningServer, api: Api, watcher: Watcher, notes: Path
) -> None:
    upload_id, url = await api.reserved(notes.name, notes.stat().st_size, template="document")
    await watcher.join(upload_id)
    assert (await api.put(url, notes.read_bytes())).status == 202
    end = await watcher.end(upload_id)
    assert end["element"]["outputs"][0]["kind"] == "file"
    assert end["element"]["saved"] == {"bytes": 0, "percent": 0.0}
    assert statuses(watcher.messages(upload_id)) == ["starting", "compressing", "uploading", "completed"]
    assert_truthful(watcher.messages(upload_id))


async def test_empty_file_completes(api: Api) -> None:
    reply = await send(api, ("empty.txt", b""))
    (upload_id,) = reply.body["upload_ids"]
    (output,) = (await api.finished(upload_id))["element"]["outputs"]
    assert (output["size"], (await api.request("GET", output["url"])).content) == (0, b"")


async def test_refused_file_is_listed_beside_the_ids_of_the_others(
    server: RunningServer, shelf: Shelf, notes: Path
) -> None:
    lines = await manage(server, notes, shelf.image(), template="auto")
    status, result = answer(lines)
    assert (status, result["message"], result["uploaded"]) == (200, "1 of 2 files uploaded", 1)
    assert len(result["upload_ids"]) == 1
    assert result["failed"] == [
        {
            "filename": notes.name,
            "error": "This is not a video or an image that can be processed.",
            "code": "UNSUPPORTED_TYPE",
        }
    ]
    assert of_kind(lines, "shown")[0]["allCompleted"] is True


async def test_form_of_refused_files_lists_them_and_the_client_shows_no_progress(
    server: RunningServer, notes: Path
) -> None:
    lines = await manage(server, notes, template="auto")
    status, result = answer(lines)
    assert status == 415
    assert (result["uploaded"], result["upload_ids"]) == (0, [])
    assert [one["filename"] for one in result["failed"]] == [notes.name]
    assert result["message"] == result["failed"][0]["error"]
    assert of_kind(lines, "shown")[0]["text"] == "Overall Progress: 0.0%"


async def test_corrupt_file_fails_with_a_message(server: RunningServer, shelf: Shelf) -> None:
    broken = truncate(shelf.image(), 0.5)
    lines = await manage(server, broken, template="auto")
    assert answer(lines)[0] == 200
    last = of_kind(lines, "progress")[-1]["progress"]
    assert (last["status"], last["uploaded_bytes"] < last["total_bytes"]) == ("failed", True)
    assert of_kind(lines, "shown")[0]["errors"] == [f"{broken.name}: {last['error']}"]
    assert last["error"]


async def test_too_large_file_is_listed_and_the_next_one_accepted(api: Api) -> None:
    reply = await send(api, ("large.bin", bytes(200_000)), ("small.bin", b"small"))
    assert reply.status == 200
    assert len(reply.body["upload_ids"]) == 1
    assert [(one["filename"], one["code"]) for one in reply.body["failed"]] == [("large.bin", "TOO_LARGE")]


async def test_files_over_the_limit_of_a_form_are_listed_as_failed(api: Api) -> None:
    reply = await send(api, *((f"{number}.txt", b"text") for number in range(7)))
    assert (reply.status, reply.body["uploaded"]) == (200, 4)
    assert [(one["filename"], one["code"]) for one in reply.body["failed"]] == [
        (f"{number}.txt", "TOO_MANY") for number in (4, 5, 6)
    ]


async def test_file_in_another_field_is_listed_as_failed(api: Api) -> None:
    reply = await send(api, ("a.txt", b"a"), field="document")
    assert (reply.refusal, reply.body["upload_ids"]) == ((400, "MALFORMED"), [])
    assert [one["filename"] for one in reply.body["failed"]] == ["a.txt"]


BAD_PATHS = {
    "upwards": "../secrets",
    "upwards inside": "a/../../b",
    "upwards the other way": "a\\..\\b",
    "upwards with spaces": "a/ .. /b",
    "a zero byte": "a\0b",
    "a line break": "a\r\nb",
    "letters from right to left": "a\u202eb",
    "into the folder of an upload": "upload_" + "0" * 32 + "/video.mp4",
    "5,000 characters": "x/" * 2500,
    "5,000 characters without a slash": "x" * 5000,
    "a long name": "x" * 201,
    "more than any field may hold": "x" * 9000,
}


@pytest.mark.parametrize("bad", BAD_PATHS)
@pytest.mark.parametrize("first", [True, False], ids=["before the file", "after it"])
async def test_invalid_path_is_refused_with_every_file_listed(
    server: RunningServer, api: Api, bad: str, first: bool
) -> None:
    parts = [("path", BAD_PATHS[bad]), ("files", b"text")]
    form = aiohttp.FormData()
    for name, value in parts if first else reversed(parts):
        form.add_field(name, value, filename="a.txt" if name == "files" else None)
    reply = await api.request("POST", "/api/files/upload", data=form)
    assert (reply.refusal, reply.body["upload_ids"]) == ((400, "MALFORMED"), [])
    assert [(one["filename"], one["code"]) for one in reply.body["failed"]] == [("a.txt", "MALFORMED")]
    await eventually(lambda: sources(server) == [])


async def test_unknown_template_is_refused_with_every_file_listed(api: Api) -> None:
    for query in ("?type=none", ""):
        form = aiohttp.FormData()
        form.add_field("files", b"text", filename="a.txt")
        form.add_field("type", "none")
        reply = await api.request("POST", f"/api/files/upload{query}", data=form)
        assert (reply.refusal, [one["filename"] for one in reply.body["failed"]]) == ((400, "MALFORMED"), ["a.txt"])


async def test_two_files_of_the_same_name_and_folder_are_stored_apart(api: Api) -> None:
    reply = await send(api, ("a.txt", b"one"), ("a.txt", b"two"), path="same")
    contents = set()
    for upload_id in reply.body["upload_ids"]:
        (output,) = (await api.finished(upload_id))["element"]["outputs"]
        contents.add((await api.request("GET", output["url"])).content)
    assert contents == {b"one", b"two"}


async def test_signed_link_gives_access_to_one_folder_only(api: Api) -> None:
    reply = await send(api, ("a.txt", b"text"), path="open")
    url = (await api.finished(reply.body["upload_ids"][0]))["element"]["outputs"][0]["url"]
    base, _, name = url.rpartition("/")
    for wrong in (f"{base}/..%2F{name}", f"{base}/x/{name}", f"{base}/%2e%2e", f"{base}/.{name}", f"{base}/{name}x"):
        assert (await api.request("GET", wrong)).status in (403, 404), wrong
    assert re.search(r"/media/[^/]+/open/upload_[0-9a-f]{32}/download/a\.txt$", url)


async def test_errors_have_the_format_of_the_dialect(server: RunningServer, api: Api) -> None:
    missing = await api.request("GET", "/api/files/progress/upload_" + "0" * 32)
    assert (missing.refusal, missing.body) == ((404, "NOT_FOUND"), {"error": "There is no such upload."})
    refused = await api.request("POST", "/api/files/upload", json={"path": "a"})
    assert refused.refusal == (400, "MALFORMED")
    assert refused.body == {
        "message": "Send multipart/form-data with one or more files.", "uploaded": 0, "upload_ids": [], "failed": [],
    }  # fmt: skip
    assert server.error_lines() == []
