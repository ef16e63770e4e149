"""Lasting links in every ledger's store: found by their token only, and only while they are valid."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest
from roomcast.assemblies.links import MAX_LINKS, UploadLink, UploadLinks
from roomcast.assemblies.redis_store import RedisRecordStore
from roomcast.assemblies.sqlite_store import SqliteRecordStore
from roomcast.assemblies.store import RecordStore
from roomcast.errors import NotFound, TooMany, Unauthenticated
from roomcast.ledger.contract import Ledger
from roomcast.ledger.redis.ledger import RedisLedger
from roomcast.ledger.sqlite.ledger import SqliteLedger
from roomcast.rooms import link_sockets
from roomcast.rooms.link_sockets import LinkSockets
from roomcast.uploads.lifecycle import Stage
from roomcast.uploads.transitions import cancelled, deleted
from roomcast.uploads.viewer import LinkAccess

from tests.support.ledgers import Clock, created


@pytest.fixture
def records(ledger: Ledger, clock: Clock) -> RecordStore[UploadLink]:
    if isinstance(ledger, RedisLedger):
        return RedisRecordStore(ledger.scripts, "upload_links", UploadLink, ttl=3600)
    assert isinstance(ledger, SqliteLedger)
    return SqliteRecordStore(ledger.database, "upload_links", UploadLink, clock=clock)


@pytest.fixture
def links(records: RecordStore[UploadLink], ledger: Ledger, clock: Clock) -> UploadLinks:
    return UploadLinks(records, ledger, clock=clock)


async def test_link_is_found_by_its_token_and_stored_as_its_hash(
    links: UploadLinks, records: RecordStore[UploadLink], ledger: Ledger, clock: Clock
) -> None:
    upload = await created(ledger, clock)
    made = [await links.create(upload, scope, None) for scope in ("view", "control")]
    assert len({token for _, token in made}) == 2
    for link, token in made:
        assert await links.find(token) == (link, upload)
        assert token not in repr(await records.get(link.id))
        viewer = await links.viewer(token)
        assert (viewer.admin, viewer.link) == (False, LinkAccess(upload.id, link.scope, link.id))
    for wrong in ("", "link_", made[0][0].id, made[0][1][:-1], made[0][1] + "x", "link_\udce9"):
        with pytest.raises(NotFound):
            await links.find(wrong)
    assert {link.link_id for link in await links.of(upload)} == {link.link_id for link, _ in made}


async def test_revoked_and_expired_links_are_not_found(links: UploadLinks, ledger: Ledger, clock: Clock) -> None:
    upload, other = await created(ledger, clock), await created(ledger, clock)
    revoked, brief, lasting = [
        await links.create(upload, "view", expires) for expires in (None, clock.now + 10, clock.now + 20)
    ]
    with pytest.raises(NotFound):
        await links.revoke(other, revoked[0].link_id)
    await links.revoke(upload, revoked[0].link_id)
    with pytest.raises(NotFound):
        await links.revoke(upload, revoked[0].link_id)
    clock.now += 10
    for _, token in (revoked, brief):
        with pytest.raises(NotFound):
            await links.find(token)
        with pytest.raises(Unauthenticated):
            await links.viewer(token)
    assert [link.link_id for link in await links.of(upload)] == [lasting[0].link_id]
    assert (await links.viewer(lasting[1])).expires_at == lasting[0].expires_at


async def test_link_ends_with_its_upload_and_does_not_lead_to_another_one_with_its_id(
    links: UploadLinks, ledger: Ledger, clock: Clock
) -> None:
    upload = await created(ledger, clock)
    _, token = await links.create(upload, "view", None)
    await ledger.request_cancel(upload.id, cancelled(Stage.RECEIVING))
    assert (await links.find(token))[1].stage is Stage.CANCELLED
    await ledger.append(upload.id, deleted(Stage.CANCELLED))
    with pytest.raises(NotFound):
        await links.find(token)
    await ledger.remove(upload.id)
    again = replace(upload, epoch="e2")
    await ledger.create([again])
    with pytest.raises(NotFound):
        await links.find(token)
    assert await links.of(again) == []


async def test_an_upload_has_a_limited_number_of_links(links: UploadLinks, ledger: Ledger, clock: Clock) -> None:
    upload = await created(ledger, clock)
    for _ in range(MAX_LINKS):
        await links.create(upload, "view", None)
    with pytest.raises(TooMany):
        await links.create(upload, "view", None)
    await links.revoke_all(upload)
    assert await links.of(upload) == []


class OpenSockets:
    """The sockets of a process with links: those that it has closed, and the tasks that it has started."""

    def __init__(self, links: UploadLinks) -> None:
        self.closed: asyncio.Queue[str] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self.sockets = LinkSockets(links, self._close, self._start)

    async def _close(self, sid: str) -> None:
        self.closed.put_nowait(sid)

    def _start(self, run: Callable[..., Coroutine[Any, Any, None]], argument: Any) -> None:
        self._tasks.add(asyncio.create_task(run(argument)))

    async def done(self) -> None:
        await asyncio.gather(*self._tasks)


@pytest.mark.parametrize("by", ["this process", "another process, at the next call", "another process, at a check"])
async def test_sockets_of_a_revoked_link_and_no_others_are_closed(
    links: UploadLinks,
    records: RecordStore[UploadLink],
    ledger: Ledger,
    clock: Clock,
    by: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if by.endswith("a check"):
        monkeypatch.setattr(link_sockets, "LINK_CHECK_SECONDS", 0.01)
    upload, process = await created(ledger, clock), OpenSockets(links)
    made = [await links.create(upload, "view", None) for _ in range(2)]
    revoked, other = [(await links.viewer(token)).link for _, token in made]
    assert revoked
    assert other
    opened = {"first": revoked, "second": revoked, "left": revoked, "others": other}
    for sid, access in opened.items():
        process.sockets.add(sid, access)
    process.sockets.remove("left", revoked)
    revoking = links if by == "this process" else UploadLinks(records, ledger, clock=clock)
    await revoking.revoke(upload, made[0][0].link_id)
    if by.endswith("call"):
        assert process.closed.empty()
        with pytest.raises(Unauthenticated):
            await process.sockets.check(revoked)
    assert {await process.closed.get() for _ in range(2)} == {"first", "second"}
    await process.sockets.check(other)
    for sid, access in opened.items():
        process.sockets.remove(sid, access)
    await process.done()
    assert "others" not in [process.closed.get_nowait() for _ in range(process.closed.qsize())]
