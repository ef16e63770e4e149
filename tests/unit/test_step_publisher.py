"""The step publisher: each step is published once and in order, one end for a submission, nothing of another's."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from prometheus_client import CollectorRegistry
from pydantic import ValidationError
from roomcast.assemblies import service
from roomcast.assemblies.model import Submission
from roomcast.assemblies.records import PublishCursor
from roomcast.assemblies.service import AssemblyService
from roomcast.assemblies.sqlite_store import SqliteRecordStore
from roomcast.errors import StorageError
from roomcast.ledger.sqlite.ledger import SqliteLedger
from roomcast.services import step_publisher
from roomcast.services.sqs import SqsQueue
from roomcast.services.step_publisher import MessageGroup, StepPublisher
from roomcast.uploads.lifecycle import Entered, Stage
from roomcast.uploads.model import Change, Upload

from tests.support.harness import eventually
from tests.support.ledgers import SOURCE, STEPS, Clock, fresh
from tests.support.settings import settings_of

OUTPUT = {"key": "u/video.mp4", "bucket": None}


class Queue:
    """Keeps what it is sent, or fails."""

    def __init__(self) -> None:
        self.failing = False
        self.sent: list[tuple[str, str, dict[str, Any]]] = []

    async def send(self, group: str, messages: Sequence[tuple[str, bytes]]) -> None:
        if self.failing:
            raise StorageError("The progress queue could not be reached.")
        self.sent += [(group, identity, json.loads(body)) for identity, body in messages]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [step for _, _, step in self.sent if step["type"] == kind]


class Scene:
    def __init__(self, folder: Path) -> None:
        self.clock, self.queue, self.registry = Clock(), Queue(), CollectorRegistry()
        self.ledger = SqliteLedger(folder / "ledger.sqlite3")
        self.records = SqliteRecordStore(self.ledger.database, "submissions", Submission)
        self.cursors = SqliteRecordStore(self.ledger.database, "publish_cursors", PublishCursor)
        self.submissions = AssemblyService(self.records, self.ledger, reproducible=True, cursors=self.cursors)
        self.stack = AsyncExitStack()

    async def publish(self, message_group: MessageGroup = "submission") -> None:
        publisher = StepPublisher(
            self.queue,
            self.cursors,
            self.records,
            self.ledger,
            branch="main",
            message_group=message_group,
            registry=self.registry,
        )
        await self.stack.enter_async_context(publisher.running())

    async def complete(self, upload: Upload) -> None:
        """Take the upload, which is the only one, to its end."""
        await self.ledger.append(upload.id, Change(Entered(Stage.QUEUED), "", source=SOURCE))
        claim = await self.ledger.claim_next(holder="w", seconds=3600)
        assert claim
        for stage in STEPS:
            change = Change(Entered(stage), "", element={"outputs": [OUTPUT]} if stage is Stage.DONE else None)
            await self.ledger.append(upload.id, change, token=claim.lease.token)

    async def taken(self, submission_id: str, changes: int, *, since: int | None = None) -> None:
        """Wait until a cursor was changed so often after the revision `since`, or after its current one.

        A round changes it twice: when it is claimed, and when it is settled.
        """
        begun = (await self.cursors.get(submission_id)).revision if since is None else since

        async def settled() -> bool:
            return (await self.cursors.get(submission_id)).revision >= begun + changes

        await eventually(settled, what="a round of the publisher")

    def counted(self, outcome: str) -> float:
        return self.registry.get_sample_value("roomcast_published_messages_total", {"outcome": outcome}) or 0.0


@pytest.fixture
async def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    monkeypatch.setattr(step_publisher, "_POLL_SECONDS", 0.02)
    monkeypatch.setattr(service, "CHECK_SECONDS", 0.02)
    scene = Scene(tmp_path)
    yield scene
    await scene.stack.aclose()
    await scene.ledger.close()


async def test_steps_that_the_queue_refused_are_sent_again(scene: Scene) -> None:
    scene.queue.failing = True
    await scene.submissions.create([fresh(scene.clock)])
    await scene.publish()
    await eventually(lambda: scene.counted("failed") >= 2, what="a failure")
    assert scene.queue.sent == []
    scene.queue.failing = False
    await eventually(lambda: scene.queue.of("step:start"), what="the first step")
    assert [step["type"] for _, _, step in scene.queue.sent] == ["start", "step:start"]
    assert scene.counted("sent") == 2


@pytest.mark.parametrize("message_group", ["submission", "upload"])
async def test_messages_name_the_first_upload_and_use_the_configured_group(
    scene: Scene, message_group: MessageGroup
) -> None:
    first, second = fresh(scene.clock), fresh(scene.clock)
    await scene.submissions.create([first, second])
    await scene.publish(message_group)
    await eventually(lambda: len(scene.queue.of("step:start")) == 2, what="both first steps")
    assert {step["uploadId"] for _, _, step in scene.queue.sent} == {first.id}
    assert {step["channel"] for _, _, step in scene.queue.sent} == {f"upload:{first.id}"}
    groups = {group for group, _, _ in scene.queue.sent}
    assert groups == ({first.id} if message_group == "submission" else {first.id, second.id})


async def test_a_form_is_completed_once_it_is_sealed_and_its_files_are_done(scene: Scene) -> None:
    upload = fresh(scene.clock)
    form = await scene.submissions.add_file(upload, "file", None)
    await scene.complete(upload)
    await scene.publish()
    await eventually(lambda: scene.queue.of("output"), what="the result")
    await scene.taken(form, 4)  # the round under way, and a whole one
    assert scene.queue.of("done") == [], "another file may still come"
    await scene.submissions.seal(form)
    await eventually(lambda: scene.queue.of("done"), what="the end")

    async def settled() -> bool:
        return ((await scene.cursors.get(form)).due_at or 0) > time.time() + 60

    await eventually(settled, what="the end of the round")
    since = (await scene.cursors.get(form)).revision
    await scene.submissions.reschedule(await scene.ledger.get(upload.id))
    await scene.taken(form, 3, since=since)
    (done,) = scene.queue.of("done")
    assert (done["uploadId"], done["message"]) == (upload.id, "All processing completed successfully")


async def test_steps_of_another_submissions_upload_are_not_published(scene: Scene) -> None:
    """The other submission's upload was pruned, and its id was chosen again."""
    hers = await scene.submissions.create([fresh(scene.clock, "ada")])
    left = replace(hers, id="submission_left", owner="bob", created_at=0.0)
    await scene.records.add(left)
    await scene.cursors.add(PublishCursor.new(left))
    await scene.publish()
    await scene.taken(left.id, 2, since=1)
    await eventually(lambda: scene.queue.of("step:start"), what="the first step")
    assert [step["type"] for _, _, step in scene.queue.sent] == ["start", "step:start"]
    assert "/ada/" in scene.queue.sent[0][2]["key"]


class Client:
    """Amazon's, as far as it is asked."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.answer = answer
        self.calls: list[tuple[str, dict[str, Any]]] = []

    async def get_queue_url(self, **parameters: Any) -> dict[str, Any]:
        self.calls.append(("get_queue_url", parameters))
        if parameters["QueueName"] == "missing.fifo":
            raise ClientError({"Error": {"Code": "QueueDoesNotExist"}}, "GetQueueUrl")
        return {"QueueUrl": "https://sqs.example/progress.fifo"}

    async def send_message_batch(self, **parameters: Any) -> dict[str, Any]:
        self.calls.append(("send_message_batch", parameters))
        return self.answer


MESSAGES = [(f"e:1:{number}", b"{}") for number in range(5)]


async def test_a_queue_name_is_resolved_once_and_batches_are_full() -> None:
    client = Client({})
    queue = SqsQueue(client, name="progress.fifo", url=None, batch_size=2)
    for _ in range(2):
        await queue.send("group", MESSAGES)
    names = [name for name, _ in client.calls]
    assert names.count("get_queue_url") == 1
    batches = [parameters for name, parameters in client.calls if name == "send_message_batch"]
    assert [len(batch["Entries"]) for batch in batches] == [2, 2, 1] * 2
    assert {batch["QueueUrl"] for batch in batches} == {"https://sqs.example/progress.fifo"}
    entries = [entry for batch in batches[:3] for entry in batch["Entries"]]
    assert [entry["MessageDeduplicationId"] for entry in entries] == [identity for identity, _ in MESSAGES]
    assert {entry["MessageGroupId"] for entry in entries} == {"group"}


async def test_a_missing_or_refusing_queue_raises_a_storage_error() -> None:
    with pytest.raises(StorageError, match="reached"):
        await SqsQueue(Client({}), name="missing.fifo", url=None, batch_size=10).send("group", MESSAGES)
    refusing = Client({"Failed": [{"Id": "0"}]})
    with pytest.raises(StorageError, match="refused"):
        await SqsQueue(refusing, name=None, url="https://sqs.example/q.fifo", batch_size=10).send("group", MESSAGES)


@pytest.mark.parametrize(
    "wrong",
    [
        {"sqs_progress_queue_name": "progress"},
        {"sqs_progress_queue_name": "../progress.fifo"},
        {"sqs_progress_queue_name": "a.fifo", "sqs_progress_queue_url": "https://sqs.example/a.fifo"},
        {"sqs_batch_size": 0},
        {"sqs_batch_size": 11},
        {"sqs_message_group": "user"},
    ],
    ids=str,
)
def test_contradicting_queue_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings_of(**wrong)


async def test_a_cursor_that_is_rescheduled_during_its_round_is_due_soon(scene: Scene) -> None:
    upload = fresh(scene.clock)
    submission = await scene.submissions.create([upload])
    await scene.complete(upload)
    send = scene.queue.send

    async def rescheduling(group: str, messages: Sequence[tuple[str, bytes]]) -> None:
        scene.queue.send = send  # type: ignore[method-assign]
        await scene.submissions.reschedule(await scene.ledger.get(upload.id))
        await send(group, messages)

    scene.queue.send = rescheduling  # type: ignore[method-assign]
    await scene.publish()
    await scene.taken(submission.id, 5, since=1)  # claimed, rescheduled, settled, and a second round
