"""A bucket: its client, its retries, and its failures as Roomcast's errors."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import aioboto3
import aiohttp
import structlog
from aiobotocore.config import AioConfig
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, ParamValidationError

from roomcast.errors import DiskFull, NotFound, RoomcastError, StorageError, StorageRefused, Unavailable
from roomcast.media.s3.signing import S3UrlSigner
from roomcast.runtime.backoff import Backoff
from roomcast.runtime.logs.outages import Availability, availability
from roomcast.runtime.tasks import periodic

log = structlog.get_logger(__name__)

T = TypeVar("T")

MAX_ATTEMPTS = 4
"""How often a part or a range is tried. The client itself makes up to three attempts for each request."""

S3_BACKOFF = Backoff(0.2, jitter=(0.5, 1.0))

_CONNECT_SECONDS = 5.0
_READ_SECONDS = 30.0
_CALL_SECONDS = 120.0
_MIN_BYTES_PER_SECOND = 64 * 1024
_MAX_CONNECTIONS = 64
_MAX_PARTS_IN_FLIGHT = 12
_REFRESH_SECONDS = 60.0

_NOT_FOUND_CODES = frozenset({"404", "NoSuchKey", "NoSuchUpload", "NotFound"})
_FULL_CODES = frozenset(
    {"507", "InsufficientStorage", "QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded"}
)
_REFUSAL_CODES = frozenset({"NoSuchBucket", "PermanentRedirect", "AuthorizationHeaderMalformed"})
_TRANSIENT_CODES = frozenset(
    {"BadDigest", "IncompleteBody", "InternalError", "RequestTimeout", "ServiceUnavailable", "SlowDown", "Throttling"}
)
_GATEWAY_STATUSES = (502, 503, 504)
_CONFIGURATION_ERRORS = (NoCredentialsError, ParamValidationError)


class TransientError(StorageError):
    """A failure that another attempt may not have."""


class MediaUnavailable(TransientError, Unavailable):
    """The server does not answer, or answers that it cannot work."""


class Unsupported(StorageError):
    """The server does not implement this operation."""


@dataclass(frozen=True)
class Bucket:
    """A bucket and its client.

    `md5_etags`: ETags that look like MD5s are MD5s. `full_checksums`: the server stores a CRC-32 of the whole object
    and refuses an object with another one. `part_slots` bounds the parts in flight, of all objects together.
    """

    name: str
    client: Any
    urls: S3UrlSigner
    md5_etags: bool
    full_checksums: bool
    part_slots: asyncio.Semaphore
    address: str = ""
    """Where the bucket is, for the log."""

    @property
    def availability(self) -> Availability:
        """Whether the server answers."""
        return availability("s3", self.address)

    async def call(self, operation: str, *, size: int = 0, **parameters: Any) -> dict[str, Any]:
        """Send one request and return the response. `size` is the length of its body, which gives it more time. Raise
        `NotFound`, `DiskFull`, `TransientError` or another `StorageError`."""
        with self._reporting(), mapped_errors():
            async with asyncio.timeout(_CALL_SECONDS + size / _MIN_BYTES_PER_SECOND):
                response: dict[str, Any] = await getattr(self.client, operation)(Bucket=self.name, **parameters)
                return response

    async def list_all(self, operation: str, field: str, **parameters: Any) -> list[dict[str, Any]]:
        """Return the entries on all pages of a listing. Raise as `call` does."""
        entries: list[dict[str, Any]] = []
        with self._reporting(), mapped_errors():
            async for page in self.client.get_paginator(operation).paginate(Bucket=self.name, **parameters):
                entries += page.get(field) or ()
        return entries

    async def list_objects(self, prefix: str) -> list[dict[str, Any]]:
        """Return `Key`, `Size` and `LastModified` of all objects whose keys begin with `prefix`."""
        return await self.list_all("list_objects_v2", "Contents", Prefix=prefix)

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        """Record whether the server has answered."""
        try:
            yield
        except MediaUnavailable as error:
            self.availability.failed(_outage_reason(error.__cause__))
            raise
        except RoomcastError:
            self.availability.succeeded()
            raise
        self.availability.succeeded()


def _outage_reason(cause: BaseException | None) -> str:
    """Return in a sentence why a request has got no answer."""
    text = str(cause or "").strip() or "There was no answer in time"
    return f"{text.removesuffix('.')}."


@asynccontextmanager
async def open_bucket(
    name: str, *, endpoint_url: str | None, url_seconds: int, md5_etags: bool
) -> AsyncIterator[Bucket]:
    """Open a bucket, whose client lasts until the end of the context.

    Credentials, region and certificates come from the usual `AWS_…` environment. With an `endpoint_url` that is not
    Amazon's, any S3-compatible server works. Raise `StorageError` if the client cannot be configured.
    """
    endpoint = endpoint_url or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    amazon = endpoint is None or f".{urlsplit(endpoint).hostname}".endswith((".amazonaws.com", ".amazonaws.com.cn"))
    config = AioConfig(
        signature_version="s3v4",
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"total_max_attempts": 3, "mode": "standard"},
        max_pool_connections=_MAX_CONNECTIONS,
        # Parts and whole objects carry a signed Content-MD5, and on Amazon's servers a CRC-32, that are computed off
        # the event loop. What botocore would add is computed on it, and other servers may not know it.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        # "virtual" and not "auto", which would presign for a host that redirects to the bucket's region.
        s3={"addressing_style": "virtual" if amazon else "path", "payload_signing_enabled": False},
    )
    with mapped_errors():
        session = aioboto3.Session()
        credentials = await session.get_credentials()
        if credentials is None:
            raise StorageError(
                "S3_BUCKET is set, but there are no credentials for it. Set AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, or give this machine a role."
            )
    async with _open_client(session, config, endpoint) as client, _refreshing(credentials) as frozen_credentials:
        with mapped_errors():
            sample = await client.generate_presigned_url("get_object", Params={"Bucket": name, "Key": "x"})
        base, _, query = sample.partition("?")
        region = parse_qs(query)["X-Amz-Credential"][0].split("/")[-3]
        urls = S3UrlSigner(base.removesuffix("/x"), region, frozen_credentials, url_seconds)
        part_slots = asyncio.Semaphore(_MAX_PARTS_IN_FLIGHT)
        yield Bucket(
            name,
            client,
            urls,
            md5_etags,
            full_checksums=amazon,
            part_slots=part_slots,
            address=f"{endpoint or 'Amazon S3'}, bucket {name}",
        )


async def with_retries(attempt: Callable[[], Awaitable[T]]) -> T:
    """Return the result of `attempt`, which is repeated, with backoff, while it raises `TransientError`."""
    for failures in range(1, MAX_ATTEMPTS):
        try:
            return await attempt()
        except TransientError as error:
            log.debug("s3_retry", failures=failures, cause=type(error.__cause__).__name__)
            await S3_BACKOFF.wait(failures)
    return await attempt()


@contextmanager
def mapped_errors() -> Iterator[None]:
    """Raise failures of the client and its connections as Roomcast's errors, which name no host, bucket or
    credential."""
    try:
        yield
    except ClientError as error:
        raise _error_from_response(error) from error
    except _CONFIGURATION_ERRORS as error:
        raise StorageError("The media store is not configured correctly.") from error
    except (BotoCoreError, aiohttp.ClientError, OSError) as error:  # a TimeoutError is an OSError
        raise MediaUnavailable("The media store does not answer.") from error


def _error_from_response(error: ClientError) -> RoomcastError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in _FULL_CODES or status == 507:
        return DiskFull("The media store is full.")
    if code in _NOT_FOUND_CODES:
        return NotFound("There is no such file.")
    if status == 412:
        return StorageError("The file in the media store was replaced while it was read.")
    if code == "NotImplemented" or status == 501:
        return Unsupported("The media store does not support this.")
    if status in _GATEWAY_STATUSES:
        return MediaUnavailable("The media store does not answer.")
    if code in _TRANSIENT_CODES or status >= 500 or status == 429:
        return TransientError("The media store failed.")
    if code in _REFUSAL_CODES or status == 403:
        return StorageRefused("The media store refused the request.", code)
    return StorageError("The media store refused the request.")


@asynccontextmanager
async def _open_client(session: aioboto3.Session, config: AioConfig, endpoint: str | None) -> AsyncIterator[Any]:
    context = session.client("s3", endpoint_url=endpoint, config=config)
    try:
        with mapped_errors():
            client = await context.__aenter__()
    except ValueError as error:
        raise StorageError("AWS_ENDPOINT_URL must be a URL such as https://s3.example.com.") from error
    try:
        yield client
    finally:
        await context.__aexit__(None, None, None)


@asynccontextmanager
async def _refreshing(credentials: Any) -> AsyncIterator[Callable[[], ReadOnlyCredentials]]:
    """Give a function that returns the present credentials at once: those of a role, which expire, are refreshed in
    the background."""
    frozen: ReadOnlyCredentials | None = None

    async def refresh() -> None:
        nonlocal frozen
        with mapped_errors():
            frozen = await credentials.get_frozen_credentials()

    await refresh()
    async with AsyncExitStack() as stack:
        if hasattr(credentials, "refresh_needed"):
            refreshing = periodic(
                refresh, _REFRESH_SECONDS, name="S3 credentials", failure_event="s3_credentials_not_refreshed"
            )
            await stack.enter_async_context(refreshing)
        yield lambda: frozen
