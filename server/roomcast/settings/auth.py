"""Settings: which tokens are accepted."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from roomcast.public_key import read_public_key
from roomcast.settings.environment import Variable
from roomcast.settings.group import SettingsGroup

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
        description="PEM public key of the tokens: RSA of 2,048 bits or more (RS256), or P-256 (ES256). Needs the next "
        "two.",
    )
    jwt_audience: Annotated[str | None, Variable("JWT_AUDIENCE")] = Field(
        None, description="The `aud` claim that tokens must have, alone or among others."
    )
    jwt_issuer: Annotated[str | None, Variable("JWT_ISSUER")] = Field(
        None, description="The `iss` claim that tokens must have."
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

    @model_validator(mode="after")
    def _have_one_key(self) -> Self:
        if self.jwt_secret and self.jwt_public_key:
            raise ValueError("JWT_SECRET and JWT_PUBLIC_KEY: set one of them, not both.")
        if self.jwt_public_key and not (self.jwt_audience and self.jwt_issuer):
            raise ValueError(
                "JWT_PUBLIC_KEY needs JWT_AUDIENCE and JWT_ISSUER: set them to the claims of the tokens, because an "
                "identity provider signs tokens for other applications with the same key."
            )
        return self

    @property
    def has_tokens(self) -> bool:
        """Whether tokens are accepted."""
        return bool(self.jwt_secret or self.jwt_public_key)

    @property
    def open_mode(self) -> bool:
        """Whether no credentials are asked for, so that every caller is `anonymous`, unless the application
        authenticates them."""
        return not self.has_tokens
