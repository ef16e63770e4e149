"""Tokens for viewers, good ones and bad ones."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import jwt

SECRET = "a secret that is long enough for its purpose"


def token(user: str, *, secret: str = SECRET, seconds: float = 3600, **claims: Any) -> str:
    """A token as the server expects it in HS256 mode."""
    return jwt.encode({"sub": user, "exp": time.time() + seconds, **claims}, secret, algorithm="HS256")


def unsigned(user: str) -> str:
    """`alg: none`."""
    return jwt.encode({"sub": user, "exp": time.time() + 3600}, "", algorithm="none")


def signed_with(key: bytes, user: str) -> str:
    """HS256 with any bytes for a secret, such as a public key: what a library refuses to make."""

    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    head = part(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    body = part(json.dumps({"sub": user, "exp": int(time.time()) + 3600}).encode())
    return f"{head}.{body}.{part(hmac.new(key, f'{head}.{body}'.encode(), hashlib.sha256).digest())}"


BAD_TOKENS = {
    "none": None,
    "empty": "",
    "garbage": "garbage",
    "three parts of garbage": "a.b.c",
    "expired": token("alice", seconds=-60),
    "another secret": token("alice", secret="another secret, also long enough for it"),
    "unsigned": unsigned("alice"),
    "no expiry": jwt.encode({"sub": "alice"}, SECRET, algorithm="HS256"),
    "no user": jwt.encode({"exp": time.time() + 60}, SECRET, algorithm="HS256"),
    "another algorithm": jwt.encode({"sub": "alice", "exp": time.time() + 60}, SECRET * 2, algorithm="HS512"),
}
