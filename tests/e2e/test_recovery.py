"""A server that is killed or terminated: uploads continue after the restart, and clients miss no event."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.conftest import Shelf
from tests.e2e.conftest import FakeFfmpeg, HeldServer
from tests.support.clips import truncate
from tests.support.harness import EXIT_WITHIN, SHORT_LEASE, Api, HalfSent, RunningServer, eventually
from tests.support.watchers import NodeWatcher, Recorder, Watcher, assert_truthful

HOLDS = {"fetching": "fetch", "storing": "store"}
AT_WORK = ["fetching", "probing", "compressing", "thumbnails", "storing"]
"""Every stage in which a worker can be met; cleaning is over before one could look."""


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory, fake: FakeFfmpeg) -> Iterator[HeldServer]:
    """One server that dies and lives again, test after test."""
    held = HeldServer(tmp_path_factory.mktemp("held"), **fake.env, **SHORT_LEASE, ROOMCAST_WORKERS="1")
    with held.server:
        yield held


@pytest.fixture
async def server(held: HeldServer, fake: FakeFfmpeg) -> AsyncIterator[RunningServer]:
    yield held.server
    held.let_go()
    fake.heal()
    if not held.server.alive:  # the test has failed
        held.server.restart()
    async with Api(held.server) as api:  # what is left at work would stand in the next test's way
        await eventually(lambda: idle(api), what="the end of all uploads")


async def idle(api: Api) -> bool:
    states = (await api.list()).body["uploads"]
    return all(state["status"] in {"completed", "error"} for state in states)


class Scene:
    """An upload brought to a stage and kept there, until the scene is cleared."""

    def __init__(self, held: HeldServer, fake: FakeFfmpeg, api: Api, clip: Path) -> None:
        self.held, self.fake, self.api, self.clip = held, fake, api, clip

    async def reach(self, stage: str, watcher: Recorder) -> str:
        if stage in HOLDS:
            self.held.hold(HOLDS[stage])
        elif stage == "probing":
            self.fake.behave_when_probing("hang")
        else:
            self.fake.behave("busy" if stage == "thumbnails" else "slow:60")
        if stage == "queued":
            busy = await self.api.accepted(self.clip)
            await self.api.until(busy, lambda message: message["stage"] == "compressing")
        upload_id = await self.api.accepted(self.clip)
        ack = await watcher.join(upload_id, since=0)
        assert ack["ok"]
        if stage == "thumbnails":  # the film's ffmpeg has begun and is done now; the storyboard's will be long
            await watcher.until(upload_id, lambda message: bool(message["speed"]))
            self.fake.behave("slow:60")
        await watcher.stage(upload_id, stage)
        if stage in ("compressing", "thumbnails"):
            await eventually(self.held.server.ffmpegs, what="an ffmpeg at work")
        return upload_id

    def clear(self) -> None:
        self.held.let_go()
        self.fake.heal()


@pytest.fixture
def scene(held: HeldServer, fake: FakeFfmpeg, api: Api, shelf: Shelf) -> Scene:
    return Scene(held, fake, api, shelf.clip(seconds=2))


async def rejoin(watcher: Recorder, upload_id: str) -> None:
    """As a client does that lost its server: once it is connected again, it asks for what it missed."""
    await watcher.wait_until(lambda: watcher.connections == 2)
    last = watcher.messages(upload_id)[-1]
    ack = await watcher.join(upload_id, since=last["seq"], epoch=last["epoch"])
    assert ack["ok"]
    assert all(event["seq"] > last["seq"] for event in ack["events"])


def assert_no_gap(watcher: Recorder, upload_id: str) -> None:
    events = watcher.events(upload_id)
    assert [event["seq"] for event in events] == list(range(1, events[-1]["seq"] + 1))


def assert_nothing_missed(watcher: Recorder, upload_id: str) -> None:
    assert_no_gap(watcher, upload_id)
    assert_truthful(watcher.messages(upload_id))


@pytest.mark.parametrize("stage", ["queued", *AT_WORK])
async def test_upload_completes_after_the_server_was_killed_and_restarted(
    server: RunningServer, scene: Scene, watcher: Watcher, stage: str
) -> None:
    upload_id = await scene.reach(stage, watcher)
    assert server.kill().code == -9
    await eventually(lambda: not server.leftovers(), what="the end of every process of the dead server")
    scene.clear()
    server.restart()
    await rejoin(watcher, upload_id)
    last = await watcher.end(upload_id)
    assert last["status"] == "completed", last
    assert last["attempt"] == (1 if stage == "queued" else 2)
    assert_nothing_missed(watcher, upload_id)
    await eventually(lambda: idle(scene.api), what="the end of the upload that kept the worker busy")
    assert server.scratch() == []


@pytest.mark.node
async def test_javascript_client_misses_no_event_of_a_killed_server(
    server: RunningServer, scene: Scene, node: None
) -> None:
    async with NodeWatcher(server.url) as watcher:
        upload_id = await scene.reach("compressing", watcher)
        server.kill()
        scene.clear()
        server.restart()
        await rejoin(watcher, upload_id)
        assert (await watcher.end(upload_id))["status"] == "completed"
        assert_nothing_missed(watcher, upload_id)


async def test_upload_fails_and_can_be_retried_after_the_server_was_killed_while_receiving(
    server: RunningServer, scene: Scene, watcher: Watcher
) -> None:
    content = scene.clip.read_bytes()
    upload_id, content_url = await scene.api.reserved("clip.mp4", len(content))
    await watcher.join(upload_id)
    async with HalfSent(server, "PUT", content_url, content, first=len(content) // 2) as sending:
        await watcher.until(upload_id, lambda message: message["bytesReceived"] > 0)
        server.kill()
        assert await sending.status() == 0
    server.restart()
    await rejoin(watcher, upload_id)
    last = await watcher.end(upload_id)
    assert last["error"]["code"] == "WORKER_LOST"
    assert last["error"]["retryable"] is True
    await eventually(lambda: not server.files_of(upload_id), what="the partial file's end")
    assert (await watcher.retry(upload_id))["state"]["stage"] == "receiving"
    assert (await scene.api.put(content_url, content)).status == 202
    await watcher.until(upload_id, lambda message: message["status"] == "completed")
    assert_no_gap(watcher, upload_id)


async def test_source_is_deleted_after_the_server_was_killed_right_after_completion(
    server: RunningServer, held: HeldServer, api: Api, shelf: Shelf
) -> None:
    held.hold("discard_source")
    upload_id = await api.accepted(shelf.clip())
    assert (await api.finished(upload_id))["status"] == "completed"
    server.kill()
    held.let_go()
    server.restart()
    media = server.data / "media"
    await eventually(lambda: all(path.is_relative_to(media) for path in server.files_of(upload_id)), 60)
    assert (await api.get(upload_id)).body["status"] == "completed"


async def test_cause_of_a_hopeless_upload_is_unchanged_after_the_server_was_killed_while_deleting_its_source(
    server: RunningServer, held: HeldServer, api: Api, shelf: Shelf
) -> None:
    held.hold("discard_source")
    upload_id = await api.accepted(truncate(shelf.clip(seconds=2, faststart=False), 0.5))
    before = await api.finished(upload_id)
    assert server.files_of(upload_id) != []
    server.kill()
    held.let_go()
    server.restart()
    await eventually(lambda: server.files_of(upload_id) == [], 60)
    after = (await api.get(upload_id)).body
    assert after["error"]["code"] == "UNREADABLE_MEDIA"
    assert (after["error"], after["attempt"], after["seq"]) == (before["error"], 1, before["seq"])


async def test_completed_upload_is_unchanged_after_the_server_was_killed(
    server: RunningServer, api: Api, shelf: Shelf
) -> None:
    upload_id = await api.accepted(shelf.image())
    before = await api.finished(upload_id)
    server.kill()
    server.restart()
    after = (await api.get(upload_id)).body
    assert after["seq"] == before["seq"]
    assert after["status"] == "completed"
    assert (await api.request("GET", before["element"]["url"])).status == 200


@pytest.mark.parametrize("stage", AT_WORK)
async def test_work_is_handed_back_on_sigterm_without_using_an_attempt(
    server: RunningServer, scene: Scene, watcher: Watcher, stage: str
) -> None:
    upload_id = await scene.reach(stage, watcher)
    ended = await asyncio.to_thread(server.terminate)
    assert ended.code == 0
    assert ended.seconds <= EXIT_WITHIN
    assert ended.stdout == ""
    assert server.leftovers() == []
    scene.clear()
    server.restart()
    await rejoin(watcher, upload_id)
    last = await watcher.end(upload_id)
    assert last["status"] == "completed", last
    assert last["attempt"] == 1
    assert_nothing_missed(watcher, upload_id)


async def test_body_is_received_to_its_end_on_sigterm(
    server: RunningServer, api: Api, shelf: Shelf, watcher: Watcher
) -> None:
    content = shelf.clip().read_bytes()
    upload_id, content_url = await api.reserved("clip.mp4", len(content))
    await watcher.join(upload_id)
    async with HalfSent(server, "PUT", content_url, content, first=len(content) // 2) as sending:
        await watcher.until(upload_id, lambda message: message["bytesReceived"] > 0)
        stopping = asyncio.create_task(asyncio.to_thread(server.terminate))
        await watcher.wait_until(lambda: watcher.disconnections)
        await sending.send()
        assert await sending.status() == 202
        assert (await stopping).code == 0
    server.restart()
    assert (await api.finished(upload_id))["status"] == "completed"
