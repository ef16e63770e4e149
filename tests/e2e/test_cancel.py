"""Cancels at each stage: the acknowledgement comes when the work has stopped, and only the upload's record is left."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.conftest import Shelf
from tests.e2e.conftest import FakeFfmpeg, HeldServer
from tests.support.harness import Api, HalfSent, RunningServer, eventually
from tests.support.watchers import NodeWatcher, Recorder, Watcher, assert_truthful, statuses


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory, fake: FakeFfmpeg) -> HeldServer:
    hurry = json.dumps({"roomcast_workers.sandbox.subprocess_runner.TERM_GRACE": 1.0})
    return HeldServer(tmp_path_factory.mktemp("held"), **fake.env, ROOMCAST_WORKERS="1", HURRY=hurry)


@pytest.fixture(scope="module")
def server(held: HeldServer) -> Iterator[RunningServer]:
    with held.server as running:
        yield running


@pytest.fixture(autouse=True)
def healed(fake: FakeFfmpeg, held: HeldServer) -> Iterator[None]:
    yield
    fake.heal()
    held.let_go()


@pytest.fixture(params=["python", pytest.param("node", marks=pytest.mark.node)])
async def either(request: pytest.FixtureRequest, server: RunningServer) -> AsyncIterator[Recorder]:
    """One client, then the other."""
    if request.param == "node":
        request.getfixturevalue("node")
    client = Watcher(server.url) if request.param == "python" else NodeWatcher(server.url)
    async with client as watcher:
        yield watcher


def assert_gone(server: RunningServer, upload_id: str) -> None:
    """What must hold the moment a cancel is acknowledged."""
    assert server.ffmpegs() == []
    assert server.files_of(upload_id) == []
    assert server.scratch() == []


async def assert_told(watcher: Recorder, upload_id: str) -> None:
    last = await watcher.end(upload_id)
    assert last["stage"] == "cancelled"
    assert last["status"] == "error"
    assert last["error"]["code"] == "CANCELLED"
    assert last["error"]["retryable"] is True
    assert_truthful(watcher.messages(upload_id))
    assert len(await watcher.wait_for_status(upload_id, "error")) == 1


async def test_cancel_while_compressing_is_acknowledged_when_the_work_has_stopped(
    server: RunningServer, api: Api, either: Recorder, shelf: Shelf, fake: FakeFfmpeg
) -> None:
    fake.behave("slow:60")
    upload_id = await api.accepted(shelf.clip())
    await either.join(upload_id)
    await either.stage(upload_id, "compressing")
    await eventually(server.ffmpegs, what="an ffmpeg at work")
    assert await either.cancel(upload_id) == {"ok": True}
    assert_gone(server, upload_id)
    await assert_told(either, upload_id)


async def test_cancel_while_queued_leaves_the_running_upload_alone(
    server: RunningServer, api: Api, either: Recorder, shelf: Shelf, fake: FakeFfmpeg
) -> None:
    fake.behave("slow:60")
    first = await api.accepted(shelf.clip())
    await api.until(first, lambda message: message["stage"] == "compressing")
    second = await api.accepted(shelf.clip())
    await either.join(second)
    await either.stage(second, "queued")
    assert await either.cancel(second) == {"ok": True}
    assert server.files_of(second) == []
    await assert_told(either, second)
    assert (await api.get(first)).body["stage"] == "compressing"
    assert (await api.cancel(first)).status == 200


async def test_cancel_while_receiving_refuses_the_rest_of_the_body(
    server: RunningServer, api: Api, either: Recorder, shelf: Shelf
) -> None:
    content = shelf.clip().read_bytes()
    upload_id, content_url = await api.reserved("clip.mp4", len(content))
    await either.join(upload_id)
    async with HalfSent(server, "PUT", content_url, content, first=len(content) // 2) as sending:
        await either.until(upload_id, lambda message: message["bytesReceived"] > 0)
        assert await either.cancel(upload_id) == {"ok": True}
        assert_gone(server, upload_id)
        await assert_told(either, upload_id)
        assert await sending.status() == 409
    assert_gone(server, upload_id)


async def test_cancelled_reservation_accepts_no_bytes(server: RunningServer, api: Api, either: Recorder) -> None:
    upload_id, content_url = await api.reserved("clip.mp4", 1000)
    await either.join(upload_id)
    assert await either.cancel(upload_id) == {"ok": True}
    await assert_told(either, upload_id)
    assert (await api.put(content_url, bytes(1000))).refusal == (409, "WRONG_STATE")
    assert_gone(server, upload_id)


@pytest.mark.parametrize(("call", "stage"), [("fetch", "fetching"), ("store", "storing")])
async def test_cancel_during_a_call_of_the_media_store_leaves_nothing(
    server: RunningServer, api: Api, either: Recorder, shelf: Shelf, held: HeldServer, call: str, stage: str
) -> None:
    held.hold(call)
    upload_id = await api.accepted(shelf.clip())
    await either.join(upload_id)
    await either.stage(upload_id, stage)
    assert await either.cancel(upload_id) == {"ok": True}
    assert_gone(server, upload_id)
    await assert_told(either, upload_id)


async def test_cancel_over_http_responds_when_the_work_has_stopped(
    server: RunningServer, api: Api, watcher: Watcher, shelf: Shelf, fake: FakeFfmpeg
) -> None:
    fake.behave("slow:60")
    upload_id = await api.accepted(shelf.clip())
    await watcher.join(upload_id)
    await watcher.stage(upload_id, "compressing")
    reply = await api.cancel(upload_id)
    assert_gone(server, upload_id)
    assert reply.status == 200
    assert reply.body["ok"] is True
    assert reply.body["state"]["stage"] == "cancelled"
    await assert_told(watcher, upload_id)


async def test_cancel_kills_an_ffmpeg_that_ignores_sigterm(
    server: RunningServer, api: Api, watcher: Watcher, shelf: Shelf, fake: FakeFfmpeg
) -> None:
    fake.behave("ignore-term")
    upload_id = await api.accepted(shelf.clip())
    await watcher.join(upload_id)
    await watcher.stage(upload_id, "compressing")
    await eventually(server.ffmpegs, what="an ffmpeg at work")
    assert await watcher.cancel(upload_id) == {"ok": True}
    assert_gone(server, upload_id)


async def test_repeated_and_concurrent_cancels_all_succeed(
    server: RunningServer, api: Api, watcher: Watcher, shelf: Shelf, fake: FakeFfmpeg
) -> None:
    fake.behave("slow:60")
    upload_id = await api.accepted(shelf.clip())
    await watcher.join(upload_id)
    await watcher.stage(upload_id, "compressing")
    answers: list[Any] = await asyncio.gather(*(watcher.cancel(upload_id) for _ in range(5)))
    assert answers == [{"ok": True}] * 5
    assert_gone(server, upload_id)
    assert await watcher.cancel(upload_id) == {"ok": True}
    assert (await api.cancel(upload_id)).status == 200
    await assert_told(watcher, upload_id)


async def test_cancel_of_a_completed_upload_is_refused(api: Api, watcher: Watcher, shelf: Shelf) -> None:
    upload_id = await api.accepted(shelf.image())
    assert (await api.finished(upload_id))["status"] == "completed"
    assert (await api.cancel(upload_id)).refusal == (409, "WRONG_STATE")
    answer = await watcher.cancel(upload_id)
    assert answer["ok"] is False
    assert answer["error"]["code"] == "WRONG_STATE"
    assert (await api.get(upload_id)).body["status"] == "completed"


async def test_cancelled_upload_completes_after_a_retry(
    api: Api, watcher: Watcher, shelf: Shelf, fake: FakeFfmpeg
) -> None:
    content = shelf.clip().read_bytes()
    fake.behave("slow:60")
    upload_id, content_url = await api.reserved("clip.mp4", len(content))
    await watcher.join(upload_id)
    assert (await api.put(content_url, content)).status == 202
    await watcher.stage(upload_id, "compressing")
    await watcher.cancel(upload_id)
    fake.heal()
    answer = await watcher.retry(upload_id)
    assert answer["ok"] is True
    assert answer["state"]["stage"] == "receiving"
    assert answer["state"]["attempt"] == 2
    assert (await api.put(content_url, content)).status == 202
    last = await watcher.until(upload_id, lambda message: message["status"] == "completed")
    assert last["attempt"] == 2
    assert statuses(watcher.messages(upload_id))[-4:] == ["starting", "compressing", "uploading", "completed"]
    assert_truthful(watcher.live_messages(upload_id))


async def test_worker_claims_the_next_upload_after_a_cancel(api: Api, shelf: Shelf, fake: FakeFfmpeg) -> None:
    fake.behave("slow:60")
    first = await api.accepted(shelf.clip())
    await api.until(first, lambda message: bool(message["speed"]))  # so its ffmpeg knows what to do
    second = await api.accepted(shelf.clip())
    fake.heal()
    assert (await api.cancel(first)).status == 200
    assert (await api.finished(second))["status"] == "completed"
