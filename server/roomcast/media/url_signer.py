"""Signed, expiring URLs of results: whoever has one may read what is in that folder, for a while. Pure but for
the clock.

    /media/<expires>.<signature>/<folder>/<name>

The grant stands in the path, before the folder that it opens, so that it holds for siblings too: a playlist names its
segments, and a storyboard its sprite, by relative URLs.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from urllib.parse import quote

from roomcast.errors import Forbidden


class UrlSigner:
    """Signs with HMAC-SHA256. Expiry times are rounded up, so that a URL stays the same for a while and a browser's
    cache is of use."""

    def __init__(self, secret: bytes, *, seconds: int, base: str = "", clock: Callable[[], float] = time.time) -> None:
        self._secret = secret
        self._base = base.rstrip("/")
        self._seconds = seconds
        self._clock = clock

    def url(self, key: str) -> str:
        """The URL of the result `<folder>/<name>`; good for at least `seconds`, at most a quarter longer. It begins
        with `base`, the server's public address; where that is not known it is a path."""
        step = max(1, self._seconds // 4)
        expires = (int(self._clock()) + self._seconds) // step * step + step
        folder = key.rpartition("/")[0]
        return f"{self._base}/media/{expires}.{self._signature(folder, expires)}/{quote(key)}"

    def check(self, grant: str, folder: str) -> None:
        """Raises `Forbidden` unless the grant, `<expires>.<signature>`, is ours, for this folder, and in time."""
        expires, _, signature = grant.partition(".")
        if not (expires.isascii() and expires.isdigit() and len(expires) < 16):
            raise Forbidden("The link is not valid.")
        if not hmac.compare_digest(self._signature(folder, int(expires)).encode(), signature.encode()):
            raise Forbidden("The link is not valid.")
        if int(expires) < self._clock():
            raise Forbidden("The link has expired; ask for the upload's state to get a new one.")

    def _signature(self, folder: str, expires: int) -> str:
        return hmac.new(self._secret, f"{expires}\n{folder}".encode(), hashlib.sha256).hexdigest()
