"""Say where a process stores uploads."""

from __future__ import annotations

from roomcast.runtime.redis_url import redis_address
from roomcast.settings.storage import StorageSettings


def storage_location(storage: StorageSettings) -> str:
    """Return where uploads are stored, without passwords."""
    ledger = f"Redis at {redis_address(storage.redis_url)}" if storage.redis_url else ""
    media = f"the S3 bucket {storage.s3_bucket}" if storage.s3_bucket else str(storage.data)
    return " and ".join(filter(None, (ledger, media)))
