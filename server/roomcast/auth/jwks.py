"""`JWT_JWKS_URL`: tokens that are signed with the keys of an identity provider, which change from time to time."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import structlog

from roomcast.auth.tokens import TokenVerifier
from roomcast.errors import HookFailed, Unauthenticated
from roomcast.json_requests import JsonRequests, NoAnswer
from roomcast.public_key import TokenKey, token_key
from roomcast.uploads.viewer import Viewer

log = structlog.get_logger(__name__)

REFRESH_SECONDS = 600.0
"""How old the keys may be before they are fetched again."""

UNKNOWN_SECONDS = 30.0
"""How long after a request for the keys an unknown one is not looked for again: every client can name unknown keys."""

STALE_SECONDS = 86400.0
"""How long keys are used while they cannot be fetched again."""

_MAX_KEYS = 100


class JwksTokens:
    """Verifies tokens with the key that each names, of the keys that a URL lists."""

    def __init__(self, keys: KeySet, verifier: TokenVerifier) -> None:
        self._keys = keys
        self._verifier = verifier

    async def viewer(self, token: str) -> Viewer:
        """Return the viewer that `token` names. Raise `Unauthenticated`, and `HookFailed` without keys."""
        try:
            name = jwt.get_unverified_header(token).get("kid")
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise Unauthenticated("The token is not valid.") from error
        key = await self._keys.get(name if isinstance(name, str) else None)
        if key is None:
            raise Unauthenticated("The token is signed with a key that is not known.")
        return self._verifier.viewer(token, key)


class KeySet:
    """The public keys that a URL lists, by their names (`kid`)."""

    def __init__(self, requests: JsonRequests) -> None:
        self._requests = requests
        self._keys: dict[str | None, TokenKey] = {}
        self._fetched_at: float | None = None
        self._asked_at: float | None = None
        self._fetching = asyncio.Lock()

    async def get(self, name: str | None) -> TokenKey | None:
        """Return a key, or None if there is none of this name; without a name, the only key. Raise `HookFailed`."""
        if self._is_older(self._fetched_at, REFRESH_SECONDS):
            await self._fetch(REFRESH_SECONDS)
        if self._find(name) is None:
            await self._fetch(UNKNOWN_SECONDS)
        if self._is_older(self._fetched_at, STALE_SECONDS):
            raise HookFailed("The server could not check the token. Try again.")
        return self._find(name)

    def _find(self, name: str | None) -> TokenKey | None:
        if name is None:
            return next(iter(self._keys.values())) if len(self._keys) == 1 else None
        return self._keys.get(name)

    async def _fetch(self, seconds: float) -> None:
        """Fetch the keys unless they are younger than this, or the URL was asked shortly before."""
        async with self._fetching:
            pause = min(seconds, UNKNOWN_SECONDS)
            if not (self._is_older(self._fetched_at, seconds) and self._is_older(self._asked_at, pause)):
                return
            self._asked_at = time.monotonic()
            try:
                status, body = await self._requests.send("GET", {})
                if status != 200:
                    raise NoAnswer(f"The URL {self._requests.url} answered with the status {status}.")
                self._keys = read_keys(body)
                self._fetched_at = time.monotonic()
            except NoAnswer as error:
                log.warning("token_keys_not_fetched", reason=str(error))

    @staticmethod
    def _is_older(at: float | None, seconds: float) -> bool:
        return at is None or time.monotonic() - at >= seconds


def read_keys(body: Any) -> dict[str | None, TokenKey]:
    """Return the keys of a JSON Web Key Set that tokens may be signed with. Raise `NoAnswer` for no such set.

    The algorithm follows from the type of a key alone. Secrets, private keys, and keys that no safe algorithm uses are
    left out.
    """
    listed = body.get("keys") if isinstance(body, dict) else None
    if not isinstance(listed, list):
        raise NoAnswer("The JSON Web Key Set is not a JSON object with the list `keys`.")
    keys: dict[str | None, TokenKey] = {}
    for number, entry in enumerate(listed[:_MAX_KEYS]):
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig" or "d" in entry:
            continue
        if (key := _read_key(entry)) is None:
            continue
        name = entry.get("kid")
        keys[name if isinstance(name, str) else f"\0{number}"] = key
    return keys


def _read_key(entry: dict[str, Any]) -> TokenKey | None:
    readers: dict[str, Callable[[str], Any]] = {
        "RSA": jwt.algorithms.RSAAlgorithm.from_jwk,
        "EC": jwt.algorithms.ECAlgorithm.from_jwk,
    }
    read = readers.get(str(entry.get("kty")))
    if read is None:
        return None
    try:
        return token_key(read(json.dumps(entry)))
    except (jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
        log.warning("token_key_not_usable", reason=str(error))
        return None
