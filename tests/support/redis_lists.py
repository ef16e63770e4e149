"""The expected lists of a Redis ledger, computed from its uploads, and compared after every script."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.crc import key_slot
from roomcast.runtime.redis_lua import Call, Scripts
from roomcast.uploads.lifecycle import Stage
from roomcast.uploads.model import Upload, cleanup_due_at, decode

_FILMS = ("plan:", "tasks:", "waiting-tasks:", "delayed-tasks:", "leased-tasks:")
_UNLISTED_KEYS = ("upload:", "events:", "lines:", *_FILMS)
_UNLISTED = {"queue-moved-lately", "schema"}

_READ = {b"hash": "HGETALL", b"set": "SMEMBERS", b"zset": "ZRANGE"}


class RedisLists:
    """A ledger's keys, read past the ledger. No retry waits in it (`delayed` is empty). `cleaned` are the failed and
    cancelled uploads whose cleanup is finished."""

    def __init__(self, client: Redis, namespace: str) -> None:
        self._client = client
        self._base = f"{{{namespace}}}:"
        self.cleaned: set[str] = set()

    async def names(self) -> set[str]:
        """The names of the ledger's keys, all in one hash slot, without those of the history, which expire."""
        keys: Any = await self._client.keys(f"{self._base}*")
        assert len({key_slot(key) for key in keys}) <= 1
        names = {key.decode().removeprefix(self._base) for key in keys} - _UNLISTED
        return {name for name in names if not name.startswith("history:")}

    async def check(self) -> None:
        """There are exactly the keys that there should be, with exactly the members that they should have."""
        names = await self.names()
        uploads = {name.partition(":")[2]: await self._read(name) for name in names if name.startswith("upload:")}
        served = dict(await self._read("served")) if "served" in names else {}
        found = {name: await self._read(name) for name in names if not name.startswith(_UNLISTED_KEYS)}
        found.pop("served", None)
        pauses = found.pop("pauses", {})
        films = found.pop("films", {})
        for film in films:
            await self._check_film(film)
        assert {name.partition(":")[2] for name in names if name.startswith(_FILMS)} == set(films)
        ended = {one for one, state in uploads.items() if decode(state["record"].encode()).state.terminal}
        assert films.keys() <= uploads.keys() - ended
        assert {name: set(members) for name, members in found.items()} == _expected(
            uploads, served, self.cleaned, pauses
        )
        assert {name for name in names if name.startswith("events:")} == {f"events:{one}" for one in uploads}

    async def _check_film(self, film: str) -> None:
        """Each task is done, waits, is delayed or is leased, and the counts are those of what is done."""
        plan, tasks = await self._read(f"plan:{film}"), await self._read(f"tasks:{film}")
        weights = {name.partition(":")[0]: int(value) for name, value in tasks.items() if name.endswith(":weight")}
        done = {name.partition(":")[0] for name in tasks if name.endswith(":result")}
        leased = set(await self._read(f"leased-tasks:{film}"))
        waiting = [*await self._read(f"waiting-tasks:{film}"), *await self._read(f"delayed-tasks:{film}")]
        assert sorted([*waiting, *leased, *done]) == sorted(weights)
        assert {name.partition(":")[0] for name in tasks if name.endswith(":token")} == leased | done
        sums = len(weights), sum(weights.values()), len(done), sum(weights[number] for number in done)
        assert tuple(int(plan[name]) for name in ("tasks", "weight", "done", "done-weight")) == sums

    def check_after_every_script(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """Check after every trip to Redis from now on; the scripts that ran are added to what this returns."""
        ran: list[str] = []
        run, run_all = Scripts.run, Scripts.run_all

        async def checked_run(scripts: Scripts, call: Call) -> Any:
            reply = await run(scripts, call)
            ran.append(call.script.sha)
            await self.check()
            return reply

        async def checked_run_all(scripts: Scripts, calls: Sequence[Call]) -> list[Any]:
            replies = await run_all(scripts, calls)
            ran.extend(call.script.sha for call in calls)
            await self.check()
            return replies

        monkeypatch.setattr(Scripts, "run", checked_run)
        monkeypatch.setattr(Scripts, "run_all", checked_run_all)
        return ran

    async def evict(self, upload_ids: Sequence[str]) -> None:
        """Delete what Redis, out of memory, would delete first: the keys of single uploads."""
        await self._client.delete(*(f"{self._base}{kind}:{one}" for one in upload_ids for kind in ("upload", "events")))

    async def _read(self, name: str) -> dict[str, str]:
        """The fields of a hash, or the members of a set, with empty values; `entries` by its ids alone."""
        key = self._base + name
        kind: Any = await self._client.type(key)
        if kind == b"none":
            return {}
        verb = _READ[kind]
        reply: Any = await self._client.execute_command(verb, key, *((0, -1) if verb == "ZRANGE" else ()))  # type: ignore[no-untyped-call]
        if isinstance(reply, dict):
            return {field.decode(): value.decode() for field, value in reply.items()}
        return {member.decode(): "" for member in reply}


def _expected(
    uploads: dict[str, dict[str, str]], served: dict[str, str], cleaned: set[str], pauses: dict[str, str]
) -> dict[str, set[str]]:
    lists: defaultdict[str, set[str]] = defaultdict(set)
    for upload_id, state in uploads.items():
        upload = decode(state["record"].encode())
        assert (upload.id, str(upload.seq), upload.stage) == (upload_id, state["seq"], state["stage"])
        leased = "token" in state
        listed = f"{upload.created_at:017.6f}|{upload_id}"
        lists["entries"].add(upload_id)
        lists[f"uploads:{upload.owner}"].add(listed)
        lists[f"all:{upload.stage if upload.state.terminal else 'unfinished'}"].add(listed)
        if leased:
            lists["leases"].add(upload_id)
        if not upload.state.terminal:
            lists[f"unfinished:{upload.owner}"].add(upload_id)
        if upload.state.terminal:
            lists[f"ended:{upload.stage}"].add(upload_id)
            if cleanup_due_at(upload) is not None and upload_id not in cleaned:
                lists["cleanups"].add(upload_id)
        elif upload.stage is Stage.QUEUED:
            _add_queued(lists, upload, paused=f"template:{upload.template}" in pauses)
        elif upload.stage is not Stage.RECEIVING:
            lists[f"working:{upload.owner}"].add(upload_id)
        elif not leased:
            lists["receiving"].add(upload_id)
    for owner in lists["head-of"]:
        priority, rest = min(lists[f"queue:{owner}"]).split("|", 1)
        ahead = len(lists[f"working:{owner}"])
        lists["heads"].add(f"{ahead:08d}|{priority}|{served.get(owner, f'{0.0:017.6f}')}|{rest}")
    return {name: members for name, members in lists.items() if members}


def _add_queued(lists: defaultdict[str, set[str]], upload: Upload, *, paused: bool) -> None:
    if paused:
        lists[f"paused:{upload.template}"].add(upload.id)
        return
    lists["waiting"].add(upload.id)
    lists["templates"].add(upload.template)
    lists["head-of"].add(upload.owner)
    lists[f"queue:{upload.owner}"].add(_queue_member(upload))


def _queue_member(upload: Upload) -> str:
    return f"{10**9 - upload.priority:010d}|{upload.updated_at:017.6f}|{upload.id}"
