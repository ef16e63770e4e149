"""Who is asking, and what they may do. Pure but for the clock in a token's expiry."""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.warnings import InsecureKeyLengthWarning

from roomcast.errors import Forbidden, Unauthenticated
from roomcast.settings import Settings
from roomcast.uploads.model import Upload

ANONYMOUS = "anonymous"
LONGEST_USER_ID = 200
_UNUSABLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""The Unicode categories of characters that are not seen, steer what is around them, or are half of a character."""


@dataclass(frozen=True)
class Viewer:
    """A user, and until when the token that says so holds (None: for ever)."""

    user: str
    admin: bool = False
    expires_at: float | None = None

    def check_owns(self, upload: Upload) -> None:
        """Raises `Forbidden` for another's upload."""
        if upload.owner != self.user and not self.admin:
            raise Forbidden("This upload is somebody else's.")


class Authenticator:
    """Turns a token into a viewer. The algorithm is fixed by the setting, never taken from the token."""

    def __init__(self, settings: Settings) -> None:
        self.open_mode = settings.open_mode
        self.lists_in_open_mode = settings.loopback
        self._key: Any = settings.jwt_secret
        self._algorithm = "HS256"
        if settings.jwt_public_key:
            self._key = load_pem_public_key(settings.jwt_public_key.replace("\\n", "\n").encode())
            self._algorithm = "ES256" if isinstance(self._key, EllipticCurvePublicKey) else "RS256"

    def viewer(self, token: str | None) -> Viewer:
        """The viewer that `token` names; `Unauthenticated` when it does not hold."""
        if self.open_mode:
            return Viewer(ANONYMOUS)
        if not token:
            raise Unauthenticated("A token is needed.")
        try:
            with warnings.catch_warnings():
                # The length of the secret is the operator's choice; it is not a matter for every request.
                warnings.simplefilter("ignore", InsecureKeyLengthWarning)
                claims = jwt.decode(
                    token,
                    self._key,
                    algorithms=[self._algorithm],
                    options={"require": ["exp", "sub"], "verify_aud": False},
                )
        except jwt.ExpiredSignatureError as error:
            raise Unauthenticated("The token has expired.") from error
        except jwt.PyJWTError as error:
            raise Unauthenticated("The token is not valid.") from error
        check_user_id(claims["sub"])
        return Viewer(claims["sub"], admin=claims.get("admin") is True, expires_at=float(claims["exp"]))

    def may_list(self) -> bool:
        """In open mode an id is a key; off loopback a list of them would give keys away."""
        return not self.open_mode or self.lists_in_open_mode


def check_user_id(user: str) -> None:
    """`Unauthenticated` for a `sub` that is no name for a user: an id goes into logs, keys and other programs' paths.

    It is refused and not cleaned: two ids that become one would share their uploads.
    """
    if not user.strip():
        raise Unauthenticated("The token names nobody.")
    unusable = any(char in "/\\" or unicodedata.category(char) in _UNUSABLE for char in user)
    if unusable or len(user) > LONGEST_USER_ID or user in (".", ".."):
        raise Unauthenticated(
            f"The token's user id cannot be used: it has more than {LONGEST_USER_ID} characters, or a slash or a "
            "control character among them."
        )


def bearer(headers: Mapping[str, str]) -> str | None:
    """The token of an `Authorization: Bearer` header."""
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None
