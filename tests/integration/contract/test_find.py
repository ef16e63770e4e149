"""Every ledger's filtered lists, in every order, and the cursors of the admin page's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from roomcast.errors import Code, Malformed, RoomcastError
from roomcast.http.admin import listing as admin_listing
from roomcast.http.admin.listing import Order, list_uploads
from roomcast.ledger.contract import Ledger, UploadFilter
from roomcast.ledger.redis import listing as redis_listing
from roomcast.ledger.sqlite import ledger as sqlite_ledger
from roomcast.uploads.lifecycle import Failed, Stage, Status
from roomcast.uploads.model import Change, Upload, error_body
from roomcast.uploads.transitions import cancelled, deleted

from tests.support.ledgers import Clock, claimed, created, finish, fresh, queued

ALL = UploadFilter()
TIMED_OUT = error_body(RoomcastError("It took too long."), Stage.COMPRESSING) | {"code": Code.TIMEOUT}


async def failed(ledger: Ledger, clock: Clock, *, owner: str = "ada", filename: str = "film.mp4") -> Upload:
    upload = replace(fresh(clock, owner), filename=filename, template="hero-video")
    await ledger.create([upload])
    return await ledger.append(upload.id, Change(Failed(), "no", error=TIMED_OUT))


async def stopped(ledger: Ledger, clock: Clock) -> Upload:
    upload = await created(ledger, clock)
    return await ledger.request_cancel(upload.id, cancelled(upload.stage))


def ids(uploads: Sequence[Upload]) -> list[str]:
    return [upload.id for upload in uploads]


async def pages(ledger: Ledger, clock: Clock, order: Order, wanted: UploadFilter = ALL, *, limit: int = 2) -> list[str]:
    """The ids of all pages."""
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = await list_uploads(ledger, wanted, order, cursor=cursor, limit=limit, now=clock())
        assert len(page.uploads) <= limit
        found += ids(page.uploads)
        cursor = page.cursor
        if cursor is None:
            return found


async def test_filters(ledger: Ledger, clock: Clock) -> None:
    done = await finish(ledger, await claimed(ledger, clock))
    first = await failed(ledger, clock, filename="Über.MOV")
    second = await failed(ledger, clock, owner="bob")
    gone = await stopped(ledger, clock)
    waiting = await queued(ledger, clock, "bob")
    expected = {
        UploadFilter(): [waiting, gone, second, first, done],
        UploadFilter(status=Status.ERROR): [gone, second, first],
        UploadFilter(stage=Stage.FAILED): [second, first],
        UploadFilter(stage=Stage.CANCELLED): [gone],
        UploadFilter(stage=Stage.QUEUED): [waiting],
        UploadFilter(stage=Stage.QUEUED, status=Status.ERROR): [],
        UploadFilter(owner="bob"): [waiting, second],
        UploadFilter(owner="bob", stage=Stage.FAILED): [second],
        UploadFilter(template="hero-video"): [second, first],
        UploadFilter(code=Code.TIMEOUT): [second, first],
        UploadFilter(code=Code.CANCELLED): [gone],
        UploadFilter(code="NO_SUCH_CODE"): [],
        UploadFilter(text="über.mov"): [first],
        UploadFilter(text="M.MP"): [waiting, gone, second, done],
        UploadFilter(since=second.created_at): [waiting, gone, second],
        UploadFilter(since=second.created_at, status=Status.ERROR, owner="bob"): [second],
        UploadFilter(since=-1e10): [waiting, gone, second, first, done],
    }
    for wanted, uploads in expected.items():
        assert await pages(ledger, clock, Order.NEWEST, wanted) == ids(uploads), wanted
        assert await pages(ledger, clock, Order.OLDEST, wanted, limit=1) == ids(uploads)[::-1], wanted


async def test_orders_by_size_and_by_duration(ledger: Ledger, clock: Clock) -> None:
    sizes = {}
    for size in (5, 90, 20, 90):
        upload = replace(fresh(clock), bytes_expected=size)
        await ledger.create([upload])
        sizes[upload.id] = size
        clock.now += 10
    by_size = await pages(ledger, clock, Order.LARGEST, limit=3)
    assert [sizes[one] for one in by_size] == [90, 90, 20, 5]
    assert set(by_size) == set(sizes), "equal ones are told apart"
    oldest, *others = await pages(ledger, clock, Order.OLDEST)
    await ledger.request_cancel(oldest, cancelled(Stage.RECEIVING))
    by_duration = await pages(ledger, clock, Order.LONGEST, limit=1)
    assert by_duration == [oldest, *others]
    clock.now += 60
    assert await pages(ledger, clock, Order.LONGEST, limit=1) == [*others, oldest]


async def test_only_so_many_are_examined(ledger: Ledger, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (admin_listing, redis_listing, sqlite_ledger):
        monkeypatch.setattr(module, "MAX_EXAMINED", 300)
    wanted = await failed(ledger, clock)
    await ledger.create([fresh(clock) for _ in range(600)])
    page = await ledger.find(UploadFilter(code=Code.TIMEOUT))
    assert page.uploads == []
    assert page.cursor, "others follow"
    found: list[str] = []
    for _ in range(5):
        if page.cursor:
            page = await ledger.find(UploadFilter(code=Code.TIMEOUT), cursor=page.cursor)
            found += ids(page.uploads)
    assert (found, page.cursor) == ([wanted.id], None)
    some = await list_uploads(ledger, UploadFilter(), Order.LARGEST, cursor=None, limit=10, now=0)
    assert (len(some.uploads), some.complete) == (10, False)
    assert (await list_uploads(ledger, UploadFilter(), Order.NEWEST, cursor=None, limit=10, now=0)).complete


async def test_a_cursor_of_another_list_is_malformed(ledger: Ledger, clock: Clock) -> None:
    await ledger.create([fresh(clock) for _ in range(3)])
    for order in Order:
        page = await list_uploads(ledger, UploadFilter(), order, cursor=None, limit=1, now=0)
        assert page.cursor
        for other in Order:
            if other is not order:
                with pytest.raises(Malformed):
                    await list_uploads(ledger, UploadFilter(), other, cursor=page.cursor, limit=1, now=0)
        for foreign in (page.cursor[4:], page.cursor[:8], "x", "é", "bnVsbA=="):
            with pytest.raises(Malformed):
                await list_uploads(ledger, UploadFilter(), order, cursor=foreign, limit=1, now=0)
        with pytest.raises(Malformed):
            await list_uploads(ledger, UploadFilter(text="f"), order, cursor=page.cursor, limit=1, now=0)


async def test_deleted_and_partial_uploads_are_not_listed(ledger: Ledger, clock: Clock) -> None:
    done = await finish(ledger, await claimed(ledger, clock))
    assert await pages(ledger, clock, Order.LARGEST) == [done.id]
    await ledger.append(done.id, deleted(done.stage))
    for order in Order:
        assert await pages(ledger, clock, order) == []
