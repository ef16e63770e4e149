"""Authenticate callers: turn a bearer token into a viewer."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

import jwt

from roomcast.errors import Unauthenticated
from roomcast.public_key import TokenKey, read_public_key
from roomcast.settings.auth import AuthSettings
from roomcast.uploads.viewer import ANONYMOUS, Viewer

MAX_USER_ID_LENGTH = 200
_UNUSABLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories of characters that are invisible, reorder the text around them, or are half of a character."""

_MAX_EXPIRY = 253402300800.0
"""The end of the year 9999. The event loop has no timers for much later times."""

_INVALID_TOKEN = (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError)
"""What decoding raises. PyJWT passes on some errors of the libraries below it: a token may contain half of a character,
a number without end, or lists a thousand deep."""


class Authenticator:
    """Verify tokens. The algorithm follows from the setting and is never taken from the token.

    `loopback` says whether only this machine can reach the server.
    """

    def __init__(self, settings: AuthSettings, *, loopback: bool) -> None:
        self.open_mode = settings.open_mode
        # In open mode the id of an upload is the right to it, so a list for every caller would give the rights away.
        self.can_list = loopback or not settings.open_mode
        public = settings.jwt_public_key
        self._key = read_public_key(public) if public else TokenKey(settings.jwt_secret, "HS256")
        self._audience, self._issuer = settings.jwt_audience, settings.jwt_issuer
        required = {"exp": True, "sub": True, "aud": self._audience, "iss": self._issuer}
        self._options: jwt.types.Options = {
            "require": [claim for claim, value in required.items() if value],
            "verify_aud": self._audience is not None,
        }

    def viewer(self, token: str | None) -> Viewer:
        """Return the viewer that `token` names, or raise `Unauthenticated`."""
        if self.open_mode:
            return Viewer(ANONYMOUS)
        if not token:
            raise Unauthenticated("A token is required.")
        try:
            claims = jwt.decode(
                token,
                self._key.key,
                algorithms=[self._key.algorithm],
                options=self._options,
                audience=self._audience,
                issuer=self._issuer,
            )
            expires_at = float(claims["exp"])
        except jwt.ExpiredSignatureError as error:
            raise Unauthenticated("The token has expired.") from error
        except (jwt.InvalidAudienceError, jwt.InvalidIssuerError) as error:
            raise Unauthenticated("The token was issued for another application, or by another issuer.") from error
        except _INVALID_TOKEN as error:
            raise Unauthenticated("The token is not valid.") from error
        check_user_id(claims["sub"])
        return Viewer(claims["sub"], admin=claims.get("admin") is True, expires_at=min(expires_at, _MAX_EXPIRY))


def check_user_id(user: str) -> None:
    """Raise `Unauthenticated` for a `sub` claim that cannot be a user id, because ids go into logs, keys and paths.

    It is refused rather than cleaned: two ids that become equal would share their uploads.
    """
    if not user.strip():
        raise Unauthenticated("The token has no `sub` claim.")
    unusable = any(char in "/\\" or unicodedata.category(char) in _UNUSABLE for char in user)
    if unusable or len(user) > MAX_USER_ID_LENGTH or user in (".", ".."):
        raise Unauthenticated(
            f"The token's `sub` claim is not a valid user id: it has more than {MAX_USER_ID_LENGTH} characters, "
            "or contains a slash or a control character."
        )


def bearer(headers: Mapping[str, str]) -> str | None:
    """Return the token of an `Authorization: Bearer` header, or None."""
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None
