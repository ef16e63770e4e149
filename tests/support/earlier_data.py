"""Data of schema version 0, made by the version of Roomcast before there were schema versions.

`tests/data/schema_0` holds SQL dumps of its two SQLite files, its keys in Redis, and what that version read from each.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from roomcast.assemblies.delivery import Delivery
from roomcast.assemblies.model import Submission
from roomcast.assemblies.records import DismissedTask, PublishCursor
from roomcast.assemblies.store import Record, RecordStore
from roomcast.ledger.contract import Ledger
from roomcast.uploads.codec import encode_record
from roomcast.uploads.model import encode

_DATA = Path(__file__).parent.parent / "data" / "schema_0"

TABLES: dict[str, tuple[str, type[Record]]] = {
    "submissions": ("submissions", Submission),
    "deliveries": ("deliveries", Delivery),
    "dismissed": ("dismissed_tasks", DismissedTask),
    "sendings": ("publish_cursors", PublishCursor),
}
"""The record stores by their earlier names: their names now, and their types."""


def write_sqlite_files(folder: Path) -> dict[str, Any]:
    """Write the two SQLite files into `folder`; return what the earlier version read from them."""
    for name in ("ledger", "assemblies"):
        with closing(sqlite3.connect(folder / f"{name}.sqlite3")) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript((_DATA / f"{name}.sql").read_text(encoding="utf-8"))
    found: dict[str, Any] = json.loads((_DATA / "sqlite.json").read_text(encoding="utf-8"))
    return found


async def write_redis_keys(client: Redis) -> dict[str, Any]:
    """Write the keys into an empty Redis; return what the earlier version read from them."""
    data = json.loads((_DATA / "redis.json").read_text(encoding="utf-8"))
    for name, key in data["keys"].items():
        match key["type"]:
            case "string":
                await client.set(name, key["value"])
            case "hash":
                await client.hset(name, mapping=key["value"])
            case "set":
                await client.sadd(name, *key["value"])
            case "zset":
                await client.zadd(name, dict(key["value"]))
            case "stream":
                for position, fields in key["value"]:
                    await client.xadd(name, fields, id=position)
        if key.get("expires"):
            await client.expire(name, 3600)
    found: dict[str, Any] = data["expected"]
    return found


async def read_all(ledger: Ledger, stores: dict[str, RecordStore[Any]], expected: dict[str, Any]) -> dict[str, Any]:
    """Read from this version's stores everything that `expected` holds, in the same form."""
    stats = await ledger.stats(since=0, failures=9)
    uploads = {}
    for upload_id in expected["uploads"]:
        record = json.loads(encode(await ledger.get(upload_id)))
        if record["resumable"]:  # two of its fields have got other names
            state = record["resumable"]
            record["resumable"] = {"metadata": state["metadata"], "part": state["partial"], "joins": state["concat"]}
        record = _known(record, expected["uploads"][upload_id]["record"])
        uploads[upload_id] = {"record": record, "events": (await ledger.events(upload_id)).events}
    records: dict[str, list[Any]] = {}
    for name, found in expected["records"].items():
        stored = [json.loads(encode_record(await stores[name].get(one["id"]))) for one in found]
        records[name] = [_known(record, one) for record, one in zip(stored, found, strict=True)]
        for one in found:
            group = [member.id for member in await stores[name].in_group(one["group"])] if one["group"] else [one["id"]]
            assert one["id"] in group
    return {
        "uploads": uploads,
        "records": records,
        "queue": await ledger.queue(),
        "unfinished": await ledger.active_ids(),
        "page": [upload.id for upload in (await ledger.page(None)).uploads],
        "owners": {owner: [one.id for one in (await ledger.page(owner)).uploads] for owner in expected["owners"]},
        "deployment": await ledger.deployment(),
        "stats": {
            "waiting": stats.waiting,
            "delayed": stats.delayed,
            "unfinished": stats.active,
            "held": [one.upload.id for one in stats.leased],
            "ended": {str(stage): count for stage, count in stats.outcomes.items()},
            "failures": [upload.id for upload in stats.failures],
        },
    }


def _known(record: dict[str, Any], earlier: dict[str, Any]) -> dict[str, Any]:
    """The fields of a record that the earlier version had, too."""
    return {name: value for name, value in record.items() if name in earlier}
