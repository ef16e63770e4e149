"""Which certificate of a `rediss://` server is accepted."""

from __future__ import annotations

import hashlib
import re
import ssl
from dataclasses import dataclass
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


class FirstUse:
    """The fingerprint of the first certificate that this process has seen."""

    def __init__(self) -> None:
        self._seen: str | None = None

    def accepts(self, certificate: bytes) -> bool:
        """Whether this is the first certificate, or the same one again."""
        shown = fingerprint(certificate)
        if self._seen is None:
            self._seen = shown
            log.warning(
                "The certificate of the Redis server is accepted because it is the first one that this process has "
                "seen. Set ROOMCAST_REDIS_FINGERPRINT to its fingerprint to accept no other from the start.",
                fingerprint=shown,
            )
        return shown == self._seen


@dataclass(frozen=True)
class RedisTrust:
    """By default: certificates that a known certificate authority signed for the host.

    `ca` is the PEM text of further authorities. With `fingerprints`, the SHA-256 of certificates as hexadecimal digits,
    these certificates are accepted and no others, whoever signed them. Without `verify`, any certificate is.

    `first_use` is for a host whose servers sign their own certificates (Heroku), where none of the above was set: the
    first certificate that is seen is accepted, and from then on no other. That keeps an attacker out who comes after
    the start, but not one who was there before it.
    """

    verify: bool = True
    ca: str | None = None
    fingerprints: frozenset[str] = frozenset()
    first_use: FirstUse | None = None

    @property
    def checks_chain(self) -> bool:
        """Whether the certificate's signatures and host name are checked."""
        return self.verify and not self.fingerprints and not self.first_use

    def accepts(self, certificate: bytes) -> bool:
        """Whether a certificate, in DER, is one of those that were named, if any were."""
        if self.first_use:
            return self.first_use.accepts(certificate)
        return not self.fingerprints or fingerprint(certificate) in self.fingerprints


VERIFIED = RedisTrust()


def fingerprint(certificate: bytes) -> str:
    """The SHA-256 of a certificate in DER, as hexadecimal digits."""
    return hashlib.sha256(certificate).hexdigest()


def parse_fingerprints(text: str) -> frozenset[str]:
    """The fingerprints in a comma-separated list, written as `openssl` or anybody writes them; `ValueError` if one is
    none."""
    found = {part.strip().rpartition("=")[2].replace(":", "").lower() for part in text.split(",") if part.strip()}
    if bad := sorted(part for part in found if not _FINGERPRINT.fullmatch(part)):
        raise ValueError(
            f"{bad[0]!r} is no SHA-256 fingerprint: it needs 64 hexadecimal digits, with or without colons"
        )
    return frozenset(found)


def read_authority(text_or_path: str) -> str:
    """The PEM text of certificates, given as such or as the path of its file; `ValueError` if it is neither."""
    text = text_or_path.replace("\\n", "\n")  # as some hosts' forms keep the line ends of a variable
    if "-----BEGIN" not in text:
        try:
            text = Path(text_or_path).read_text()
        except (OSError, ValueError) as error:
            raise ValueError(f"neither PEM text nor a file that can be read: {error}") from error
    try:
        ssl.create_default_context(cadata=text)
    except (ssl.SSLError, ValueError) as error:
        raise ValueError(f"no certificates in PEM: {error}") from error
    return text
