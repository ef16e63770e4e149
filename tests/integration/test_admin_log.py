"""An upload's log and the history, as administrators get them."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from roomcast.runtime.process import log_context, process_name

from tests.conftest import Shelf
from tests.support.app import AppServer
from tests.support.harness import Api, eventually
from tests.support.tokens import SECRET, token

ADMIN = token("root", admin=True)


@pytest.fixture
def settings() -> dict[str, str]:
    return {"JWT_SECRET": SECRET}


async def test_log_and_history_of_a_processed_and_of_a_cancelled_upload(
    server: AppServer, alice: Api, shelf: Shelf
) -> None:
    async with Api(server, ADMIN) as admin:

        async def log_of(upload_id: str) -> dict[str, Any]:
            reply = await admin.request("GET", f"/api/admin/uploads/{upload_id}/log")
            assert reply.status == 200, reply.body
            log: dict[str, Any] = reply.body
            return log

        done = await alice.accepted(shelf.image())
        last = await alice.finished(done)
        log = await log_of(done)
        assert (log["upload"]["uploadId"], log["upload"]["owner"], log["firstSeq"]) == (done, "alice", 1)
        events = log["events"]
        assert [one["seq"] for one in events] == list(range(1, last["seq"] + 1))
        assert events[0]["actor"] == {"type": "user", "name": "alice"}
        assert events[-1]["actor"] == {"type": "worker", "name": process_name()}
        assert events[-1]["message"]["element"]["outputs"][0]["url"], "as those who listened got it"
        assert [one["stage"] for one in log["stages"]][:3] == ["receiving", "queued", "fetching"]
        assert all(one["ended"] and one["seconds"] >= 0 for one in log["stages"])
        (attempt,) = log["attempts"]
        assert (attempt["outcome"], attempt["process"], attempt["error"]) == ("completed", process_name(), None)

        segments = await admin.request("GET", f"/api/admin/uploads/{done}/segments")
        assert (segments.status, segments.body) == (200, {"film": None})

        gone, _ = await alice.reserved("later.mp4", 100)
        (stage,) = (await log_of(gone))["stages"]
        assert (stage["stage"], stage["ended"]) == ("receiving", False)
        with log_context(gone):
            logging.getLogger("roomcast.test").warning("something happened")
        await eventually(lambda: _lines(log_of, gone), what="the line")
        await admin.cancel(gone)
        log = await log_of(gone)
        assert log["events"][-1]["actor"] == {"type": "user", "name": "root"}
        assert (log["attempts"][0]["outcome"], log["attempts"][0]["error"]["code"]) == ("cancelled", "CANCELLED")
        (line,) = log["lines"]
        assert (line["event"], line["level"], line["process"]) == ("something happened", "warning", process_name())
        await admin.delete(gone)
        calls = {
            f"/api/admin/uploads/{gone}/log": (410, "DELETED"),
            "/api/admin/uploads/upload_" + "0" * 32 + "/log": (404, "NOT_FOUND"),
            "/api/admin/uploads/x/log": (404, "NOT_FOUND"),
            f"/api/admin/uploads/{gone}/segments": (410, "DELETED"),
            "/api/admin/uploads/upload_" + "0" * 32 + "/segments": (404, "NOT_FOUND"),
            "/api/admin/uploads/x/segments": (404, "NOT_FOUND"),
            "/api/admin/history?window=week": (400, "MALFORMED"),
        }
        for call, refusal in calls.items():
            assert (await admin.request("GET", call)).refusal == refusal
            assert (await alice.request("GET", call)).refusal == (403, "FORBIDDEN")

        for query, count, seconds in (("", 60, 60), ("?window=hour", 60, 60), ("?window=day", 96, 900)):
            history = (await admin.request("GET", f"/api/admin/history{query}")).body
            assert (len(history["buckets"]), history["bucketSeconds"]) == (count, seconds)
            sums = [
                sum(bucket[name] for bucket in history["buckets"])
                for name in ("received", "completed", "failed", "cancelled")
            ]
            assert sums == [1, 1, 0, 1]
            (run,) = [bucket["run"] for bucket in history["buckets"] if bucket["run"]]
            assert run["count"] == 1


async def _lines(log_of: Any, upload_id: str) -> list[Any]:
    lines: list[Any] = (await log_of(upload_id))["lines"]
    return lines
