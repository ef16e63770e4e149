"""Signed, expiring URL paths: whoever has one may read that one thing for a while. Pure but for the clock."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from urllib.parse import quote

from server.upload.errors import Forbidden


class UrlSigner:
    """Signs paths with HMAC-SHA256. Expiry times are rounded up, so that a URL stays the same for a while and a
    browser's cache is of use."""

    def __init__(self, secret: bytes, *, seconds: int, clock: Callable[[], float] = time.time) -> None:
        self._secret = secret
        self._seconds = seconds
        self._clock = clock

    def sign(self, path: str) -> str:
        """`path` with `expires` and `signature`; good for at least `seconds`, at most a quarter longer."""
        step = max(1, self._seconds // 4)
        expires = (int(self._clock()) + self._seconds) // step * step + step
        return f"{quote(path)}?expires={expires}&signature={self._signature(path, expires)}"

    def check(self, path: str, expires: str, signature: str) -> None:
        """Raises `Forbidden` unless the signature is ours and in time."""
        if not (expires.isascii() and expires.isdigit() and len(expires) < 16):
            raise Forbidden("The link is not valid.")
        if not hmac.compare_digest(self._signature(path, int(expires)).encode(), signature.encode()):
            raise Forbidden("The link is not valid.")
        if int(expires) < self._clock():
            raise Forbidden("The link has expired; ask for the upload's state to get a new one.")

    def _signature(self, path: str, expires: int) -> str:
        return hmac.new(self._secret, f"{expires}\n{path}".encode(), hashlib.sha256).hexdigest()
