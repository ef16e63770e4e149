"""Every ledger's log of one upload: events with who caused them, and log lines."""

from __future__ import annotations

from dataclasses import replace

import pytest
from roomcast.errors import NotFound
from roomcast.ledger.administration import LOG_LINES, LogLine
from roomcast.ledger.contract import EVENT_LOG_LENGTH, Ledger
from roomcast.runtime.process import process_name
from roomcast.uploads.lifecycle import Deleted, Entered, Failed, Paused, Progressed, Stage
from roomcast.uploads.model import Actor, ApplicationEvent, Change, TusState, new_upload_id
from roomcast.uploads.transitions import cancelled

from tests.support.ledgers import LEASE, SOURCE, Clock, claimed, created, finish, queued

ADMIN, SERVER = Actor("user", "root"), Actor("server", process_name())


async def actors(ledger: Ledger, upload_id: str) -> list[Actor | None]:
    return [one.actor for one in (await ledger.administration.upload_history(upload_id)).events]


async def test_every_event_has_who_caused_it(ledger: Ledger, clock: Clock) -> None:
    upload = await created(ledger, clock, "ada")
    arriving = await ledger.claim(upload.id, holder="web.1", seconds=LEASE)
    token = arriving.lease.token
    await ledger.append(upload.id, Change(Progressed(0.0), "", resumable=TusState("m")), token=token)
    await ledger.append(upload.id, Change(Paused(0.5), ""), token=token)
    await ledger.append(upload.id, Change(Progressed(0.6), ""))
    await ledger.append(upload.id, Change(Entered(Stage.QUEUED), "", source=SOURCE))
    claim = await ledger.claim_next(holder="host.7", seconds=LEASE)
    assert claim
    await ledger.append(upload.id, Change(Entered(Stage.PROBING), ""), token=claim.lease.token)
    await ledger.emit(upload.id, ApplicationEvent("found", 1, clock()))
    await ledger.request_cancel(upload.id, replace(cancelled(Stage.PROBING), actor=ADMIN))
    assert (await ledger.renew(claim.lease, seconds=LEASE)).cancel_requested
    await ledger.append(upload.id, cancelled(Stage.PROBING), token=claim.lease.token)
    found = await ledger.administration.upload_history(upload.id)
    web, worker, application = Actor("server", "web.1"), Actor("worker", "host.7"), Actor("application", SERVER.name)
    owner = Actor("user", "ada")
    expected = [owner, web, web, SERVER, SERVER, worker, worker, application, ADMIN]
    assert [one.actor for one in found.events] == expected
    assert [one.message["seq"] for one in found.events] == list(range(1, 10))
    assert [one.message for one in found.events] == (await ledger.events(upload.id)).events
    assert found.upload == (await ledger.events(upload.id)).upload


async def test_cancels_retries_and_deletions_have_their_users(ledger: Ledger, clock: Clock) -> None:
    upload = await queued(ledger, clock)
    await ledger.request_cancel(upload.id, replace(cancelled(Stage.QUEUED), actor=ADMIN))
    assert await ledger.claim_cleanup(upload.id)
    await ledger.set_cleanup(upload.id, None)
    await ledger.reopen(upload.id, source_stored=False, actor=Actor("user", "a user"))
    await ledger.append(upload.id, Change(Failed(), "no"))
    await ledger.append(upload.id, Change(Deleted(), "", actor=ADMIN))
    assert (await actors(ledger, upload.id))[2:] == [ADMIN, Actor("user", "a user"), SERVER, ADMIN]


async def test_a_lost_worker_is_replaced_by_the_server(ledger: Ledger, clock: Clock) -> None:
    claim = await claimed(ledger, clock)
    await ledger.request_cancel(claim.upload.id, replace(cancelled(Stage.FETCHING), actor=ADMIN))
    again = await claimed(ledger, clock)
    clock.now += LEASE + 1
    assert len(await ledger.expire_leases(reserved_seconds=1e12)) == 2
    assert (await actors(ledger, claim.upload.id))[-1] == ADMIN, "who requested that it ends"
    assert (await actors(ledger, again.upload.id))[-1] == SERVER
    cancelled_later = await ledger.claim_next(holder="w", seconds=LEASE)
    assert cancelled_later
    await finish(ledger, cancelled_later)
    assert (await actors(ledger, again.upload.id))[-1] == Actor("worker", "w"), "no old cancel is remembered"


async def test_actors_are_trimmed_with_their_events(ledger: Ledger, clock: Clock) -> None:
    upload = await created(ledger, clock)
    for _ in range(EVENT_LOG_LENGTH):
        await ledger.append(upload.id, Change(Progressed(0.0), ""))
    events = (await ledger.administration.upload_history(upload.id)).events
    assert len(events) == EVENT_LOG_LENGTH
    assert events[0].message["seq"] == 2
    assert {one.actor for one in events} == {SERVER}


async def test_an_upload_has_its_latest_log_lines_until_it_is_deleted(ledger: Ledger, clock: Clock) -> None:
    upload, other = await created(ledger, clock), await created(ledger, clock)
    details = {"code": 1, "text": "ü", "nothing": None, "part": 0.5}
    lines = [LogLine(upload.id, clock() + at, "info", f"event_{at}", "host.1", details) for at in range(LOG_LINES + 5)]
    foreign = LogLine(new_upload_id(), clock(), "info", "unknown", "host.1")
    await ledger.administration.add_log_lines([*lines[:3], foreign, LogLine(other.id, 1.5, "error", "e", "host.2")])
    await ledger.administration.add_log_lines(lines[3:])
    await ledger.administration.add_log_lines([])
    found = await ledger.administration.upload_history(upload.id)
    assert list(found.lines) == lines[5:]
    (line,) = (await ledger.administration.upload_history(other.id)).lines
    assert (line.at, line.level, line.process, line.details) == (1.5, "error", "host.2", {})
    await ledger.append(upload.id, Change(Failed(), "no"))
    await ledger.append(upload.id, Change(Deleted(), ""))
    await ledger.remove(upload.id)
    with pytest.raises(NotFound):
        await ledger.administration.upload_history(upload.id)
    await ledger.administration.add_log_lines(lines[:1])
    again = replace(await created(ledger, clock), id=upload.id)
    await ledger.create([again])
    assert (await ledger.administration.upload_history(upload.id)).lines == []
