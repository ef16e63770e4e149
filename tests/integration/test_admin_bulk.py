"""Administrators cancel, retry and delete many uploads in one call."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from roomcast.http.admin import bulk

from tests.conftest import Shelf
from tests.e2e.conftest import FakeFfmpeg
from tests.support.app import AppServer
from tests.support.harness import Api, eventually
from tests.support.tokens import SECRET, token

UNKNOWN = "upload_" + "0" * 32


@pytest.fixture
def settings(fake: FakeFfmpeg) -> dict[str, str]:
    return {**fake.env, "JWT_SECRET": SECRET, "ROOMCAST_ATTEMPTS": "1"}


@pytest.fixture
async def admin(server: AppServer) -> AsyncIterator[Api]:
    async with Api(server, token("root", admin=True)) as client:
        yield client


async def act(admin: Api, action: str, **body: Any) -> dict[str, Any]:
    reply = await admin.request("POST", f"/api/admin/uploads/{action}", json=body)
    assert reply.status == 200, reply.body
    result: dict[str, Any] = reply.body
    return result


def counts(result: dict[str, Any]) -> tuple[int, int, int, int]:
    return result["matched"], result["eligible"], result["changed"], result["skippedCount"]


def reasons(result: dict[str, Any]) -> dict[str, str]:
    return {one["uploadId"]: one["code"] for one in result["skipped"]}


def only_file_of(server: AppServer, upload_id: str) -> list[Path]:
    """Return the file of an upload, if it has one and no other."""
    files = [path for path in server.files_of(upload_id) if path.is_file()]
    return files if len(files) == 1 else []


async def reserve(api: Api, count: int) -> list[str]:
    return [(await api.reserved(f"film{number}.mp4", 100))[0] for number in range(count)]


async def test_what_matches_is_counted_cancelled_retried_and_deleted(
    server: AppServer, alice: Api, bob: Api, admin: Api, shelf: Shelf, fake: FakeFfmpeg, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.behave("die")
    failed = [await alice.accepted(shelf.clip(seconds=1, size="160x120")) for _ in range(2)]
    for upload_id in failed:
        await alice.finished(upload_id)
    fake.heal()
    arriving = await reserve(alice, 3)
    others = await reserve(bob, 2)

    everyone = await act(admin, "cancel", filter={}, dryRun=True)
    assert counts(everyone) == (7, 5, 0, 2)
    assert reasons(everyone) == dict.fromkeys(failed, "WRONG_STATE")
    hers = {"owner": "alice", "text": "FILM"}
    assert counts(await act(admin, "cancel", filter=hers, dryRun=True)) == (3, 3, 0, 0)
    assert (await alice.get(arriving[0])).body["stage"] == "receiving", "it was only counted"
    with monkeypatch.context() as patch:
        patch.setattr(bulk, "MAX_CHANGES", 2)
        first = await act(admin, "cancel", filter=hers)
        assert (counts(first), bool(first["cursor"])) == ((2, 2, 2, 0), True)
        second = await act(admin, "cancel", filter=hers, cursor=first["cursor"])
        assert (counts(second), second["cursor"]) == ((1, 1, 1, 0), None)
    assert counts(await act(admin, "cancel", filter=hers)) == (3, 0, 0, 3), "it can be repeated"
    assert [(await bob.get(one)).body["stage"] for one in others] == ["receiving"] * 2
    refused = await admin.request("POST", "/api/admin/uploads/cancel", json={"filter": {}, "cursor": first["cursor"]})
    assert refused.refusal == (400, "MALFORMED"), "the cursor is of another filter"

    # One source is deleted behind the server's back. A retry by its owner asks for the file, others have none.
    # Results of the attempt, such as its poster, are deleted after its end.
    (source,) = await eventually(lambda: only_file_of(server, failed[0]), what="the source alone")
    source.rename(source.with_name("elsewhere"))
    errors = {"status": "error"}
    retried = await act(admin, "retry", filter=errors, dryRun=True)
    assert (counts(retried), set(reasons(retried))) == ((5, 2, 0, 3), set(arriving))
    retried = await act(admin, "retry", filter=errors)
    assert counts(retried) == (5, 2, 1, 4)
    assert reasons(retried) == {failed[0]: "SOURCE_GONE", **dict.fromkeys(arriving, "SOURCE_GONE")}
    await alice.finished(failed[1])
    for upload_id in (failed[0], arriving[0]):
        assert (await admin.retry(upload_id)).refusal == (409, "SOURCE_GONE")
        assert (await alice.retry(upload_id)).body["state"]["stage"] == "receiving"

    ids = [*others, arriving[1], arriving[1], UNKNOWN, "../etc"]
    deleted = await act(admin, "delete", ids=ids)
    assert counts(deleted) == (5, 1, 1, 4)
    wrong = dict.fromkeys(others, "WRONG_STATE")
    assert reasons(deleted) == {**wrong, UNKNOWN: "NOT_FOUND", "../etc": "NOT_FOUND"}
    assert (await alice.get(arriving[1])).refusal == (410, "DELETED")
    again = await act(admin, "delete", ids=ids)
    assert (counts(again), reasons(again)[arriving[1]]) == ((5, 0, 0, 5), "DELETED")
    nothing = await act(admin, "delete", filter={"text": "no such name"})
    assert (counts(nothing), nothing["cursor"]) == ((0, 0, 0, 0), None)
    shutil.move(source.with_name("elsewhere"), source)


async def test_malformed_and_excessive_requests_are_refused(admin: Api, alice: Api) -> None:
    bodies: list[Any] = [None, [], {}, {"filter": {}, "ids": []}, {"filter": {"nope": 1}}, {"filter": {"stage": "x"}}]
    bodies += [{"filter": {"since": "soon"}}, {"filter": {"text": 5}}, {"filter": {}, "cursor": "x"}, {"ids": "all"}]
    bodies += [{"ids": [UNKNOWN] * 10_000}, {"ids": ["x" * 101]}, {"ids": [None]}, {"ids": [], "cursor": "x"}]
    for action in ("cancel", "retry", "delete"):
        for body in bodies:
            refusal = (await admin.request("POST", f"/api/admin/uploads/{action}", json=body)).refusal
            expected = (413, "TOO_LARGE") if body and "ids" in body and len(body["ids"]) > 5000 else (400, "MALFORMED")
            assert refusal == expected, (action, str(body)[:100])
        everything = await alice.request("POST", f"/api/admin/uploads/{action}", json={"filter": {}})
        assert everything.refusal == (403, "FORBIDDEN")
    assert counts(await act(admin, "delete", ids=[])) == (0, 0, 0, 0)
