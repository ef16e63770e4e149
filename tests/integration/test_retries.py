"""Transient failures are retried and the room is informed; permanent ones are not."""

from __future__ import annotations

import asyncio
import errno
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from roomcast.errors import RoomcastError
from roomcast.ledger.contract import CleanupInProgress
from roomcast.media.directory import DirectoryMediaStore
from roomcast.services import uploads
from roomcast_workers import pipeline, worker

from tests.conftest import Shelf
from tests.e2e.conftest import FakeFfmpeg
from tests.support.app import AppServer
from tests.support.clips import truncate
from tests.support.harness import Api, eventually
from tests.support.watchers import Watcher, assert_truthful, statuses


@pytest.fixture
def stall() -> str:
    """For how many seconds an encoder may report nothing. A test of one that stalls names fewer."""
    return "60"


@pytest.fixture
def settings(fake: FakeFfmpeg, stall: str) -> dict[str, str]:
    return {**fake.env, "ROOMCAST_RETRY_SECONDS": "0.2", "ROOMCAST_STALL_SECONDS": stall}


@pytest.fixture
async def upload_id(api: Api, watcher: Watcher, shelf: Shelf, fake: FakeFfmpeg) -> str:
    """A reservation that `watcher` has joined."""
    fake.heal()
    upload_id, _ = await api.reserved("clip.mp4", shelf.clip().stat().st_size)
    await watcher.join(upload_id)
    return upload_id


async def send(api: Api, upload_id: str, clip: Path) -> None:
    assert (await api.put(f"/api/uploads/{upload_id}/content", clip.read_bytes())).status == 202


async def test_transient_failure_is_retried_and_completes(
    api: Api, watcher: Watcher, shelf: Shelf, fake: FakeFfmpeg, upload_id: str, tmp_path: Path
) -> None:
    fake.behave(f"die-once:{tmp_path / 'died'}")
    await send(api, upload_id, shelf.clip())
    last = await watcher.end(upload_id)
    assert last["status"] == "completed"
    assert last["attempt"] == 2
    events = watcher.events(upload_id)
    (retrying,) = [event for event in events if event["stage"] == "queued" and event["attempt"] == 2]
    assert "attempt 2" in retrying["message"]
    assert statuses(events) == ["starting", "compressing", "starting", "compressing", "uploading", "completed"]
    assert_truthful(watcher.messages(upload_id))


async def test_permanent_failure_ends_in_error_and_a_later_retry_completes(
    server: AppServer, api: Api, watcher: Watcher, shelf: Shelf, fake: FakeFfmpeg, upload_id: str
) -> None:
    fake.behave("die")
    await send(api, upload_id, shelf.clip())
    last = await watcher.end(upload_id)
    assert last["stage"] == "failed"
    assert last["attempt"] == 3
    assert last["error"]["code"] == "TRANSCODE_ERROR"
    assert last["error"]["retryable"] is True
    assert "secret" not in str(watcher.received), "what ffmpeg says stays on the server"
    assert server.scratch() == []

    fake.heal()
    answer = await watcher.retry(upload_id)
    assert answer["ok"] is True
    assert answer["state"]["stage"] == "queued"
    assert answer["state"]["attempt"] == 4
    done = await watcher.until(upload_id, lambda message: message["status"] == "completed")
    assert done["attempt"] == 4
    assert_truthful(watcher.messages(upload_id))


class Waits:
    """A backoff that calls back instead of waiting."""

    def __init__(self, called: Callable[[], None]) -> None:
        self._called = called

    async def wait(self, _: int) -> None:
        self._called()


async def test_retry_waits_until_the_results_of_the_last_attempt_are_deleted(
    api: Api, watcher: Watcher, shelf: Shelf, fake: FakeFfmpeg, upload_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    deleting, may_delete = asyncio.Event(), asyncio.Event()
    discard_results = DirectoryMediaStore.discard_results

    async def discard_later(media: DirectoryMediaStore, folder: str) -> None:
        deleting.set()
        await may_delete.wait()
        await discard_results(media, folder)

    monkeypatch.setattr(DirectoryMediaStore, "discard_results", discard_later)
    fake.behave("die")
    await send(api, upload_id, shelf.clip())
    await watcher.end(upload_id)
    await deleting.wait()
    monkeypatch.setattr(uploads, "_CLEANUP_BACKOFF", Waits(lambda: None))
    refused = await api.retry(upload_id)
    assert refused.refusal == (409, "WRONG_STATE")
    assert refused.body["error"]["message"] == str(CleanupInProgress())
    monkeypatch.setattr(uploads, "_CLEANUP_BACKOFF", Waits(may_delete.set))
    monkeypatch.setattr(uploads, "_CLEANUP_WAITS", 10**9)  # until they are deleted
    assert (await api.retry(upload_id)).body["state"]["stage"] == "queued"
    assert may_delete.is_set()


@pytest.mark.parametrize("stall", ["1"])
@pytest.mark.parametrize("behaviour", ["stall-after:2", "hang", "babble"])
async def test_stalled_encoder_is_killed(
    server: AppServer, api: Api, watcher: Watcher, shelf: Shelf, fake: FakeFfmpeg, upload_id: str, behaviour: str
) -> None:
    fake.behave(behaviour)
    await send(api, upload_id, shelf.clip())
    await watcher.until(upload_id, lambda message: message["attempt"] == 2)
    last = await watcher.end(upload_id)
    assert last["error"]["code"] == "STALLED"
    assert last["error"]["retryable"] is True
    assert last["error"]["step"] == "compressing"
    assert last["attempt"] == 3
    await eventually(lambda: not server.ffmpegs(), what="the stalled ffmpeg's end")


@pytest.mark.parametrize(
    ("behaviour", "code", "attempts"),
    [
        ("crash", "TRANSCODE_ERROR", 1),
        ("fail", "TRANSCODE_ERROR", 1),
        ("wrong-output", "TRANSCODE_ERROR", 1),
        ("enospc", "DISK_FULL", 3),
    ],
)
async def test_failed_upload_is_retried_only_if_its_cause_may_pass(
    api: Api, watcher: Watcher, shelf: Shelf, fake: FakeFfmpeg, upload_id: str, behaviour: str, code: str, attempts: int
) -> None:
    fake.behave(behaviour)
    await send(api, upload_id, shelf.clip())
    last = await watcher.end(upload_id)
    assert last["error"]["code"] == code
    assert last["attempt"] == attempts
    assert last["error"]["retryable"] is (attempts == 3)
    assert re.fullmatch(r"[A-Z][^.]+\.", last["message"])


async def test_unreadable_file_is_not_retried(
    server: AppServer, api: Api, watcher: Watcher, shelf: Shelf, fake: FakeFfmpeg
) -> None:
    fake.heal()
    clip = truncate(shelf.clip(seconds=2, faststart=False), 0.5)
    upload_id = await api.accepted(clip)
    await watcher.join(upload_id)
    last = await watcher.end(upload_id)
    assert last["error"]["code"] == "UNREADABLE_MEDIA"
    assert last["error"]["retryable"] is False
    assert last["attempt"] == 1
    assert (await api.retry(upload_id)).refusal == (409, "WRONG_STATE")
    assert (await watcher.retry(upload_id))["error"]["code"] == "WRONG_STATE"
    await eventually(lambda: server.files_of(upload_id) == [], what="the deletion of the file")


async def test_retry_of_a_running_or_completed_upload_is_refused(
    api: Api, watcher: Watcher, shelf: Shelf, fake: FakeFfmpeg, upload_id: str
) -> None:
    assert (await api.retry(upload_id)).refusal == (409, "WRONG_STATE")
    fake.behave("busy")
    await send(api, upload_id, shelf.clip())
    await watcher.stage(upload_id, "compressing")
    assert (await api.retry(upload_id)).refusal == (409, "WRONG_STATE")
    assert (await watcher.retry(upload_id))["error"]["code"] == "WRONG_STATE"
    fake.heal()
    await watcher.end(upload_id)
    assert (await api.retry(upload_id)).refusal == (409, "WRONG_STATE")
    assert (await api.get(upload_id)).body["status"] == "completed"


async def test_exhausted_resources_of_a_worker_spend_no_attempt(
    server: AppServer,
    api: Api,
    watcher: Watcher,
    shelf: Shelf,
    upload_id: str,
    monkeypatch: pytest.MonkeyPatch,
    log: list[dict[str, Any]],
) -> None:
    failures: list[Exception] = [
        OSError(errno.EMFILE, "Too many open files"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        MemoryError(),
        BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"),
    ]
    process_upload = pipeline.process_upload

    async def fail_first(*arguments: Any) -> Any:
        if failures:
            raise RoomcastError("A program could not be started.") from failures.pop()
        return await process_upload(*arguments)

    monkeypatch.setattr("roomcast_workers.worker.process_upload", fail_first)
    monkeypatch.setattr(worker, "EXHAUSTED_SECONDS", 0.01)
    await send(api, upload_id, shelf.clip())
    last = await watcher.end(upload_id)
    assert (last["status"], last["attempt"]) == ("completed", 1)
    assert [entry["event"] for entry in log if entry["level"] == "error"] == ["resources_exhausted"] * 4
    log.clear()


async def test_resources_that_stay_exhausted_for_an_hour_fail_the_upload_until_it_is_retried(
    api: Api, watcher: Watcher, shelf: Shelf, upload_id: str, monkeypatch: pytest.MonkeyPatch, log: list[dict[str, Any]]
) -> None:
    began = time.time()
    attempts_at = [began, began + worker.EXHAUSTED_GIVE_UP_SECONDS - 1, began + worker.EXHAUSTED_GIVE_UP_SECONDS]
    retried_at = [began + worker.EXHAUSTED_GIVE_UP_SECONDS + 1]
    process_upload = pipeline.process_upload

    async def fail_while_exhausted(*arguments: Any) -> Any:
        if attempts_at:
            raise RoomcastError("A program could not be started.") from OSError(errno.EMFILE, "Too many open files")
        return await process_upload(*arguments)

    monkeypatch.setattr("roomcast_workers.worker.process_upload", fail_while_exhausted)
    monkeypatch.setattr(worker, "unix_time", lambda: attempts_at.pop(0))
    monkeypatch.setattr(worker, "EXHAUSTED_SECONDS", -worker.EXHAUSTED_GIVE_UP_SECONDS)
    await send(api, upload_id, shelf.clip())
    last = await watcher.end(upload_id)
    assert (last["stage"], last["attempt"], last["message"]) == ("failed", 1, "A program could not be started.")
    assert (last["error"]["code"], last["error"]["retryable"]) == ("INTERNAL", True)
    assert attempts_at == []

    attempts_at.extend(retried_at)
    assert (await api.retry(upload_id)).status == 200
    done = await watcher.until(upload_id, lambda message: message["status"] == "completed")
    assert done["attempt"] == 2
    assert [entry["event"] for entry in log if entry["level"] == "error"] == ["resources_exhausted"] * 4
    log.clear()
