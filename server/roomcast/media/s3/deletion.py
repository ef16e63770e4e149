"""Deleting many objects, with few requests where the server has one for that."""

from __future__ import annotations

from collections.abc import Sequence

from roomcast.errors import StorageError
from roomcast.media.s3.client import Bucket, TransientError
from roomcast.runtime.tasks import run_for_each

_MAX_KEYS = 1000
"""Of one request; the limit of S3."""

_REQUESTS_IN_FLIGHT = 8


async def delete_objects(bucket: Bucket, keys: Sequence[str]) -> None:
    """Delete the objects with these keys. Do nothing about those that do not exist."""

    async def delete(key: str) -> None:
        await bucket.call("delete_object", Key=key)

    async def delete_some(some: Sequence[str]) -> None:
        # Some servers do not know the request, or want another checksum than the client sends with it.
        if len(some) == 1 or not await _delete_at_once(bucket, some):
            await run_for_each(some, delete, at_once=_REQUESTS_IN_FLIGHT)

    for start in range(0, len(keys), _MAX_KEYS):
        await delete_some(keys[start : start + _MAX_KEYS])


async def _delete_at_once(bucket: Bucket, keys: Sequence[str]) -> bool:
    """Delete the objects by one request, and return whether the server has deleted all of them."""
    try:
        response = await bucket.call(
            "delete_objects", Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True}
        )
    except TransientError:
        raise
    except StorageError:
        return False
    return not response.get("Errors")
