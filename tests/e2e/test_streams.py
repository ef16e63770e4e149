"""Server-sent events, native and of the files' dialect: the same events as the room, resumption, end and limits."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from tests.conftest import Serve, Shelf
from tests.e2e.conftest import FakeFfmpeg
from tests.support.harness import EXIT_WITHIN, SHORT_LEASE, Api, HalfSent, Reply, RunningServer, eventually
from tests.support.streams import StreamWatcher
from tests.support.watchers import Watcher, assert_truthful, statuses


def native(server: RunningServer, upload_id: str, last_id: str | None = None) -> StreamWatcher:
    headers = {"Last-Event-ID": last_id} if last_id is not None else {}
    return StreamWatcher(f"{server.url}/api/uploads/{upload_id}/events", headers={**server.headers, **headers})


def files(server: RunningServer, upload_id: str) -> StreamWatcher:
    return StreamWatcher(f"{server.url}/api/files/progress/{upload_id}", headers=server.headers)


@pytest.fixture(scope="module")
def settings(fake: FakeFfmpeg) -> dict[str, str]:
    return {**fake.env, "ROOMCAST_RETRY_SECONDS": "0.1"}


async def test_stream_has_the_same_events_as_the_room(
    server: RunningServer, api: Api, watcher: Watcher, shelf: Shelf
) -> None:
    image = shelf.image()
    upload_id, url = await api.reserved("picture.png", image.stat().st_size)
    await watcher.join(upload_id)
    async with native(server, upload_id) as stream:
        assert (stream.status, stream.headers["Content-Type"]) == (200, "text/event-stream")
        assert stream.headers["Cache-Control"] == "no-store"
        assert stream.headers["X-Accel-Buffering"] == "no"
        await stream.until(upload_id, lambda message: message["seq"] == 1)
        await api.put(url, image.read_bytes())
        await stream.closed()
        await watcher.end(upload_id)
        assert stream.parser.retry == 1000
        assert {item.name for item in stream.received} == {"upload-progress"}
        assert_truthful(stream.messages(upload_id))
        assert statuses(stream.messages(upload_id)) == ["starting", "compressing", "uploading", "completed"]
        assert stream.events(upload_id) == watcher.events(upload_id)
        numbered = [one for one, identity in zip(stream.messages(upload_id), stream.ids, strict=True) if identity]
        assert [event["seq"] for event in numbered] == list(range(1, numbered[-1]["seq"] + 1))
        assert stream.ids[-1] == f"{numbered[-1]['epoch']}:{numbered[-1]['seq']}"
        assert numbered[-1]["element"]["url"]
        async with native(server, upload_id, stream.last_id) as again:
            assert again.status == 204, "a client that has the end is stopped"
    async with native(server, upload_id) as late:
        await late.closed()
        assert [message["status"] for message in late.messages(upload_id)] == ["completed"]


@pytest.mark.parametrize("with_epoch", [True, False])
async def test_stream_resumes_after_the_last_event_id(
    server: RunningServer, api: Api, shelf: Shelf, with_epoch: bool
) -> None:
    upload_id = await api.accepted(shelf.image())
    whole = await api.finished(upload_id)
    async with native(server, upload_id, "0") as all_of_it:
        await all_of_it.closed()
        events = all_of_it.messages(upload_id)
    assert [event["seq"] for event in events] == list(range(1, whole["seq"] + 1))
    for event in events[:-1]:
        identity = f"{event['epoch']}:{event['seq']}" if with_epoch else str(event["seq"])
        async with native(server, upload_id, identity) as rest:
            await rest.closed()
            assert rest.messages(upload_id) == events[event["seq"] :]


async def test_stream_starts_with_the_state_at_a_position_of_another_log(server: RunningServer, api: Api) -> None:
    upload_id, _ = await api.reserved("clip.mp4", 100)
    for identity in ("another:1", "another:5", "999"):
        async with native(server, upload_id, identity) as stream:
            state = await stream.until(upload_id, lambda _: True)
            assert (state["seq"], stream.ids) == (1, [f"{state['epoch']}:1"])


async def test_tick_has_no_event_id_and_is_sent_to_a_resumed_stream(
    server: RunningServer, api: Api, shelf: Shelf
) -> None:
    content = shelf.clip().read_bytes()
    upload_id, url = await api.reserved("clip.mp4", len(content))
    async with native(server, upload_id) as stream, HalfSent(server, "PUT", url, content, first=len(content) // 2):
        tick = await stream.until(upload_id, lambda message: message["bytesReceived"] > 0)
        assert (tick["seq"], stream.ids[:2]) == (1, [f"{tick['epoch']}:1", None])
        async with native(server, upload_id, stream.last_id) as other:
            now = await other.until(upload_id, lambda message: message["bytesReceived"] > 0)
            assert (now["seq"], other.ids[0]) == (1, None), "the latest reading comes at once"


async def test_stream_ends_on_failure_and_resumes_after_a_retry(
    server: RunningServer, api: Api, shelf: Shelf, fake: FakeFfmpeg
) -> None:
    fake.behave("die")
    try:
        upload_id = await api.accepted(shelf.clip())
        async with native(server, upload_id, "0") as stream:
            await stream.closed()
            end = stream.messages(upload_id)[-1]
            assert (end["status"], end["error"]["code"]) == ("error", "TRANSCODE_ERROR")
    finally:
        fake.heal()
    await api.retry(upload_id)
    async with native(server, upload_id, stream.last_id) as again:
        assert again.status == 200, "it was started over: there is something to hear"
        await again.closed()
        assert again.messages(upload_id)[0]["seq"] == end["seq"] + 1
        assert again.messages(upload_id)[-1]["status"] == "completed"


async def test_files_dialect_has_the_fields_of_its_client(server: RunningServer, api: Api, shelf: Shelf) -> None:
    image, broken = shelf.image(), shelf.image("notes.txt.png")
    broken.write_text("no picture at all")
    reply = await _send(api, image, broken)
    assert reply.status == 200
    assert (reply.body["uploaded"], reply.body["message"]) == (1, "1 of 2 files uploaded")
    (upload_id,) = reply.body["upload_ids"]
    async with files(server, upload_id) as stream:
        await stream.closed()
        assert {item.name for item in stream.received} == {"progress"}
        first, end = stream.received[0].message, stream.received[-1].message
    native_end = await api.finished(upload_id)
    assert (first["status"], first["upload_id"]) in (("uploading", upload_id), ("completed", upload_id))
    assert end == {
        "upload_id": upload_id,
        "filename": "picture.png",
        "total_bytes": image.stat().st_size,
        "uploaded_bytes": image.stat().st_size,
        "status": "completed",
        "progress_percentage": 100.0,
        "started_at": first["started_at"],
        "completed_at": native_end["updatedAt"],
    }
    for wrong in ({"json": {"files": [{"filename": "a.mp4"}]}}, {"data": b"bytes"}):
        refused = await api.request("POST", "/api/files/upload", **wrong)
        assert refused.refusal == (400, "MALFORMED")
    assert (await _send(api, broken)).refusal == (415, "UNSUPPORTED_TYPE")


async def _send(api: Api, *paths: Path) -> Reply:
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("path", "holidays/2026")
    for path in paths:
        form.add_field("files", path.read_bytes(), filename=path.name)
    return await api.request("POST", "/api/files/upload", data=form)


async def test_polling_dialect_has_the_fields_of_its_client_and_dismisses_a_task(
    server: RunningServer, api: Api, shelf: Shelf
) -> None:
    task_id, url = await api.reserved("picture.png", (image := shelf.image()).stat().st_size)
    route = f"/api/progress/{task_id}"
    assert (await api.request("GET", route)).body == {
        "progress": 0, "stage": "Waiting for the file", "status": "processing", "task_id": task_id, "error": None,
    }  # fmt: skip
    await api.put(url, image.read_bytes())
    await api.finished(task_id)
    assert (await api.request("GET", route)).body == {
        "progress": 100, "stage": "Done", "status": "completed", "task_id": task_id, "error": None,
    }  # fmt: skip
    assert (await api.request("DELETE", route)).status == 200
    assert (await api.request("GET", route)).refusal == (404, "NOT_FOUND")
    assert (await api.get(task_id)).status == 200, "the other ways know it as before"


async def test_dismissed_task_is_listed_again_after_a_retry(api: Api) -> None:
    task_id, _ = await api.reserved("picture.png", 100)
    await api.cancel(task_id)
    assert (await api.request("DELETE", f"/api/progress/{task_id}")).status == 200
    assert (await api.retry(task_id)).status == 200
    assert (await api.request("GET", f"/api/progress/{task_id}")).body["status"] == "processing"


async def test_dialects_return_404_after_their_own_retention(serve: Serve, shelf: Shelf) -> None:
    server = serve(ROOMCAST_TASK_SECONDS="0.3", ROOMCAST_ROOM_LINGER_SECONDS="0.3")
    async with Api(server) as api:
        upload_id = await api.accepted(shelf.image())
        await api.finished(upload_id)
        for route in (f"/api/progress/{upload_id}", f"/api/files/progress/{upload_id}"):

            async def gone(route: str = route) -> bool:
                return (await api.request("GET", route)).refusal == (404, "NOT_FOUND")

            await eventually(gone)
        assert (await api.get(upload_id)).status == 200


@pytest.mark.parametrize("header", ["x", "-1", "1.5", "e1:", ":1", "1:2:3", "1" * 16, "é"])
async def test_malformed_position_is_refused(server: RunningServer, api: Api, header: str) -> None:
    upload_id, _ = await api.reserved("clip.mp4", 100)
    for route in (f"/api/uploads/{upload_id}/events", f"/api/files/progress/{upload_id}"):
        assert (await api.request("GET", route, headers={"Last-Event-ID": header})).refusal == (400, "MALFORMED")
    assert server.error_lines() == []


async def test_stream_of_an_unknown_upload_is_not_found(server: RunningServer, api: Api) -> None:
    for name in ("upload_" + "0" * 32, "upload_", "x", "..%2f..", "upload_" + "F" * 32):
        for route in (f"/api/uploads/{name}/events", f"/api/files/progress/{name}", f"/api/progress/{name}"):
            assert (await api.request("GET", route)).refusal == (404, "NOT_FOUND"), route
    upload_id, _ = await api.reserved("clip.mp4", 100)
    for method in ("HEAD", "POST", "PUT"):
        assert (await api.request(method, f"/api/uploads/{upload_id}/events")).status == 405


async def test_stream_has_cors_headers_for_an_allowed_origin(serve: Serve) -> None:
    server = serve(ROOMCAST_CORS_ORIGINS="https://app.example")
    async with Api(server) as api:
        upload_id, _ = await api.reserved("clip.mp4", 100)
        for origin, allowed in (("https://app.example", "https://app.example"), ("https://other.example", None)):
            url = f"{server.url}/api/uploads/{upload_id}/events"
            async with StreamWatcher(url, headers={"Origin": origin}) as stream:
                assert stream.headers.get("Access-Control-Allow-Origin") == allowed
                assert stream.headers["Vary"] == "Origin"


async def test_stream_without_events_has_keep_alive_comments(serve: Serve) -> None:
    server = serve(ROOMCAST_PING_SECONDS="0.1")
    async with Api(server) as api:
        upload_id, _ = await api.reserved("clip.mp4", 100)
        async with native(server, upload_id) as stream:
            await stream.wait_until(lambda: stream.parser.comments >= 3)


async def test_stream_resumes_without_a_gap_after_the_server_was_killed(
    serve: Serve, shelf: Shelf, fake: FakeFfmpeg
) -> None:
    fake.behave("busy")
    server = serve(**fake.env, **SHORT_LEASE)
    clip = shelf.clip()
    async with Api(server) as api:
        upload_id = await api.accepted(clip)
        async with native(server, upload_id, "0") as before:
            await before.until(upload_id, lambda message: bool(message["speed"]))
            server.kill()
            await before.closed()
        fake.heal()
        server.restart()
        async with native(server, upload_id, before.last_id) as after:
            await after.closed(60)
    events = before.events(upload_id) + after.events(upload_id)
    ids = [identity for identity in before.ids + after.ids if identity]
    assert ids == [f"{events[0]['epoch']}:{seq}" for seq in range(1, events[-1]["seq"] + 1)]
    assert events[-1]["status"] == "completed"


async def test_streams_end_on_sigterm(serve: Serve) -> None:
    server = serve()
    async with Api(server) as api:
        upload_id, _ = await api.reserved("clip.mp4", 100)
        async with native(server, upload_id) as stream, files(server, upload_id) as other:
            await stream.wait_until(lambda: stream.received)
            ended = await asyncio.to_thread(server.terminate)
            await stream.closed()
            await other.closed()
    assert ended.code == 0
    assert ended.seconds < EXIT_WITHIN / 2
