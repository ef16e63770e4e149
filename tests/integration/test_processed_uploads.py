"""The main job: a real clip is uploaded, its room gets every event, and a smaller clip is stored."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import datetime
from functools import partial
from itertools import groupby, pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Shelf
from tests.e2e.conftest import FakeFfmpeg
from tests.integration.conftest import ServeApp
from tests.support.app import AppServer
from tests.support.harness import Api, HalfSent, eventually
from tests.support.results import check_video, decode_image, fetched, output
from tests.support.watchers import NodeWatcher, Recorder, Watcher, assert_truthful, statuses

ALL_THE_WAY = ["starting", "compressing", "uploading", "completed"]
MESSAGE_KEYS = {
    "uploadId", "seq", "epoch", "status", "stage", "progress", "stageProgress", "message", "filename", "bytesReceived",
    "bytesExpected", "attempt", "updatedAt", "eta", "speed", "fps", "queuePosition",
}  # fmt: skip
STAGES = ["receiving", "queued", "fetching", "probing", "compressing", "thumbnails", "storing", "cleaning", "done"]

CLIPS: dict[str, dict[str, Any]] = {
    "two seconds": {"seconds": 2},
    "without sound": {"seconds": 2, "audio": False},
    "odd sizes": {"seconds": 2, "odd": True},
    "turned by a phone": {"seconds": 2, "size": "320x180", "rotation": 90},
    "twenty seconds": {"seconds": 20, "size": "64x48", "fps": 5},
}


@pytest.fixture
async def both(server: AppServer, node: None) -> AsyncIterator[list[Recorder]]:
    """python-socketio and the official JavaScript client, side by side."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(Watcher(server.url)),
            await stack.enter_async_context(NodeWatcher(server.url, transports=["websocket"])),
        ]


async def sent_with_watchers(api: Api, clip: Path, watchers: list[Recorder]) -> str:
    """Reserve, join with every watcher, and only then send the bytes."""
    upload_id, content_url = await api.reserved(clip.name, clip.stat().st_size)
    for watcher in watchers:
        ack = await watcher.join(upload_id)
        assert ack["ok"]
        assert ack["state"]["stage"] == "receiving"
    reply = await api.put(content_url, clip.read_bytes())
    assert reply.status == 202, reply.body
    assert reply.body["uploadId"] == upload_id
    return upload_id


@pytest.mark.node
@pytest.mark.parametrize("options", CLIPS.values(), ids=CLIPS.keys())
async def test_clip_becomes_smaller_and_its_room_gets_every_event(
    api: Api, both: list[Recorder], shelf: Shelf, tmp_path: Path, options: dict[str, Any]
) -> None:
    clip = shelf.clip(**({"seconds": 2, "audio": True} | options))
    upload_id = await sent_with_watchers(api, clip, both)
    for watcher in both:
        last = await watcher.end(upload_id)
        assert last["status"] == "completed", last
        assert len(await watcher.wait_for_status(upload_id, "completed")) == 1
        assert_heard_whole(watcher, upload_id)

    element = last["element"]
    video = output(element, "video")
    content = await fetched(api, video)
    found = check_video(content, video, tmp_path, audio=options.get("audio", True))
    assert abs(float(found["format"]["duration"]) - options["seconds"]) < 0.5
    assert len(content) < clip.stat().st_size
    assert element["original"]["size"] == clip.stat().st_size
    assert element["saved"]["bytes"] == clip.stat().st_size - len(content)
    assert element["saved"]["percent"] == pytest.approx(100 * element["saved"]["bytes"] / clip.stat().st_size, abs=1)
    assert element["url"] == video["url"]
    assert_upright(video, options)
    assert decode_image(await fetched(api, output(element, "poster"))).width > 0


def assert_heard_whole(watcher: Recorder, upload_id: str) -> None:
    """Every event once and in order, the statuses, and each new status under its own name too."""
    live = watcher.live_messages(upload_id)
    assert_truthful(live)
    assert statuses(live) == ALL_THE_WAY
    assert [event["seq"] for event in watcher.events(upload_id)] == list(range(1, live[-1]["seq"] + 1))
    assert [stage for stage, _ in groupby(watcher.events(upload_id), itemgetter("stage"))] == STAGES
    for message in live:
        assert message.keys() >= MESSAGE_KEYS
        assert message["filename"] == "clip.mp4"
        assert "/" not in message["message"]
    for status in ALL_THE_WAY[1:]:
        (named,) = watcher.live_messages(upload_id, status)
        assert named["seq"] == next(message["seq"] for message in live if message["status"] == status)


def assert_upright(video: dict[str, Any], options: dict[str, Any]) -> None:
    """Even sides within a pixel of the clip's own, as a viewer sees it: a turned clip is upright."""
    width, height = (int(side) - options.get("odd", False) for side in options.get("size", "160x120").split("x"))
    if options.get("rotation"):
        width, height = height, width
    assert video["width"] % 2 == video["height"] % 2 == 0
    assert abs(video["width"] - width) <= 1
    assert abs(video["height"] - height) <= 1


@pytest.mark.node
async def test_compressing_sends_at_most_four_ticks_a_second(
    serve: ServeApp, fake: FakeFfmpeg, shelf: Shelf, node: None
) -> None:
    fake.behave("busy")
    server = await serve(**fake.env)
    async with Api(server) as api, Watcher(server.url) as python, NodeWatcher(server.url) as javascript:
        upload_id = await sent_with_watchers(api, shelf.clip(**CLIPS["twenty seconds"]), [python, javascript])

        def blocks(watcher: Recorder) -> list[dict[str, Any]]:
            """The ticks that came of what ffmpeg reported."""
            return [message for message in watcher.live_messages(upload_id) if message["speed"] is not None]

        def heard(watcher: Recorder) -> bool:
            return len(blocks(watcher)) >= 7 and any(tick["eta"] is not None for tick in blocks(watcher))

        for watcher in (python, javascript):
            await watcher.wait_until(partial(heard, watcher))
        fake.heal()
        for watcher in (python, javascript):
            await watcher.end(upload_id)
            live = [message for message in watcher.live_messages(upload_id) if message["stage"] == "compressing"]
            # An event, which has a `seq` of its own, comes when it comes.
            ticks = [message for before, message in pairwise(live) if message["seq"] == before["seq"]]
            moments = [datetime.fromisoformat(tick["updatedAt"]) for tick in ticks]
            assert (len(ticks) - 1) / (moments[-1] - moments[0]).total_seconds() <= 4.5
            assert any(tick["fps"] == 25 for tick in blocks(watcher))
            assert len({tick["progress"] for tick in ticks}) > 5


async def test_result_is_available_at_100_percent(api: Api, watcher: Watcher, shelf: Shelf) -> None:
    upload_id = await sent_with_watchers(api, shelf.clip(seconds=2), [watcher])
    last = await watcher.until(upload_id, lambda message: message["progress"] == 100)
    for entry in last["element"]["outputs"]:
        await fetched(api, entry)
    state = (await api.get(upload_id)).body
    assert state["status"] == "completed"
    assert state["element"]["outputs"] == last["element"]["outputs"]


async def test_received_bytes_are_reported_during_the_upload(
    server: AppServer, api: Api, watcher: Watcher, shelf: Shelf
) -> None:
    clip = shelf.clip(seconds=2)
    size = clip.stat().st_size
    upload_id, content_url = await api.reserved(clip.name, size)
    await watcher.join(upload_id)
    async with HalfSent(server, "PUT", content_url, clip.read_bytes(), first=size // 2) as sending:
        tick = await watcher.until(upload_id, lambda message: message["bytesReceived"] > 0)
        assert tick["bytesReceived"] <= size // 2
        assert tick["stage"] == "receiving"
        assert tick["bytesExpected"] == size
        assert tick["stageProgress"] == pytest.approx(100 * tick["bytesReceived"] / size, abs=0.1)
        await sending.send()
        assert await sending.status() == 202
    assert (await watcher.end(upload_id))["status"] == "completed"
    assert_truthful(watcher.live_messages(upload_id))


async def test_multipart_with_several_files_returns_each(api: Api, watcher: Watcher, shelf: Shelf) -> None:
    clips = [shelf.clip(f"{name}.mp4", seconds=1 + number) for number, name in enumerate(("one", "two"))]
    reply = await api.upload(*clips, shelf.image("three.png"))
    assert reply.status == 202
    entries = reply.body["uploads"]
    assert [entry["filename"] for entry in entries] == ["one.mp4", "two.mp4", "three.png"]
    assert reply.body["uploadId"] == entries[0]["uploadId"]
    assert len({entry["uploadId"] for entry in entries}) == 3
    for entry in entries:
        await watcher.join(entry["uploadId"])
        last = await watcher.end(entry["uploadId"])
        assert last["status"] == "completed"
        assert last["filename"] == entry["filename"]
        assert last["element"]["original"]["size"] > 0


@pytest.mark.parametrize("field", ["media_file", "file", "files"])
async def test_every_documented_field_name_is_accepted(api: Api, shelf: Shelf, field: str) -> None:
    reply = await api.upload(shelf.image(), field=field)
    assert reply.status == 202
    assert (await api.finished(reply.body["uploadId"]))["status"] == "completed"


@pytest.mark.parametrize("name", ["picture.png", "picture.jpg", "picture.webp"])
async def test_image_becomes_webp_and_jpeg(api: Api, watcher: Watcher, shelf: Shelf, name: str) -> None:
    image = shelf.image(name, size=(2100, 300))
    upload_id = await sent_with_watchers(api, image, [watcher])
    last = await watcher.end(upload_id)
    assert last["status"] == "completed", last
    assert statuses(watcher.live_messages(upload_id)) == ALL_THE_WAY
    assert_truthful(watcher.live_messages(upload_id))
    element = last["element"]
    formats: dict[str, list[int]] = {}
    for entry in element["outputs"]:
        shown = decode_image(await fetched(api, entry))
        assert shown.size == (entry["width"], entry["height"])
        formats.setdefault(entry["mime"], []).append(max(shown.size))
    assert max(formats["image/webp"]) == 2048
    assert max(formats["image/jpeg"]) == 2048


async def test_requested_template_is_used(api: Api, shelf: Shelf) -> None:
    upload_id = await api.accepted(shelf.clip(), template="hero-video")
    assert (await api.finished(upload_id))["status"] == "completed"
    assert (await api.upload(shelf.image(), template="hero-video")).refusal == (415, "UNSUPPORTED_TYPE")


async def test_scratch_directory_is_empty_afterwards(server: AppServer, api: Api, shelf: Shelf) -> None:
    upload_id = await api.accepted(shelf.clip())
    await api.finished(upload_id)

    def only_results() -> bool:
        files = [*server.scratch(), *server.files_of(upload_id)]
        return all(path.is_relative_to(server.data / "media") for path in files)

    # The worker deletes its files and the source after the event of the end.
    await eventually(only_results, what="the deletion of everything but the results")
