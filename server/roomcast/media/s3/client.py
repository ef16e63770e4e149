"""A bucket: its one long-lived client, and what its failures mean in our words."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import aioboto3
import aiohttp
import structlog
from aiobotocore.config import AioConfig
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, ParamValidationError

from roomcast.errors import DiskFull, NotFound, RoomcastError, StorageError
from roomcast.media.s3.signing import Keys, S3UrlSigner
from roomcast.runtime.backoff import Backoff

log = structlog.get_logger(__name__)

T = TypeVar("T")

TRIES = 4
"""How often a part or a range is tried, on top of what the client does by itself for each request."""

BACKOFF = Backoff(0.2, jitter=(0.5, 1.0))

_CONNECT_SECONDS = 5.0
_READ_SECONDS = 30.0
_CALL_SECONDS = 120.0
_SLOWEST_BYTES_PER_SECOND = 64 * 1024
_CONNECTIONS = 64
_PARTS_AT_ONCE = 12
_REFRESH_SECONDS = 60.0

_GONE = frozenset({"404", "NoSuchKey", "NoSuchUpload", "NotFound"})
_FULL = frozenset(
    {"507", "InsufficientStorage", "QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded"}
)
_PASSING = frozenset(
    {"BadDigest", "IncompleteBody", "InternalError", "RequestTimeout", "ServiceUnavailable", "SlowDown", "Throttling"}
)
_PERMANENT = (NoCredentialsError, ParamValidationError)


class TransientError(StorageError):
    """A failure that another try may cure."""


class Unsupported(StorageError):
    """The server does not know this call."""


@dataclass(frozen=True)
class Bucket:
    """`md5_etags`: the server's ETags are MD5s wherever they look like it. `full_checksums`: it keeps a CRC-32 of the
    whole object, and refuses an object that has another one. `slots`: one for each part that may be on its way."""

    name: str
    client: Any
    urls: S3UrlSigner
    md5_etags: bool
    full_checksums: bool
    slots: asyncio.Semaphore

    async def call(self, operation: str, *, size: int = 0, **parameters: Any) -> dict[str, Any]:
        """One request's answer. `size` is how many bytes it carries, which gives it more time. Raises `NotFound`,
        `DiskFull`, `TransientError` or another `StorageError`."""
        with mapped_errors():
            async with asyncio.timeout(_CALL_SECONDS + size / _SLOWEST_BYTES_PER_SECOND):
                answer: dict[str, Any] = await getattr(self.client, operation)(Bucket=self.name, **parameters)
                return answer

    async def listed(self, operation: str, field: str, **parameters: Any) -> list[dict[str, Any]]:
        """The entries of a listing, all its pages."""
        entries: list[dict[str, Any]] = []
        with mapped_errors():
            async for page in self.client.get_paginator(operation).paginate(Bucket=self.name, **parameters):
                entries += page.get(field) or ()
        return entries


@asynccontextmanager
async def open_bucket(
    name: str, *, endpoint_url: str | None, url_seconds: int, md5_etags: bool
) -> AsyncIterator[Bucket]:
    """A bucket with a client that lasts until the end of the context. Credentials, region and certificates come from
    the ordinary `AWS_…` environment; an `endpoint_url` that is not Amazon's makes any S3-compatible server work."""
    endpoint = endpoint_url or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    amazon = endpoint is None or f".{urlsplit(endpoint).hostname}".endswith((".amazonaws.com", ".amazonaws.com.cn"))
    config = AioConfig(
        signature_version="s3v4",
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"total_max_attempts": 3, "mode": "standard"},
        max_pool_connections=_CONNECTIONS,
        # "virtual" and not "auto", which would presign for a host that redirects to the bucket's region.
        # Parts and whole objects carry a signed Content-MD5, and on Amazon's servers a CRC-32, that we make off the
        # event loop. What botocore would add is made on it, and other servers may not know it.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": "virtual" if amazon else "path", "payload_signing_enabled": False},
    )
    with mapped_errors():
        session = aioboto3.Session()
        credentials = await session.get_credentials()
        if credentials is None:
            raise StorageError("The media store has no credentials.")
    async with _client(session, config, endpoint) as client, _fresh(credentials) as keys:
        with mapped_errors():
            sample = await client.generate_presigned_url("get_object", Params={"Bucket": name, "Key": "x"})
        base, _, query = sample.partition("?")
        region = parse_qs(query)["X-Amz-Credential"][0].split("/")[-3]
        urls = S3UrlSigner(base.removesuffix("/x"), region, keys, url_seconds)
        yield Bucket(name, client, urls, md5_etags, full_checksums=amazon, slots=asyncio.Semaphore(_PARTS_AT_ONCE))


async def with_retries(attempt: Callable[[], Awaitable[T]]) -> T:
    """The outcome of `attempt`, which is tried again when its failure may pass."""
    for failures in range(1, TRIES):
        try:
            return await attempt()
        except TransientError as error:
            log.info("media store: trying again", failures=failures, cause=type(error.__cause__).__name__)
            await BACKOFF.wait(failures)
    return await attempt()


@contextmanager
def mapped_errors() -> Iterator[None]:
    """Failures of the client and its connections as errors of ours, which name no host, bucket or credential."""
    try:
        yield
    except ClientError as error:
        raise _of_an_answer(error) from error
    except _PERMANENT as error:
        raise StorageError("The media store is not set up rightly.") from error
    except (BotoCoreError, aiohttp.ClientError, OSError) as error:  # a TimeoutError is an OSError
        raise TransientError("The media store does not answer.") from error


def _of_an_answer(error: ClientError) -> RoomcastError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in _FULL or status == 507:
        return DiskFull("The media store is full.")
    if code in _GONE:
        return NotFound("There is no such file.")
    if code == "NotImplemented" or status == 501:
        return Unsupported("The media store does not offer this.")
    if code in _PASSING or status >= 500 or status == 429:
        return TransientError("The media store failed.")
    return StorageError("The media store refused.")


@asynccontextmanager
async def _client(session: aioboto3.Session, config: AioConfig, endpoint: str | None) -> AsyncIterator[Any]:
    opening = session.client("s3", endpoint_url=endpoint, config=config)
    try:
        with mapped_errors():
            client = await opening.__aenter__()
    except ValueError as error:  # an endpoint that is no URL
        raise StorageError("The media store is not set up rightly.") from error
    try:
        yield client
    finally:
        await opening.__aexit__(None, None, None)


@asynccontextmanager
async def _fresh(credentials: Any) -> AsyncIterator[Callable[[], Keys]]:
    """The credentials without waiting: those of a role are renewed in the background, ahead of their end."""
    with mapped_errors():
        frozen = await credentials.get_frozen_credentials()

    async def renew() -> None:
        nonlocal frozen
        while True:
            await asyncio.sleep(_REFRESH_SECONDS)
            try:
                with mapped_errors():
                    frozen = await credentials.get_frozen_credentials()
            except RoomcastError:
                log.warning("media store: credentials not renewed", exc_info=True)

    renewing = asyncio.create_task(renew()) if hasattr(credentials, "refresh_needed") else None
    try:
        yield lambda: Keys(frozen.access_key, frozen.secret_key, frozen.token)
    finally:
        if renewing:
            renewing.cancel()
            await asyncio.wait({renewing})
