"""Settings: Socket.IO and event streams."""

from __future__ import annotations

from typing import Any

from pydantic import Field, SecretStr, field_validator

from roomcast.origins import check_origins
from roomcast.settings.group import SettingsGroup


class SocketSettings(SettingsGroup):
    """Socket.IO and event streams."""

    cors_origins: list[str] = Field(
        default_factory=list,
        description="Other origins whose pages may call the server, separated by commas, such as "
        "`https://app.example.com`. `*` allows every origin, without cookies.",
    )
    ping_seconds: float = Field(15, gt=0, le=20, description="Time between two pings of a socket.")
    stalled_client_seconds: float = Field(
        20, gt=0, description="Longest time that a socket may read nothing before it is closed."
    )
    websocket_deflate: bool = Field(
        False, description="1 compresses the messages of WebSockets whose clients offer it."
    )
    max_unauthenticated_per_address: int = Field(
        1000,
        ge=1,
        description="Most Socket.IO clients of one network address that have not authenticated yet. It is limited to"
        " a quarter of the process's file descriptors.",
    )
    socketio_admin: SecretStr | None = Field(
        None,
        description="`username:password` for the official Socket.IO admin UI, which is off without it. The origin of"
        " its page must be in `ROOMCAST_CORS_ORIGINS`.",
    )

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, value: list[str]) -> list[str]:
        check_origins(value)
        return value

    @field_validator("socketio_admin")
    @classmethod
    def _is_username_and_password(cls, value: SecretStr | None) -> SecretStr | None:
        username, _, password = value.get_secret_value().partition(":") if value else ("-", "", "-" * 8)
        if not username or len(password) < 8:
            raise ValueError("Write a user name, a colon and a password of 8 characters or more.")
        return value
