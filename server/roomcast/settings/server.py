"""Settings: where a process listens, and how it starts and stops."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from roomcast.forwarded import TrustedProxies
from roomcast.origins import is_loopback_address
from roomcast.runtime.logs.configuration import LogFormat
from roomcast.settings.group import SettingsGroup
from roomcast.settings.variables.environment import Allowed, Variable, default_host, default_trusted_proxies

_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+")


class ServerSettings(SettingsGroup):
    """Where a process listens, and how it starts and stops."""

    port: Annotated[int, Variable("PORT")] = Field(8000, ge=0, le=65535, description="Port that the server listens on.")
    host: Annotated[str, Variable("HOST")] = Field(
        default_factory=default_host,
        description="Address that the server listens on. The default is 127.0.0.1, or 0.0.0.0 on a platform that "
        "sets `DYNO`, `RENDER`, `RAILWAY_ENVIRONMENT`, `FLY_APP_NAME` or `K_SERVICE`. Open mode on an "
        "address other than loopback needs `ROOMCAST_OPEN=1`.",
    )
    open: bool = Field(False, description="1 allows open mode (no credentials) on an address other than loopback.")
    public_url: Annotated[
        str | None, Allowed("an address such as https://films.example.com, without a query or a user name")
    ] = Field(
        None,
        pattern=r"^https?://[^/?#@]+(/[^?#]*)?$",
        description="Public address of this server, such as `https://films.example.com`. All links begin with it; "
        "without it they are paths.",
    )
    trusted_proxies: list[str] = Field(
        default_factory=default_trusted_proxies,
        description="Addresses and networks of the proxies in front of this server, separated by commas, such as "
        "`10.0.0.0/8`. Only their `X-Forwarded-For`, `-Proto` and `-Host`, or `Forwarded`, count. `*` "
        "trusts every peer. The default is this machine, or `*` on a platform that sets one of those "
        "variables.",
    )
    prefix: str = Field(
        "",
        description="Path below which everything is served, such as `/uploads`. `ROOMCAST_PUBLIC_URL` is the address "
        "above it.",
    )
    web_concurrency: Annotated[int, Variable("WEB_CONCURRENCY")] = Field(
        1,
        ge=1,
        le=64,
        description="Web processes behind the port. More than 1 needs `REDIS_URL`, and clients that connect by "
        "WebSocket only.",
    )
    metrics_port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="Port on which a worker process answers `/metrics` and `/readyz`, on `HOST` and without "
        "credentials.",
    )
    drain_seconds: float = Field(
        0,
        ge=0,
        le=300,
        description="How long the server still serves after SIGTERM, while `/readyz` is 503 already, so that a "
        "balancer stops sending requests before the port closes. A second SIGTERM ends this. The process may need 24 "
        "seconds more.",
    )
    shutdown_seconds: float = Field(
        15, ge=0, le=20, description="How long request bodies may still arrive after SIGTERM."
    )
    log: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Lowest level that is logged: `debug`, `info`, `warning` or `error`."
    )
    log_format: LogFormat = Field(
        "auto",
        description="`console` logs lines for people, `json` one JSON object per line. `auto`: `console` if standard "
        "error is a terminal, otherwise `json`.",
    )

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return [entry.strip() for entry in value.split(",") if entry.strip()] if isinstance(value, str) else value

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: list[str]) -> list[str]:
        TrustedProxies(value)
        return value

    @field_validator("prefix")
    @classmethod
    def _is_prefix(cls, value: str) -> str:
        return check_path_prefix(value)

    @property
    def base_url(self) -> str:
        """What links begin with: the public address and the prefix, or only the prefix, without a slash at the end."""
        return f"{(self.public_url or '').rstrip('/')}{self.prefix}"

    @property
    def loopback(self) -> bool:
        """Whether only this machine can connect."""
        return self.host == "localhost" or is_loopback_address(self.host)


def check_path_prefix(prefix: str) -> str:
    """Return the path of a prefix without the slash at its end, or "" for none. Raise `ValueError` for no such path."""
    path = prefix.removesuffix("/")
    if path == "":
        return ""
    if not path.startswith("/"):
        raise ValueError(f"The prefix {prefix!r} must begin with a slash. An example is /uploads.")
    if not _PREFIX.fullmatch(path) or {".", ".."} & set(path.split("/")):
        raise ValueError(
            f"The prefix {prefix!r} must be a plain path such as /uploads: names of letters, digits, `-`, `_`, `.` and "
            "`~`, and neither `.` nor `..`."
        )
    return path
