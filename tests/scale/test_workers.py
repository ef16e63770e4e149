"""Two web processes and two workers: events reach every web process, and no worker's end loses or repeats any."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conftest import Shelf
from tests.e2e.conftest import FakeFfmpeg
from tests.support.clips import make_film
from tests.support.decoded import packets
from tests.support.ffmpeg_runs import has_ended
from tests.support.harness import EXIT_WITHIN, Api, eventually
from tests.support.log_lines import log_lines
from tests.support.scale.cluster import Cluster, Worker
from tests.support.tcp_link import TcpLink
from tests.support.watchers import Message, Recorder, Watcher, assert_truthful, statuses

LEASE_SECONDS = 8.0
"""A process that stands still for a few seconds on a busy machine must not lose its lease."""


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    return {"ROOMCAST_LEASE_SECONDS": str(LEASE_SECONDS)}


def assert_nothing_missed(watcher: Recorder, upload_id: str) -> None:
    """Every event once and in order, and one end."""
    received = [item for item in watcher.received if item.name in ("event", "upload-progress")]
    snapshot = [item.message for item in received if item.message["uploadId"] == upload_id]
    events = watcher.events(upload_id)
    assert [event["seq"] for event in events] == list(range(1, events[-1]["seq"] + 1))
    assert [message["status"] for message in snapshot].count("completed") == 1
    assert_truthful(watcher.messages(upload_id))


async def at_work(cluster: Cluster, api: Api, watcher: Recorder, clip: Path) -> tuple[str, Worker]:
    """An upload that a worker's ffmpeg will be busy with for a minute: its id, and that worker."""
    upload_id = await api.accepted(clip)
    assert (await watcher.join(upload_id, since=0))["ok"]
    await watcher.until(upload_id, lambda message: bool(message["speed"]))
    holder = await eventually(cluster.holder, what="a worker with an ffmpeg")
    return upload_id, holder


async def taken_again(watcher: Recorder, upload_id: str, attempt: int) -> Message:
    """The event of the next claim."""
    first = next(message["seq"] for message in watcher.messages(upload_id) if message["stage"] == "compressing")
    return await watcher.until(
        upload_id,
        lambda message: message["seq"] > first and (message["stage"], message["attempt"]) == ("fetching", attempt),
    )


async def test_upload_to_one_web_process_is_watched_on_the_other(
    cluster: Cluster, api: Api, other_api: Api, watcher: Watcher, shelf: Shelf, healed: FakeFfmpeg
) -> None:
    healed.behave("busy")
    upload_id = await api.accepted(shelf.clip())
    assert (await watcher.join(upload_id, since=0))["ok"]
    await watcher.wait_until(lambda: any(message["speed"] for message in watcher.live_messages(upload_id)))
    healed.heal()
    end = await watcher.end(upload_id)
    assert statuses(watcher.messages(upload_id)) == ["starting", "compressing", "uploading", "completed"]
    assert_nothing_missed(watcher, upload_id)
    (named,) = await watcher.wait_for_status(upload_id, "completed")
    assert named == end
    assert (await other_api.get(upload_id)).body["stage"] == "done"
    for output in end["element"]["outputs"]:
        reply = await other_api.request("GET", output["url"])
        assert (reply.status, len(reply.content)) == (200, output["size"])
    await eventually(lambda: not cluster.scratch(), what="the end of the scratch files")


async def test_admin_overview_of_each_web_process_has_all_processes(
    cluster: Cluster, api: Api, watcher: Watcher, shelf: Shelf, healed: FakeFfmpeg
) -> None:
    healed.behave("slow:60")
    upload_id, holder = await at_work(cluster, api, watcher, shelf.clip())
    sockets = {web.process.pid: web is cluster.webs[-1] for web in cluster.webs}
    slots = dict.fromkeys((worker.process.pid for worker in cluster.workers), 1)

    async def overview() -> dict[str, Any] | None:
        """Return the overview once all processes are in it, and the watcher's connection to the other web process."""
        snapshot: dict[str, Any] = (await api.request("GET", "/api/admin/overview")).body
        found = {pid_of(one): one["workers"] for one in snapshot["workers"]["processes"]}
        webs = {pid_of(one): one["sockets"] for one in snapshot["web"]}
        return snapshot if (found, webs) == (slots, sockets) else None

    snapshot = await eventually(overview, what="all processes")
    workers = {pid_of(one): one for one in snapshot["workers"]["processes"]}
    (hold,) = workers[holder.process.pid]["leases"]
    assert (hold["uploadId"], hold["stage"], snapshot["workers"]["busy"]) == (upload_id, "compressing", 1)
    assert hold["progress"] > 40
    assert snapshot["statuses"]["compressing"] == 1
    listed = (await api.request("GET", "/api/admin/uploads?status=compressing")).body["uploads"]
    assert [one["uploadId"] for one in listed] == [upload_id]
    assert (await api.cancel(upload_id)).status == 200


async def test_administrators_reach_all_processes_from_any(
    cluster: Cluster, api: Api, other_api: Api, shelf: Shelf, healed: FakeFfmpeg
) -> None:
    async def call(caller: Api, method: str, path: str, **body: Any) -> Any:
        reply = await caller.request(method, f"/api/admin/{path}", **({"json": body} if body else {}))
        assert reply.status == 200, reply.body
        return reply.body

    async def log_of(upload_id: str) -> Any:
        return await call(other_api, "GET", f"uploads/{upload_id}/log")

    async def sockets(caller: Api) -> Any:
        """Return the connections in the upload's room once no web process is missing, as one that stands still is."""

        async def answers() -> Any:
            found = await call(caller, "GET", f"rooms?upload={upload_id}")
            return None if found["missing"] else found

        return (await eventually(answers, what="the answers of both web processes"))["sockets"]

    async def both_workers() -> list[str]:
        found = [one["process"] for one in (await call(api, "GET", "overview"))["workers"]["processes"]]
        return found if len(found) == len(cluster.workers) else []

    paused, working = await eventually(both_workers, what="both workers")
    await call(api, "POST", "pause", type="worker", name=paused)
    for _ in range(3):
        upload_id = await api.accepted(shelf.image())
        await api.finished(upload_id)
        assert [one["process"] for one in (await log_of(upload_id))["attempts"]] == [working]

    async def lines() -> set[tuple[str, str]]:
        found = {(line["process"], line["event"]) for line in (await log_of(upload_id))["lines"]}
        return found if (working, "attempt_ended") in found else set()

    await eventually(lines, what="the worker's log lines, on a web process")
    await call(other_api, "POST", "pause", type="worker", name="*")
    upload_id = await api.accepted(shelf.image())
    processes = (await call(api, "GET", "overview"))["workers"]["processes"]
    assert [one["paused"] for one in processes] == [True, True]
    async with Watcher(cluster.webs[-1].url) as watcher:
        assert (await watcher.join(upload_id))["state"]["stage"] == "queued"
        (socket,) = await sockets(api)
        assert socket["process"].endswith(f".{cluster.webs[-1].process.pid}")
        assert (await call(api, "POST", "rooms/disconnect", sid=socket["sid"])) == {"disconnected": 1, "missing": []}
        assert await sockets(other_api) == []
    assert (await api.get(upload_id)).body["stage"] == "queued"
    await call(api, "POST", "resume", type="worker", name="*")
    await api.finished(upload_id)
    await call(api, "POST", "resume", type="worker", name=paused)
    history = await call(other_api, "GET", "history")
    assert sum(bucket["completed"] for bucket in history["buckets"]) >= 4


def pid_of(process: dict[str, Any]) -> int:
    return int(process["process"].rpartition(".")[2])


async def test_cancel_through_the_other_web_process_stops_the_work(
    cluster: Cluster, api: Api, watcher: Watcher, shelf: Shelf, healed: FakeFfmpeg
) -> None:
    healed.behave("slow:60")
    upload_id, holder = await at_work(cluster, api, watcher, shelf.clip())
    ffmpegs = holder.ffmpegs()
    asked = time.monotonic()
    ack = await watcher.cancel(upload_id)
    alive = [process for process in ffmpegs if not has_ended(process.pid)]
    assert ack == {"ok": True}
    assert alive == []
    print(f"cancel from another web process: acknowledged after {time.monotonic() - asked:.2f} s, ffmpeg dead")
    end = await watcher.end(upload_id)
    assert (end["status"], end["error"]["code"]) == ("error", "CANCELLED")
    assert statuses(watcher.messages(upload_id)) == ["starting", "compressing", "error"]
    assert cluster.files_of(upload_id) == []
    assert cluster.scratch() == []


async def test_upload_is_claimed_by_the_other_worker_after_its_worker_was_killed(
    cluster: Cluster, api: Api, watcher: Watcher, shelf: Shelf, healed: FakeFfmpeg
) -> None:
    healed.behave("slow:60")
    upload_id, holder = await at_work(cluster, api, watcher, shelf.clip())
    ffmpegs = holder.ffmpegs()
    healed.heal()
    killed = time.monotonic()
    holder.kill()
    await taken_again(watcher, upload_id, 2)
    print(f"kill -9 to the next claim: {time.monotonic() - killed:.2f} s, with a lease of {LEASE_SECONDS:g} s")
    await eventually(lambda: not any(process.is_running() for process in ffmpegs), what="the end of the orphans")
    end = await watcher.end(upload_id)
    assert (end["status"], end["attempt"]) == ("completed", 2)
    assert_nothing_missed(watcher, upload_id)
    await asyncio.to_thread(holder.restart)
    assert cluster.scratch() == [], "the next life of a worker deletes what the last one left"


async def test_upload_is_handed_over_to_the_other_worker_on_sigterm(
    cluster: Cluster, api: Api, watcher: Watcher, shelf: Shelf, healed: FakeFfmpeg
) -> None:
    healed.behave("slow:60")
    upload_id, holder = await at_work(cluster, api, watcher, shelf.clip())
    healed.heal()
    asked = time.monotonic()
    ending = asyncio.create_task(asyncio.to_thread(holder.terminate))
    await taken_again(watcher, upload_id, 1)
    print(f"SIGTERM to the next claim: {time.monotonic() - asked:.2f} s")
    ended = await ending
    assert ended.code == 0
    assert ended.seconds <= EXIT_WITHIN
    end = await watcher.end(upload_id)
    assert (end["status"], end["attempt"]) == ("completed", 1)
    assert_nothing_missed(watcher, upload_id)
    await asyncio.to_thread(holder.restart)


async def test_upload_is_claimed_by_the_other_worker_when_its_worker_loses_redis(
    cluster: Cluster, api: Api, watcher: Watcher, shelf: Shelf, healed: FakeFfmpeg, links: dict[Worker, TcpLink]
) -> None:
    healed.behave("slow:60")
    upload_id, holder = await at_work(cluster, api, watcher, shelf.clip())
    ffmpegs = holder.ffmpegs()
    healed.heal()
    cut = time.monotonic()
    links[holder].cut()
    try:
        await taken_again(watcher, upload_id, 2)
        print(f"cut off from Redis to the next claim: {time.monotonic() - cut:.2f} s, lease of {LEASE_SECONDS:g} s")
        await eventually(
            lambda: all(has_ended(process.pid) for process in ffmpegs), what="the end of its ffmpeg while it is cut off"
        )
        end = await watcher.end(upload_id)
    finally:
        links[holder].mend()
    assert (end["status"], end["attempt"]) == ("completed", 2)
    again = await api.accepted(shelf.image())
    await api.finished(again)
    assert (await api.get(upload_id)).body["seq"] == end["seq"], "the loser has written"
    assert_nothing_missed(watcher, upload_id)
    await eventually(lambda: has_lost(cluster, holder, upload_id), what="the loser's insight")


async def test_worker_that_was_frozen_past_its_lease_writes_nothing(
    cluster: Cluster, api: Api, watcher: Watcher, shelf: Shelf, healed: FakeFfmpeg
) -> None:
    healed.behave("busy")
    upload_id, holder = await at_work(cluster, api, watcher, shelf.clip())
    (ffmpeg,) = [process for process in holder.ffmpegs() if process.ppid() == holder.process.pid]
    holder.process.send_signal(signal.SIGSTOP)
    healed.heal()  # by the time it wakes up, its result is made
    try:
        end = await watcher.end(upload_id)
        await eventually(lambda: ffmpeg.status() == psutil.STATUS_ZOMBIE, what="the end of the frozen worker's ffmpeg")
    finally:
        holder.process.send_signal(signal.SIGCONT)
    assert (end["status"], end["attempt"]) == ("completed", 2)
    await eventually(lambda: has_lost(cluster, holder, upload_id), what="the loser's insight")
    await eventually(lambda: not cluster.scratch(), what="the end of its scratch files")
    after = (await api.get(upload_id)).body
    assert (after["seq"], after["stage"]) == (end["seq"], "done")
    for output in end["element"]["outputs"]:
        assert (await api.request("GET", output["url"])).status == 200, "the loser took the result with it"
    assert_nothing_missed(watcher, upload_id)


def logged(cluster: Cluster, event: str, upload_id: str) -> list[tuple[Worker, dict[str, Any]]]:
    """Return the lines of the workers' logs about an upload, with the worker of each."""
    return [
        (worker, line)
        for worker in cluster.workers
        for line in log_lines(worker.log)
        if line["event"] == event and line.get("upload") == upload_id
    ]


def has_lost(cluster: Cluster, worker: Worker, upload_id: str) -> bool:
    """Return whether this worker knows that another one has the upload's lease."""
    return worker in dict(logged(cluster, "lease_lost", upload_id))


def completed_tasks(cluster: Cluster, upload_id: str) -> list[int]:
    ended = [line for _, line in logged(cluster, "task_ended", upload_id)]
    return sorted(line["task"] for line in ended if line["outcome"] == "completed")


async def film_at_work(cluster: Cluster, api: Api, fake: FakeFfmpeg, film: Path, *, count: int) -> str:
    """A film of which so many segments are done, each of eight seconds, and both workers make others."""
    fake.behave(f"busy-from:{8 * count}")
    upload_id = await api.accepted(film)
    await eventually(lambda: len(completed_tasks(cluster, upload_id)) == count, 60, what="the first segments")
    await eventually(lambda: all(worker.ffmpegs() for worker in cluster.workers), 60, what="both workers at work")
    return upload_id


async def test_film_is_made_by_both_workers_and_completed_after_its_coordinator_was_killed(
    cluster: Cluster, api: Api, watcher: Watcher, tmp_path: Path, healed: FakeFfmpeg
) -> None:
    film = make_film(tmp_path / "film.mp4", "-pix_fmt", "yuv444p", seconds=40, sound=True)
    upload_id = await film_at_work(cluster, api, healed, film, count=2)
    assert (await watcher.join(upload_id, since=0))["ok"]
    ((coordinator, planned),) = logged(cluster, "film_planned", upload_id)
    coordinator.kill()
    healed.heal()  # before that, the film could have been completed
    end = await watcher.end(upload_id)
    await asyncio.to_thread(coordinator.restart)
    assert (end["status"], end["attempt"]) == ("completed", 2)
    every = list(range(planned["segments"]))
    await eventually(lambda: completed_tasks(cluster, upload_id) == every, what="the word of the last task's end")
    assert len({worker for worker, _ in logged(cluster, "task_ended", upload_id)}) == 2
    progress = [message["progress"] for message in watcher.messages(upload_id)]
    assert progress == sorted(progress)
    assert_nothing_missed(watcher, upload_id)
    video = cluster.data / "media" / end["element"]["outputs"][0]["key"]
    assert len(packets(video, "v")) == 200


async def test_cancel_of_a_film_is_acknowledged_when_both_workers_have_stopped(
    cluster: Cluster, api: Api, watcher: Watcher, tmp_path: Path, healed: FakeFfmpeg
) -> None:
    film = make_film(tmp_path / "film.mp4", "-pix_fmt", "yuv444p", seconds=40, sound=True)
    upload_id = await film_at_work(cluster, api, healed, film, count=1)
    assert (await watcher.join(upload_id, since=0))["ok"]
    ffmpegs = [process for worker in cluster.workers for process in worker.ffmpegs()]
    asked = time.monotonic()
    assert await watcher.cancel(upload_id) == {"ok": True}
    print(f"cancel of a film with two workers: acknowledged after {time.monotonic() - asked:.2f} s")
    assert all(has_ended(process.pid) for process in ffmpegs)
    assert (await watcher.end(upload_id))["error"]["code"] == "CANCELLED"
    assert cluster.files_of(upload_id) == []
    assert len(completed_tasks(cluster, upload_id)) < 5
