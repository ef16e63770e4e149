"""The schema version of the data in Redis, and the migration of older data.

The key `schema` holds the version. Version 0 has no such key; its record stores were outside the ledger's hash slot.
Several processes may migrate at once, and a process that dies in the middle leaves data that the next one completes:
each key is renamed in one step, and the version is written when no key with an old name is left. Processes of the
earlier version must not run meanwhile, because they would not find the renamed keys.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import structlog

from roomcast.ledger.contract import IncompatibleSchema
from roomcast.runtime.redis_lua import Scripts

log = structlog.get_logger(__name__)

REDIS_SCHEMA_VERSION = 1

_RECORD_TABLES = {
    "submissions": "submissions",
    "deliveries": "deliveries",
    "dismissed": "dismissed_tasks",
    "sendings": "publish_cursors",
}
"""The names of the record stores in version 0, and their names now."""

_SCAN_COUNT = 500


async def migrate_redis(
    scripts: Scripts,
    namespace: str,
    key: Callable[..., str],
    rename_keys: Callable[[Sequence[str]], Awaitable[None]],
) -> None:
    """Migrate older data to `REDIS_SCHEMA_VERSION`; raise `IncompatibleSchema` for data that cannot be read.

    `key` names a key of the ledger; `rename_keys` renames keys, given as pairs of the old and the new name.
    """
    if await _supported_version(scripts, key("schema")) == REDIS_SCHEMA_VERSION:
        return
    await _refuse_two_slots(scripts, namespace)
    renamed = 0
    cursor = 0
    while True:
        cursor, found = await scripts.command("SCAN", int(cursor), "MATCH", f"{namespace}:{{*", "COUNT", _SCAN_COUNT)
        pairs = [name for old in found for name in _renaming(old.decode(), namespace, key)]
        if pairs:
            await rename_keys(pairs)
            renamed += len(pairs) // 2
        if not int(cursor):
            break
    await scripts.command("DEL", f"{namespace}:attendance")
    await scripts.command("SET", key("schema"), REDIS_SCHEMA_VERSION, "NX")
    await _supported_version(scripts, key("schema"))  # a process of a newer version may have been faster
    if renamed:
        log.info("redis_data_migrated", keys=renamed, schema=REDIS_SCHEMA_VERSION)


async def _supported_version(scripts: Scripts, schema_key: str) -> int:
    version = int(await scripts.command("GET", schema_key) or 0)
    if version > REDIS_SCHEMA_VERSION:
        raise IncompatibleSchema.newer("data in Redis", version, REDIS_SCHEMA_VERSION)
    return version


def _renaming(old: str, namespace: str, key: Callable[..., str]) -> tuple[str, ...]:
    """Return the old and the new name of a key of a record store; nothing for any other key."""
    name, _, rest = old.removeprefix(f"{namespace}:{{").partition("}:")
    table = _RECORD_TABLES.get(name)
    return (old, key(table, rest)) if table else ()


async def _refuse_two_slots(scripts: Scripts, namespace: str) -> None:
    """Refuse active uploads of a version that stored the queue in a slot of its own; warn of other uploads of it.

    This version cannot read their keys, so clients would be answered that their uploads do not exist.
    """
    index = f"{namespace}:{{index}}:"
    if await scripts.command("ZCARD", f"{index}unfinished"):
        raise IncompatibleSchema(
            "Redis holds unfinished uploads of an earlier version of Roomcast, which this version cannot read. Let the"
            f" earlier version finish them, or delete the keys that begin with {namespace}:{{index}} or"
            f" {namespace}:{{upload_ to give them up."
        )
    if await scripts.command("EXISTS", f"{index}known"):
        log.warning("earlier_uploads_ignored", keys=[f"{index}*", f"{namespace}:{{upload_*"])
