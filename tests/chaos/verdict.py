"""What must be true after a chaos run. Each function returns the promises that were broken."""

from __future__ import annotations

import itertools
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.chaos.clients import UploadingClient, has_ended
from tests.chaos.deployment import Deployment
from tests.chaos.plan import Counts
from tests.support.decoded import packets
from tests.support.harness import Api, eventually, paths_below
from tests.support.log_lines import log_lines
from tests.support.watchers import PROGRESS, Message, Watcher, assert_truthful

RETRYABLE_ENDS = {
    "WORKER_LOST",
    "TRANSCODE_ERROR",
    "STORAGE_ERROR",
    "UNREADABLE_MEDIA",
    "STALLED",
    "MALFORMED",
    "INTERNAL",
}
"""The errors that these faults can end an upload in; each must be retryable."""

CLEANUP_SECONDS = 120.0
"""Within which a process deletes the source of an upload whose worker died between its end and the deletion."""

WEBHOOK_SECONDS = 120.0

FILM, FILM_SECONDS, FILM_FPS = "film.mov", 24, 5
"""A film that is compressed in segments."""


async def check_uploads(clients: Sequence[UploadingClient], deployment: Deployment, counts: Counts) -> list[str]:
    """Check every upload's end at every web process, and every watcher's messages against the stored events."""
    broken: list[str] = []
    for number, client in enumerate(clients):
        for web in deployment.cluster.webs:
            async with Api(web) as api:
                reply = await api.get(client.upload_id)
            if reply.status != 200 or not has_ended(reply.body):
                broken.append(f"{client.upload_id}: not ended but {reply.status} {_brief(reply.body)}")
        if reply.status == 200 and has_ended(reply.body):
            broken += [f"{client.upload_id}: {promise}" for promise in _check_end(reply.body, counts)]
        web = deployment.cluster.webs[number % len(deployment.cluster.webs)]
        async with Watcher(web.url) as fresh:
            stored = (await fresh.join(client.upload_id, since=0))["events"]
        broken += [f"{client.upload_id}: {promise}" for promise in _check_messages(client, stored)]
        counts.events += len(stored)
        counts.reconnections += client.watcher.connections - 1
        counts.failed_calls += client.failed_calls
        counts.longest_outage = max(counts.longest_outage, client.follower.longest_outage)
    return broken


def _check_end(end: Message, counts: Counts) -> list[str]:
    counts.attempts[end["attempt"]] += 1
    if end["status"] == "completed":
        counts.outcomes["completed"] += 1
        return []
    error = end["error"]
    counts.outcomes[f"{error['code']} in {error['step']}"] += 1
    caused = error["code"] in RETRYABLE_ENDS and error["retryable"]
    return [] if caused else [f"ended in an error that no fault causes: {error}"]


def _check_messages(client: UploadingClient, stored: list[Message]) -> list[str]:
    """Check what the watcher received against the events that the ledger stores."""
    broken = []
    received = [item for item in client.watcher.received if item.name in ("event", PROGRESS)]
    messages = [item.message for item in received if item.message["uploadId"] == client.upload_id]
    # Ticks with a queue position may repeat each other; events have none.
    comparable = [message for message in messages if message["queuePosition"] is None]
    twice = [one["seq"] for one, other in itertools.combinations(comparable, 2) if one == other]
    seqs = [event["seq"] for event in client.watcher.events(client.upload_id)]
    if seqs != list(range(1, len(stored) + 1)):
        broken.append(f"the watcher received the events {seqs} of {len(stored)}")
    if twice:
        broken.append(f"the watcher received twice: {twice}")
    if [message["seq"] for message in messages] != sorted(message["seq"] for message in messages):
        broken.append("the watcher received events out of order")
    completions = [event["stage"] for event in stored].count("done")
    if completions != (stored[-1]["stage"] == "done"):
        broken.append(f"it was completed {completions} times")
    try:
        assert_truthful(client.watcher.messages(client.upload_id))
    except AssertionError as error:
        broken.append(f"the watcher received a contradiction: {error}")
    return broken


async def check_films(clients: Sequence[UploadingClient], deployment: Deployment, counts: Counts) -> list[str]:
    """Check that no segment of a film is missing or was made twice, although workers that made it were killed."""
    broken: list[str] = []
    entries = list(itertools.chain(*(log_lines(worker.log) for worker in deployment.cluster.workers)))
    made = Counter(
        (entry["upload"], entry["plan"], entry["task"])
        for entry in entries
        if entry["event"] == "task_ended" and entry["outcome"] == "completed"
    )
    broken += [f"{key[0]}: task {key[2]} was done {count} times" for key, count in made.items() if count > 1]
    counts.segments = made.total()
    for client in (client for client in clients if client.filename == FILM):
        async with Api(deployment.cluster.webs[0]) as api:
            body = (await api.get(client.upload_id)).body
            if body["status"] != "completed":
                continue
            content = (await api.request("GET", body["element"]["outputs"][0]["url"])).content
        with tempfile.NamedTemporaryFile(suffix=".mp4") as video:
            video.write(content)
            video.flush()
            frames = len(packets(Path(video.name), "v"))
        if frames != FILM_SECONDS * FILM_FPS:
            broken.append(f"{client.upload_id}: the film has {frames} frames")
    return broken


async def check_webhooks(clients: Sequence[UploadingClient], deployment: Deployment, counts: Counts) -> list[str]:
    """Check that every upload's end was delivered to the webhook, signed and with the upload's last status."""
    ends = {client.upload_id: client.watcher.messages(client.upload_id)[-1]["status"] for client in clients}

    def missing() -> dict[str, str]:
        delivered = {
            (upload["id"], "completed" if "ok" in one.status else "error")
            for one in deployment.receiver.received
            for upload in one.status["uploads"]
        }
        return {upload_id: end for upload_id, end in ends.items() if (upload_id, end) not in delivered}

    try:
        await eventually(lambda: not missing(), WEBHOOK_SECONDS, what="every webhook")
    except AssertionError:
        return [f"{upload_id}: no webhook was delivered ({end})" for upload_id, end in missing().items()]
    for one in deployment.receiver.received:
        one.check_signatures()
    deliveries = Counter(one.delivery for one in deployment.receiver.received)
    counts.deliveries = len(deliveries)
    counts.repeated_deliveries = deliveries.total() - len(deliveries)
    return []


async def check_leftovers(clients: Sequence[UploadingClient], deployment: Deployment) -> list[str]:
    """Check that nothing runs, and that only results and the sources of retryable uploads are stored."""
    cluster = deployment.cluster
    await eventually(lambda: not cluster.ffmpegs(), CLEANUP_SECONDS, what="the end of every ffmpeg")
    await eventually(lambda: not cluster.scratch(), CLEANUP_SECONDS, what="the deletion of every scratch file")
    ends = {client.upload_id: client.watcher.messages(client.upload_id)[-1]["status"] for client in clients}
    try:
        await eventually(lambda: not _leftovers(ends, deployment), CLEANUP_SECONDS, what="the deletion of sources")
    except AssertionError:
        return [f"left over: {name}" for name in _leftovers(ends, deployment)]
    return []


def _leftovers(ends: dict[str, str], deployment: Deployment) -> list[str]:
    failed = {upload_id for upload_id, status in ends.items() if status == "error"}
    data = deployment.cluster.data
    there = paths_below(data)
    partial = [str(path) for path in there if path.suffix == ".part"]
    if deployment.s3:
        keys = deployment.s3.keys()
        multiparts = [f"the multipart upload {key}" for key in deployment.s3.multiparts()]
    else:
        keys = [str(path.relative_to(data)) for path in there if "upload_" in path.name]
        multiparts = []
    sources = [key for key in keys if key.startswith("incoming/") and key.split("/")[1].split(".")[0] not in failed]
    results = [key for key in keys if key.startswith("media/") and ends.get(key.split("/")[1]) != "completed"]
    return partial + multiparts + sources + results


def _brief(body: Any) -> Any:
    return {key: body.get(key) for key in ("stage", "seq", "attempt", "error")} if isinstance(body, dict) else body
