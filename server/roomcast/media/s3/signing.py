"""Presigned URLs of a bucket's objects, by AWS Signature Version 4. Pure but for the clock.

botocore's own presigning of an asynchronous client is asynchronous and stamps each URL with the second it was made;
a media store's URLs are made in passing, and one that stays the same for a while is of use to a browser's cache.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

LONGEST_SECONDS = 7 * 86400
"""The longest life that the signature's version allows a URL."""

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True)
class Keys:
    """The credentials of one moment."""

    access_key: str
    secret_key: str
    token: str | None


@dataclass(frozen=True)
class S3UrlSigner:
    """Signs URLs below `base`, the bucket's own URL, with the keys of the moment, for `seconds` at least and at most
    a quarter longer."""

    base: str
    region: str
    keys: Callable[[], Keys]
    seconds: int
    clock: Callable[[], float] = time.time

    def get(self, key: str) -> str:
        """A URL that reads an object."""
        return self._sign("GET", key, {}, {})

    def put_part(self, key: str, multipart_id: str, number: int, size: int) -> str:
        """A URL that takes one part of exactly `size` bytes."""
        query = {"partNumber": str(number), "uploadId": multipart_id}
        return self._sign("PUT", key, query, {"content-length": str(size)})

    def _sign(self, method: str, key: str, query: Mapping[str, str], headers: Mapping[str, str]) -> str:
        step = max(1, self.seconds // 4)
        made = int(self.clock()) // step * step
        return presign(
            method,
            f"{self.base}/{_quoted(key, '/')}",
            query,
            headers,
            keys=self.keys(),
            region=self.region,
            made=made,
            seconds=min(self.seconds + step, LONGEST_SECONDS),
        )


def presign(
    method: str,
    url: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    *,
    keys: Keys,
    region: str,
    made: int,
    seconds: int,
) -> str:
    """`url` (quoted, without a query) with `query` and a signature that was made at `made`, in Unix seconds, and
    holds for `seconds`. Whoever uses it must send `headers` as they are."""
    stamp = datetime.fromtimestamp(made, UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    where = urlsplit(url)
    signed = {"host": where.netloc, **headers}
    names = ";".join(sorted(signed))
    full = {
        **query,
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{keys.access_key}/{scope}",
        "X-Amz-Date": stamp,
        "X-Amz-Expires": str(seconds),
        "X-Amz-SignedHeaders": names,
        **({"X-Amz-Security-Token": keys.token} if keys.token else {}),
    }
    canonical_query = "&".join(sorted(f"{_quoted(name)}={_quoted(value)}" for name, value in full.items()))
    canonical_headers = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
    canonical = "\n".join([method, where.path, canonical_query, canonical_headers, names, "UNSIGNED-PAYLOAD"])
    to_sign = "\n".join([_ALGORITHM, stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    signing_key = f"AWS4{keys.secret_key}".encode()
    for step in (stamp[:8], region, "s3", "aws4_request"):
        signing_key = hmac.digest(signing_key, step.encode(), "sha256")
    return f"{url}?{canonical_query}&X-Amz-Signature={hmac.digest(signing_key, to_sign.encode(), 'sha256').hex()}"


def _quoted(text: str, also_safe: str = "") -> str:
    return quote(text, safe=f"-_.~{also_safe}")
