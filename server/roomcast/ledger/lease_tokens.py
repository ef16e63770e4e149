"""Leases, and the tokens that prove them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass


@dataclass(frozen=True)
class Lease:
    """The right to write to one upload until `expires_at`, by the clock that the ledger measures leases with."""

    upload_id: str
    token: str
    expires_at: float


def new_token(holder: str, now: float) -> str:
    """Return a unique lease token that names the holder and the time of the claim."""
    return f"{holder}.{round(now * 1000)}.{secrets.token_hex(8)}"


def parse_token(token: str) -> tuple[str, float]:
    """Return the holder that a lease token names, and the time of the claim."""
    holder, since, _ = token.rsplit(".", 2)
    return holder, int(since) / 1000
