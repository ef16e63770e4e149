"""Every ledger's pauses of templates and of worker processes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from roomcast.ledger.administration import EVERY_WORKER, AdminPause, pause_warnings
from roomcast.ledger.contract import Ledger
from roomcast.ledger.redis.ledger import RedisLedger
from roomcast.ledger.sqlite.ledger import SqliteLedger
from roomcast.uploads.lifecycle import Entered, Failed, Retrying, Stage
from roomcast.uploads.model import Change, Upload, message
from roomcast.uploads.transitions import cancelled

from tests.support.ledgers import LEASE, SOURCE, Clock, claimed, fresh, queued
from tests.support.redis_lists import RedisLists


async def of_template(ledger: Ledger, clock: Clock, template: str, owner: str = "ada") -> Upload:
    upload = replace(fresh(clock, owner), template=template)
    await ledger.create([upload])
    clock.now += 0.001
    return await ledger.append(upload.id, Change(Entered(Stage.QUEUED), "Waiting", source=SOURCE))


async def next_id(ledger: Ledger, holder: str = "w") -> str | None:
    claim = await ledger.claim_next(holder=holder, seconds=LEASE)
    return claim.upload.id if claim else None


async def test_uploads_of_a_paused_template_are_not_in_the_queue(
    ledger: Ledger, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    if isinstance(ledger, RedisLedger):
        namespace = ledger.scripts.key().removeprefix("{").partition("}")[0]
        RedisLists(ledger._client, namespace).check_after_every_script(monkeypatch)
    first, second = await of_template(ledger, clock, "film"), await of_template(ledger, clock, "film", "bob")
    other = await of_template(ledger, clock, "auto")
    paused_at = clock.now
    await ledger.administration.pause("template", "film", by="root")
    assert await ledger.queue() == [other.id]
    last = await of_template(ledger, clock, "film")
    view = await ledger.get(last.id)
    assert (view.template_paused, view.queue_position, view.text) == (True, None, "Waiting")
    assert (await ledger.events(first.id)).upload.template_paused
    body = message(view)
    assert (body["message"], body["paused"], body["stage"]) == ("Paused by an administrator.", True, "queued")
    assert "paused" not in message(await ledger.get(other.id))
    stats = await ledger.stats(since=0, failures=0)
    assert (stats.waiting, stats.active) == ({"auto": 1}, 4)
    assert stats.waiting_since == pytest.approx(other.updated_at)
    clock.now += 1
    await ledger.administration.pause("template", "film", by="another")
    assert await ledger.administration.pauses() == [AdminPause("template", "film", "root", paused_at, 3)]
    assert [await next_id(ledger), await next_id(ledger)] == [other.id, None]
    await ledger.request_cancel(first.id, cancelled(first.stage))
    assert (await ledger.administration.pauses())[0].uploads == 2
    await ledger.administration.resume("template", "film")
    await ledger.administration.resume("template", "film")
    assert await ledger.administration.pauses() == []
    assert await ledger.queue() == [second.id, last.id], "in the order in which they were queued"
    assert not (await ledger.get(last.id)).template_paused
    assert (await ledger.stats(since=0, failures=0)).waiting == {"film": 2}
    assert [await next_id(ledger), await next_id(ledger)] == [second.id, last.id]


async def test_what_a_worker_has_of_a_paused_template_is_finished_and_its_retry_waits(
    ledger: Ledger, clock: Clock
) -> None:
    claim = await claimed(ledger, clock)
    await ledger.administration.pause("template", "auto", by="root")
    token, upload_id = claim.lease.token, claim.upload.id
    assert not (await ledger.get(upload_id)).template_paused
    await ledger.append(upload_id, Change(Entered(Stage.PROBING), ""), token=token)
    await ledger.append(upload_id, Change(Retrying(), "", not_before=clock.now + 5), token=token)
    assert (await ledger.get(upload_id)).template_paused
    clock.now += 10
    assert await next_id(ledger) is None
    await ledger.administration.resume("template", "auto")
    assert await next_id(ledger) == upload_id


async def test_a_paused_worker_process_is_given_nothing(ledger: Ledger, clock: Clock) -> None:
    administration = ledger.administration
    uploads = [await queued(ledger, clock) for _ in range(3)]
    await administration.pause("worker", "host.1", by="root")
    assert [await administration.is_paused(one) for one in ("host.1", "host.2", "host.11")] == [True, False, False]
    assert [await next_id(ledger, "host.1"), await next_id(ledger, "host.2")] == [None, uploads[0].id]
    await administration.pause("worker", EVERY_WORKER, by="root")
    assert await administration.is_paused("host.99"), "one that starts later"
    assert await next_id(ledger, "host.2") is None
    orders = await administration.pauses()
    assert [(one.name, one.uploads) for one in orders] == [("*", 0), ("host.1", 0)]
    assert len(pause_warnings(orders, "host.1")) == 2
    assert pause_warnings(orders, "host.2") == ["An administrator has paused all workers."]
    await administration.resume("worker", EVERY_WORKER)
    assert [await next_id(ledger, "host.1"), await next_id(ledger, "host.2")] == [None, uploads[1].id]
    await administration.resume("worker", "host.1")
    assert await next_id(ledger, "host.1") == uploads[2].id


async def test_a_failed_upload_of_a_paused_template_is_reopened_into_the_pause(ledger: Ledger, clock: Clock) -> None:
    upload = await queued(ledger, clock)
    await ledger.administration.pause("template", "auto", by="root")
    await ledger.append(upload.id, Change(Failed(), "no"))
    assert not (await ledger.get(upload.id)).template_paused
    await ledger.reopen(upload.id, source_stored=True)
    assert (await ledger.get(upload.id)).template_paused
    assert await next_id(ledger) is None


async def test_pauses_outlive_the_process(tmp_path: Path) -> None:
    first = SqliteLedger(tmp_path / "ledger.sqlite3")
    await first.administration.pause("template", "auto", by="root")
    await first.close()
    second = SqliteLedger(tmp_path / "ledger.sqlite3")
    assert [one.name for one in await second.administration.pauses()] == ["auto"]
    await second.close()
