"""The environment of a process: the variables that hold settings, and the platform that it runs on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

from roomcast.forwarded import ANY_PROXY

PLATFORMS = {
    "DYNO": "Heroku",
    "RENDER": "Render",
    "RAILWAY_ENVIRONMENT": "Railway",
    "RAILWAY_ENVIRONMENT_NAME": "Railway",
    "FLY_APP_NAME": "Fly.io",
    "K_SERVICE": "Cloud Run",
}
"""Platforms whose routers cannot reach a loopback address, by the variable that each sets in every process."""

_WITHOUT_A_DISK = {"DYNO", "K_SERVICE"}
"""Those of them that empty a process's disk at every restart."""


def default_host() -> str:
    """Return the address to listen on: every one on a platform, otherwise loopback."""
    return "0.0.0.0" if any(os.environ.get(name) for name in PLATFORMS) else "127.0.0.1"  # noqa: S104


def default_trusted_proxies() -> list[str]:
    """Return the proxies that are trusted: a platform's router, which is the only way in, otherwise this machine."""
    on_platform = any(os.environ.get(name) for name in PLATFORMS)
    return [ANY_PROXY] if on_platform else ["127.0.0.0/8", "::1"]


def disk_warning(*, redis: bool, s3: bool) -> str | None:
    """Return what is lost on a platform that empties a process's disk at every restart; None elsewhere."""
    platform = next((name for variable, name in PLATFORMS.items() if _is_diskless(variable)), None)
    if platform is None or (redis and s3):
        return None
    if redis:
        return (
            f"{platform} gives each process a disk of its own and empties it at every restart: workers cannot read "
            "what web processes receive. Set S3_BUCKET."
        )
    missing = "REDIS_URL" if s3 else "REDIS_URL and S3_BUCKET"
    return f"{platform} empties this disk at every restart, and all uploads are lost with it. Set {missing}."


def _is_diskless(variable: str) -> bool:
    return variable in _WITHOUT_A_DISK and bool(os.environ.get(variable))


class Variable(NamedTuple):
    """Annotate a field whose environment variable is not `ROOMCAST_` and the field's name."""

    name: str


class Allowed(NamedTuple):
    """Annotate a field with what its values are, in words: the end of the sentence "It must be …"."""

    text: str


class Setting(NamedTuple):
    """One setting: the group and the field that hold it, and its environment variable."""

    group: str
    name: str
    variable: str
    field: FieldInfo


def settings_in(model: type[BaseModel]) -> Iterator[Setting]:
    """Yield every setting of a model whose fields are groups, group by group."""
    for group, outer in model.model_fields.items():
        fields = outer.annotation
        assert isinstance(fields, type) and issubclass(fields, BaseModel)  # noqa: PT018, S101  (for the type checker)
        for name, field in fields.model_fields.items():
            variable = next(
                (one.name for one in field.metadata if isinstance(one, Variable)), f"ROOMCAST_{name.upper()}"
            )
            yield Setting(group, name, variable, field)


class EnvironmentSource(PydanticBaseSettingsSource):
    """Read each setting from its variable. An empty variable counts as an absent one."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False  # `__call__` reads whole groups

    def __call__(self) -> dict[str, Any]:
        groups: dict[str, dict[str, str]] = {}
        for setting in settings_in(self.settings_cls):
            if value := os.environ.get(setting.variable):
                groups.setdefault(setting.group, {})[setting.name] = value
        return groups
