"""Presigned URLs of a bucket's objects, signed by botocore with AWS Signature Version 4. Pure, but for the clock.

The date in a URL is not the present second but the start of the present quarter of its lifetime. So the URL stays the
same for a while, in all processes, and browsers can cache what it leads to. The client's `generate_presigned_url`
cannot do that, is a coroutine, and takes 500 µs per URL. Here a new URL takes 120 µs and one that was made before 3 µs.
The latter is the usual case: every message about an upload has its URLs again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from botocore.auth import SIGV4_TIMESTAMP, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

MAX_URL_SECONDS = 7 * 86400
"""The longest lifetime of a URL that Signature Version 4 allows."""

_CACHED_URLS = 4096


@dataclass(frozen=True)
class Signature:
    """What a URL is signed with: the credentials, the region, the date in Unix seconds and the lifetime in seconds."""

    credentials: ReadOnlyCredentials
    region: str
    date: int
    seconds: int


@dataclass(frozen=True)
class S3UrlSigner:
    """Presigns URLs below `base`, which is the bucket's own URL.

    A URL is valid for at least `seconds` and at most a quarter longer. `credentials` returns those of the moment.
    """

    base: str
    region: str
    credentials: Callable[[], ReadOnlyCredentials]
    seconds: int
    clock: Callable[[], float] = time.time

    def get(self, key: str, disposition: str | None = None, *, longer: float = 0.0) -> str:
        """Return a URL that reads an object, valid so many seconds `longer` than others; its response has this
        `Content-Disposition` instead of the object's."""
        return _cached_get(self.base, key, self._signature(longer), disposition)

    def put_part(self, key: str, multipart_id: str, number: int, size: int) -> str:
        """Return a URL that accepts one part of a multipart upload, of exactly `size` bytes."""
        query = {"partNumber": str(number), "uploadId": multipart_id}
        return presign("PUT", self.base, key, self._signature(), query=query, headers={"content-length": str(size)})

    def expires_at(self) -> int:
        """Return the Unix time until which a URL that is made now is valid."""
        signature = self._signature()
        return signature.date + signature.seconds

    def _signature(self, longer: float = 0.0) -> Signature:
        step = max(1, self.seconds // 4)
        date = int(self.clock()) // step * step
        return Signature(self.credentials(), self.region, date, min(self.seconds + step + int(longer), MAX_URL_SECONDS))


def presign(
    method: str,
    base: str,
    key: str,
    signature: Signature,
    *,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> str:
    """Return the URL of a signed request for the object `key` below `base`. The request must have these `headers`."""
    url = f"{base}/{quote(key, safe='/-_.~')}"
    request = AWSRequest(method, url, params=dict(query or {}), headers=dict(headers or {}))
    _DatedQueryAuth(signature).add_auth(request)
    return str(request.url)


@lru_cache(maxsize=_CACHED_URLS)
def _cached_get(base: str, key: str, signature: Signature, disposition: str | None) -> str:
    query = {"response-content-disposition": disposition} if disposition else None
    return presign("GET", base, key, signature, query=query)


class _DatedQueryAuth(S3SigV4QueryAuth):  # type: ignore[misc]
    """botocore's signer, with a given date instead of the present one."""

    def __init__(self, signature: Signature) -> None:
        super().__init__(signature.credentials, "s3", signature.region, signature.seconds)
        self._date = datetime.fromtimestamp(signature.date, UTC).strftime(SIGV4_TIMESTAMP)

    def _modify_request_before_signing(self, request: Any) -> None:
        request.context["timestamp"] = self._date
        super()._modify_request_before_signing(request)
