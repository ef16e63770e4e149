"""Which certificates of a `rediss://` server are accepted."""

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
    """Accepts the first certificate that this process is shown, and no other after it."""

    def __init__(self) -> None:
        self._accepted: str | None = None

    def accepts(self, certificate: bytes) -> bool:
        """Return whether this is the first certificate, in DER, or the same one again."""
        shown = fingerprint(certificate)
        if self._accepted is None:
            self._accepted = shown
            log.warning(
                "redis_certificate_accepted_on_first_use",
                fingerprint=shown,
                advice="Set ROOMCAST_REDIS_FINGERPRINT to this fingerprint, so that no other is accepted at a start.",
            )
        return shown == self._accepted


@dataclass(frozen=True)
class RedisTrust:
    """The certificates that are accepted: by default, those that a known authority signed for the host.

    `ca` is the PEM text of further authorities. With `fingerprints`, the SHA-256 of certificates in hexadecimal digits,
    these certificates are accepted and no others, signed by any authority. Without `verify`, any certificate is.

    `first_use` is for a host whose servers sign their own certificates (Heroku), where nothing else is set. It protects
    against an attacker who comes after the start of the process, but not against one who was there before.
    """

    verify: bool = True
    ca: str | None = None
    fingerprints: frozenset[str] = frozenset()
    first_use: FirstUse | None = None

    @property
    def checks_chain(self) -> bool:
        """Whether the signatures and the host name of the certificate are verified."""
        return self.verify and not self.fingerprints and not self.first_use

    def accepts(self, certificate: bytes) -> bool:
        """Return whether a certificate, in DER, is one of `fingerprints`, or the first one for `first_use`. Without
        either, return True."""
        if self.first_use:
            return self.first_use.accepts(certificate)
        return not self.fingerprints or fingerprint(certificate) in self.fingerprints


VERIFIED = RedisTrust()


def fingerprint(certificate: bytes) -> str:
    """Return the SHA-256 of a certificate in DER, in hexadecimal digits."""
    return hashlib.sha256(certificate).hexdigest()


def parse_fingerprints(text: str) -> frozenset[str]:
    """Return the fingerprints in a comma-separated list, with or without colons, or as `openssl` prints them. Raise
    `ValueError` if one is invalid."""
    found = {one.strip().rpartition("=")[2].replace(":", "").lower() for one in text.split(",") if one.strip()}
    if bad := sorted(one for one in found if not _FINGERPRINT.fullmatch(one)):
        raise ValueError(
            f"The value {bad[0]!r} is no SHA-256 fingerprint: it needs 64 hexadecimal digits, with or without colons."
        )
    return frozenset(found)


def read_authority(text_or_path: str) -> str:
    """Return the PEM text of certificates, given as text or as the path of a file. Raise `ValueError` if it is
    neither."""
    text = text_or_path.replace("\\n", "\n")  # as some hosts' forms store the line ends of a variable
    if "-----BEGIN" not in text:
        try:
            text = Path(text_or_path).read_text()
        except (OSError, ValueError) as error:
            raise ValueError(f"The value is neither PEM text nor a file that can be read: {error}.") from error
    try:
        ssl.create_default_context(cadata=text)
    except (ssl.SSLError, ValueError) as error:
        raise ValueError(f"The value has no certificates in PEM: {error}.") from error
    return text
