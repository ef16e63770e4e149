"""Where a template's assemblies are told of, and how the receiver can tell that it was us. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator


@dataclass(frozen=True)
class Webhook:
    """A receiver, and the secret that it shares with us."""

    url: str
    secret: bytes = field(repr=False)


def _checked(url: str) -> str:
    """`url` if a webhook may have it; https is the better choice, and any port will do."""
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise ValueError("must be an https:// or http:// URL")
    if "@" in parts.netloc:
        raise ValueError("must not hold credentials: the signature is what the receiver checks")
    if parts.port == 0:  # reading it raises ValueError for what is no port at all
        raise ValueError("must not name port 0")
    return url


WebhookUrl = Annotated[str, AfterValidator(_checked)]
