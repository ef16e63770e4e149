"""Settings: which tokens are accepted."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from roomcast.json_requests import check_http_url
from roomcast.public_key import read_public_key
from roomcast.settings.group import SettingsGroup
from roomcast.settings.variables.environment import Variable

SECRET_BYTES = 32
"""The least length of a secret for HMAC-SHA256: that of the digest."""


class AuthSettings(SettingsGroup):
    """Which tokens are accepted."""

    jwt_secret: Annotated[str | None, Variable("JWT_SECRET")] = Field(
        None,
        description="HS256 secret of the tokens, 32 bytes or more. Without this and `JWT_PUBLIC_KEY` the server is in "
        "open mode.",
    )
    jwt_public_key: Annotated[str | None, Variable("JWT_PUBLIC_KEY")] = Field(
        None,
        description="PEM public key of the tokens: RSA of 2,048 bits or more (RS256), or P-256 (ES256). Needs "
        "`JWT_AUDIENCE` and `JWT_ISSUER`.",
    )
    jwt_jwks_url: Annotated[str | None, Variable("JWT_JWKS_URL")] = Field(
        None,
        description="URL of the JSON Web Key Set with the public keys of the tokens, such as an identity provider's. "
        "Needs the next two.",
    )
    jwt_audience: Annotated[str | None, Variable("JWT_AUDIENCE")] = Field(
        None, description="The `aud` claim that tokens must have, alone or among others."
    )
    jwt_issuer: Annotated[str | None, Variable("JWT_ISSUER")] = Field(
        None, description="The `iss` claim that tokens must have."
    )
    auth_url: str | None = Field(
        None,
        description="URL of the application that is asked who sends a request's cookies and `Authorization` header. It "
        "answers `{user, admin?, expires?}`, or 401 or 403.",
    )
    cookie: str = Field("roomcast_token", min_length=1, description="Name of the cookie that may carry the token.")

    @field_validator("jwt_secret")
    @classmethod
    def _is_secret(cls, value: str | None) -> str | None:
        size = len((value or "").strip().encode())
        if value is not None and size < SECRET_BYTES:
            raise ValueError(
                f"A secret of {size} bytes can be guessed; HS256 needs {SECRET_BYTES} or more. "
                "`openssl rand -hex 32` makes one."
            )
        return value

    @field_validator("jwt_public_key")
    @classmethod
    def _is_public_key(cls, value: str | None) -> str | None:
        if value is not None:
            read_public_key(value)
        return value

    @field_validator("jwt_jwks_url", "auth_url")
    @classmethod
    def _is_url(cls, value: str | None) -> str | None:
        return value and check_http_url(value)

    @model_validator(mode="after")
    def _have_one_key(self) -> Self:
        keys = {
            "JWT_SECRET": self.jwt_secret,
            "JWT_PUBLIC_KEY": self.jwt_public_key,
            "JWT_JWKS_URL": self.jwt_jwks_url,
        }
        given = [name for name, value in keys.items() if value]
        if len(given) > 1:
            raise ValueError(f"Set one of {' and '.join(given)}, not both.")
        if (self.jwt_public_key or self.jwt_jwks_url) and not (self.jwt_audience and self.jwt_issuer):
            raise ValueError(
                f"The setting {given[0]} needs JWT_AUDIENCE and JWT_ISSUER: set them to the claims of the tokens, "
                "because an identity provider signs tokens for other applications with the same key."
            )
        return self

    @property
    def has_tokens(self) -> bool:
        """Whether tokens are accepted."""
        return bool(self.jwt_secret or self.jwt_public_key or self.jwt_jwks_url)

    @property
    def open_mode(self) -> bool:
        """Whether no credentials are asked for, so that every caller is `anonymous`, unless the application
        authenticates them."""
        return not (self.has_tokens or self.auth_url)
