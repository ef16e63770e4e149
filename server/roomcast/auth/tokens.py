"""Verify tokens: turn a JWT into a viewer."""

from __future__ import annotations

import time
import unicodedata

import jwt

from roomcast.errors import Malformed, Unauthenticated
from roomcast.public_key import TokenKey, read_public_key
from roomcast.settings.auth import AuthSettings
from roomcast.uploads.viewer import Viewer

MAX_USER_ID_LENGTH = 200
_UNUSABLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories of characters that are invisible, reorder the text around them, or are half of a character."""

MAX_EXPIRY = 253402300800.0
"""The end of the year 9999. The event loop has no timers for much later times."""

_INVALID_TOKEN = (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError)
"""What decoding raises. PyJWT passes on some errors of the libraries below it: a token may contain half of a character,
a number without end, or lists a thousand deep."""


class TokenVerifier:
    """Verifies the claims of tokens, and the signature with a key whose algorithm is never taken from the token."""

    def __init__(self, audience: str | None = None, issuer: str | None = None) -> None:
        """Tokens must have these claims, where they are given."""
        self._audience, self._issuer = audience, issuer
        required = {"exp": True, "sub": True, "aud": audience, "iss": issuer}
        self._options: jwt.types.Options = {
            "require": [claim for claim, value in required.items() if value],
            "verify_aud": audience is not None,
        }

    def viewer(self, token: str, key: TokenKey) -> Viewer:
        """Return the viewer that `token` names, or raise `Unauthenticated`."""
        try:
            claims = jwt.decode(
                token,
                key.key,
                algorithms=[key.algorithm],
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
        return Viewer(claims["sub"], admin=claims.get("admin") is True, expires_at=min(expires_at, MAX_EXPIRY))


class Tokens:
    """The tokens that the settings describe: those of a secret, or of a public key."""

    def __init__(self, settings: AuthSettings) -> None:
        public = settings.jwt_public_key
        self._key = read_public_key(public) if public else TokenKey(settings.jwt_secret, "HS256")
        self._verifier = TokenVerifier(settings.jwt_audience, settings.jwt_issuer)

    async def viewer(self, token: str) -> Viewer:
        """Return the viewer that `token` names, or raise `Unauthenticated`."""
        return self._verifier.viewer(token, self._key)


def sign_token(settings: AuthSettings, user: str, *, admin: bool, seconds: int) -> str:
    """Return a token of `JWT_SECRET` for this user. Raise `Unauthenticated` for what cannot be a user id, and
    `Malformed` without the secret."""
    if settings.jwt_secret is None:
        raise Malformed("JWT_SECRET is not set. Only tokens of that secret can be made here.")
    check_user_id(user)
    claims = {
        "sub": user,
        "exp": int(time.time()) + seconds,
        **({"admin": True} if admin else {}),
        **({"aud": settings.jwt_audience} if settings.jwt_audience else {}),
        **({"iss": settings.jwt_issuer} if settings.jwt_issuer else {}),
    }
    return jwt.encode(claims, settings.jwt_secret, "HS256")


def check_user_id(user: str) -> None:
    """Raise `Unauthenticated` for what cannot be a user id, because ids go into logs, keys and paths.

    It is refused rather than cleaned: two ids that become equal would share their uploads.
    """
    if not user.strip():
        raise Unauthenticated("The token has no user id (`sub`).")
    unusable = any(char in "/\\" or unicodedata.category(char) in _UNUSABLE for char in user)
    if unusable or len(user) > MAX_USER_ID_LENGTH or user in (".", ".."):
        raise Unauthenticated(
            f"The token's `sub` claim is not a valid user id: it has more than {MAX_USER_ID_LENGTH} characters, "
            "or contains a slash or a control character."
        )
