"""The finalizer over a real ledger: deliveries are created once, ids resolved, forms sealed, old records deleted."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr
from roomcast.assemblies.delivery import Delivery
from roomcast.assemblies.finalizer import Finalizer
from roomcast.assemblies.model import Submission, assembly_id
from roomcast.assemblies.service import AssemblyService
from roomcast.assemblies.sqlite_store import SqliteRecordStore
from roomcast.errors import NotFound
from roomcast.ledger.sqlite.ledger import SqliteLedger
from roomcast.uploads.lifecycle import Entered, Stage
from roomcast.uploads.model import Change, Upload, new_upload_id
from roomcast.uploads.templates import Template, Templates
from roomcast.uploads.transitions import cancelled, deleted
from structlog.testing import capture_logs

from tests.support.ledgers import SOURCE

MD5 = "0123456789abcdef" * 2
HOOK = Template(
    name="auto",
    webhook_url="https://hooks.example/",
    webhook_secret=SecretStr("long enough for it"),
    webhook_events=("ended", "deleted"),
)


class Scene:
    """A finalizer, and the stores that it works on."""

    def __init__(self, folder: Path) -> None:
        self.ledger = SqliteLedger(folder / "ledger.sqlite3")
        self.records = SqliteRecordStore(self.ledger.database, "submissions", Submission)
        self.deliveries = SqliteRecordStore(self.ledger.database, "deliveries", Delivery)
        self.submissions = AssemblyService(self.records, self.ledger, reproducible=True)
        self.woken = 0
        self.finalizer = self.with_retention(86400.0)

    def with_retention(self, retention_seconds: float) -> Finalizer:
        return Finalizer(
            self.submissions,
            self.records,
            self.deliveries,
            self.ledger,
            Templates({"auto": HOOK}),
            lambda submission, uploads: {"uploads": [upload.id for upload in uploads]},
            self.wake,
            retention_seconds=retention_seconds,
        )

    def wake(self) -> None:
        self.woken += 1

    async def finalize(self, submission: Submission) -> None:
        await self.finalizer.finalize(await self.records.get(submission.id))

    async def deliveries_of(self, submission: Submission) -> list[Delivery]:
        return await self.deliveries.in_group((await self.records.get(submission.id)).group)

    async def cancel(self, upload: Upload) -> Upload:
        upload = await self.ledger.request_cancel(upload.id, cancelled(Stage.RECEIVING))
        await self.ledger.set_cleanup(upload.id, None)
        return upload


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    await scene.ledger.close()


def upload(md5: str | None = MD5, *, ago: float = 0.0) -> Upload:
    now = time.time() - ago
    return Upload(new_upload_id(), "ada", "auto", "film.mp4", "e1", now, now, declared_md5=md5)


async def test_an_outcome_is_delivered_once_however_often_it_is_finalized(scene: Scene) -> None:
    one, two = upload(), upload()
    submission = await scene.submissions.create([one, two])
    await scene.cancel(one)
    await scene.finalize(submission)
    assert await scene.deliveries_of(submission) == [], "one is still under way"
    await scene.cancel(two)
    for _ in range(3):
        await scene.finalize(submission)
    (delivery,) = await scene.deliveries_of(submission)
    assert delivery.body == {"uploads": [one.id, two.id]}
    assert scene.woken == 1


async def test_an_assembly_that_starts_over_is_due_soon_and_delivered_again(scene: Scene) -> None:
    one = upload()
    submission = await scene.submissions.create([one])
    ended = await scene.cancel(one)
    await scene.finalize(submission)
    assert ((await scene.records.get(submission.id)).due_at or 0) > time.time() + 60
    await scene.submissions.reschedule(ended)
    assert ((await scene.records.get(submission.id)).due_at or 0) < time.time() + 60
    await scene.ledger.reopen(one.id, source_stored=False)
    await scene.cancel(one)
    await scene.finalize(submission)
    assert len(await scene.deliveries_of(submission)) == 2


async def test_finalizing_does_not_undo_a_concurrent_reschedule(scene: Scene) -> None:
    one = upload()
    submission = await scene.submissions.create([one])
    ended = await scene.cancel(one)
    before = await scene.records.get(submission.id)
    await scene.submissions.reschedule(ended)
    await scene.finalizer.finalize(before)
    assert ((await scene.records.get(submission.id)).due_at or 0) < time.time() + 60


async def test_deleted_upload_is_delivered_once_if_the_template_asks_and_the_assembly_not_again(scene: Scene) -> None:
    one, two = upload(), upload()
    submission = await scene.submissions.create([one, two])
    for each in (one, two):
        await scene.cancel(each)
    await scene.finalize(submission)
    await scene.ledger.append(one.id, deleted(Stage.CANCELLED))
    for _ in range(2):
        await scene.finalize(submission)
    bodies = [delivery.body for delivery in await scene.deliveries_of(submission)]
    assert bodies == [{"uploads": [one.id], "event": "deleted"}, {"uploads": [one.id, two.id]}]
    await scene.ledger.append(two.id, deleted(Stage.CANCELLED))
    group = (await scene.records.get(submission.id)).group
    await scene.finalize(submission)
    assert (await scene.deliveries.in_group(group))[0].body["uploads"] == [two.id]
    with pytest.raises(NotFound):
        await scene.records.get(submission.id)


async def test_a_partly_pruned_assembly_is_not_delivered_again(scene: Scene) -> None:
    one, two = upload(), upload()
    submission = await scene.submissions.create([one, two])
    await scene.cancel(one)
    ended_between = time.time()
    await scene.cancel(two)
    await scene.finalize(submission)
    assert await scene.ledger.prune(retention_seconds=time.time() - ended_between) == [one.id]
    scene.finalizer = scene.with_retention(0.0)
    await scene.finalize(submission)
    assert len(await scene.deliveries_of(submission)) == 1


async def test_an_abandoned_form_is_sealed_once_no_file_is_arriving(scene: Scene) -> None:
    one = upload(None, ago=120.0)
    form = await scene.submissions.add_file(one, "media_file", None)
    await scene.records.update(form, lambda submission: replace(submission, created_at=one.created_at))
    await scene.finalize(await scene.records.get(form))
    assert (await scene.records.get(form)).group == "", "its file may still come"
    source = replace(SOURCE, md5=MD5)
    await scene.ledger.append(one.id, Change(Entered(Stage.QUEUED), "Queued", source=source))
    await scene.finalize(await scene.records.get(form))
    assert (await scene.records.get(form)).group == "", "it has only just come: more may follow"
    assert await scene.submissions.seal(form) == assembly_id([MD5], "auto", "ada")


async def test_a_submission_whose_uploads_were_all_pruned_is_deleted(scene: Scene) -> None:
    one = upload()
    submission = await scene.submissions.create([one])
    await scene.cancel(one)
    await scene.ledger.prune(retention_seconds=-1)
    await scene.finalize(submission)
    with pytest.raises(NotFound):
        await scene.records.get(submission.id)


async def test_one_submission_that_cannot_be_finalized_stops_no_other(scene: Scene) -> None:
    bad, good = upload(), upload("f" * 32)
    for one in (bad, good):
        await scene.submissions.create([one])
        await scene.cancel(one)

    def render(_: Submission, uploads: Sequence[Upload]) -> dict[str, list[str]]:
        if uploads[0].id == bad.id:
            raise KeyError("a field of a newer version")
        return {"uploads": [upload.id for upload in uploads]}

    scene.finalizer._render = render
    scene.finalizer._hints |= {bad.id, good.id}
    with capture_logs() as logs:
        await scene.finalizer._finalize_due()
    assert {line["event"] for line in logs} == {"submission_not_finalized"}
    assert [found.body for found in await scene.deliveries.claim_due(limit=9, seconds=1)] == [{"uploads": [good.id]}]
