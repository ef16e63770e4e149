"""Signed, expiring URLs of results. Pure, but for the clock.

    /media/<expires>.<signature>/<folder>/<name>

A URL gives access to its whole folder until it expires. The signature comes before the folder in the path, and so it is
part of the relative URLs by which a playlist refers to its segments and a storyboard to its images.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from urllib.parse import quote

from roomcast.errors import Forbidden
from roomcast.runtime.clocks import unix_time


class UrlSigner:
    """Signs URLs of results with HMAC-SHA256, and verifies them.

    `seconds` is how long a URL is valid at least. Expiry times are rounded up to a multiple of a quarter of that, so
    that a URL stays the same for a while and browsers can cache what it leads to. URLs begin with `base`, the server's
    public address, or are paths if that is empty.
    """

    def __init__(self, secret: bytes, *, seconds: int, base: str = "", clock: Callable[[], float] = unix_time) -> None:
        self._secret = secret
        self._base = base.rstrip("/")
        self._seconds = seconds
        self._clock = clock

    def url(self, key: str, *, longer: float = 0.0) -> str:
        """Return a URL of the result `<folder>/<name>`, which is valid so many seconds `longer` than others."""
        expires = self.expires_at(longer=longer)
        folder = key.rpartition("/")[0]
        return f"{self._base}/media/{expires}.{self._signature(folder, expires)}/{quote(key)}"

    def expires_at(self, *, longer: float = 0.0) -> int:
        """Return the Unix time until which a URL that is made now is valid."""
        step = max(1, self._seconds // 4)
        return (int(self._clock()) + self._seconds + int(longer)) // step * step + step

    def download_url(self, key: str) -> str:
        """Return a URL of the result from which browsers save it."""
        return f"{self.url(key)}?download=1"

    def verify(self, grant: str, folder: str) -> None:
        """Raise `Forbidden` unless `grant`, which is `<expires>.<signature>`, gives access to this folder now."""
        expires, _, signature = grant.partition(".")
        if not (expires.isascii() and expires.isdigit() and len(expires) < 16):
            raise Forbidden("The link is not valid.")
        if not hmac.compare_digest(self._signature(folder, int(expires)).encode(), signature.encode()):
            raise Forbidden("The link is not valid.")
        if int(expires) < self._clock():
            raise Forbidden("The link has expired. Get the upload's state again for a new one.")

    def _signature(self, folder: str, expires: int) -> str:
        return hmac.new(self._secret, f"{expires}\n{folder}".encode(), hashlib.sha256).hexdigest()
