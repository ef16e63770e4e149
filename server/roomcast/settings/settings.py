"""All settings together.

They are read from the environment when a process starts, and every mistake is reported at once. In code they are
groups: `Settings(storage=StorageSettings(data=Path("data")))`. Times are in seconds and sizes in bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from roomcast.errors import Malformed
from roomcast.origins import ANY
from roomcast.settings.assemblies import AssemblySettings
from roomcast.settings.auth import AuthSettings
from roomcast.settings.config_file import ConfigFileError
from roomcast.settings.intake import IntakeSettings
from roomcast.settings.retention import RetentionSettings
from roomcast.settings.server import ServerSettings
from roomcast.settings.sockets import SocketSettings
from roomcast.settings.storage import StorageSettings
from roomcast.settings.variables.environment import EnvironmentSource, Setting, settings_in
from roomcast.settings.variables.mistakes import mistakes
from roomcast.settings.variables.unknown import advice_for
from roomcast.settings.worker import WorkerSettings
from roomcast.uploads.templates import TemplateFileError


class SettingsError(ValueError):
    """The environment is wrong. The message has one line for each mistake, which begins with its variable."""


class Settings(BaseSettings):
    """All groups. What is not given is read from the environment, or has its default."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    server: ServerSettings = Field(default_factory=ServerSettings)
    auth: AuthSettings = Field(default_factory=AuthSettings)
    storage: StorageSettings = Field(default_factory=StorageSettings)
    intake: IntakeSettings = Field(default_factory=IntakeSettings)
    retention: RetentionSettings = Field(default_factory=RetentionSettings)
    sockets: SocketSettings = Field(default_factory=SocketSettings)
    assemblies: AssemblySettings = Field(default_factory=AssemblySettings)
    worker: WorkerSettings = Field(default_factory=WorkerSettings)

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *_: Any, **__: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, EnvironmentSource(settings_cls)

    @model_validator(mode="after")
    def _are_safe_together(self) -> Self:
        if ANY in self.sockets.cors_origins and "cookie" in self.auth.model_fields_set:
            raise ValueError(
                "ROOMCAST_CORS_ORIGINS=* and ROOMCAST_COOKIE: any site could use the cookies of its visitors. "
                "Name the origins that may call, or remove ROOMCAST_COOKIE and let pages send a bearer token."
            )
        return self

    def check_access(self, *, application_authenticates: bool) -> None:
        """Raise `SettingsError` for a server that would let everyone in without a setting that asks for that."""
        if self.auth.open_mode and not (application_authenticates or self.server.loopback or self.server.open):
            raise SettingsError(
                f"HOST={self.server.host} can be reached by others, and nothing authenticates them: set JWT_SECRET, "
                "JWT_PUBLIC_KEY, JWT_JWKS_URL or ROOMCAST_AUTH_URL, or set ROOMCAST_OPEN=1 to let everybody in."
            )

    @property
    def web_processes(self) -> int:
        """The web processes to run. SQLite has one owner, so without Redis it is 1, also where a host sets more."""
        return self.server.web_concurrency if self.storage.redis_url else 1


def all_settings() -> Iterator[Setting]:
    """Every setting, group by group."""
    return settings_in(Settings)


def _groups(given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return settings by their groups and fields, of settings by the names of their variables."""
    by_variable = {setting.variable: setting for setting in all_settings()}
    if unknown := sorted(given.keys() - by_variable.keys()):
        raise SettingsError("\n".join(f"{name}: {advice_for(name, by_variable)}" for name in unknown))
    groups: dict[str, dict[str, Any]] = {}
    for variable, value in given.items():
        groups.setdefault(by_variable[variable].group, {})[by_variable[variable].name] = value
    return groups


def load_settings(given: Mapping[str, Any] | None = None) -> Settings:
    """Return the settings of the environment, but for those that are `given` by the names of their variables.

    Raise `SettingsError` with every mistake.
    """
    try:
        settings = Settings.model_validate(_groups(given or {}))
        settings.assemblies.loaded_templates.get(settings.assemblies.files_template)
    except ValidationError as error:
        raise SettingsError(mistakes(error, Settings)) from error
    except Malformed as error:
        known = ", ".join(sorted(template.name for template in settings.assemblies.loaded_templates))
        raise SettingsError(
            f"ROOMCAST_FILES_TEMPLATE: there is no template of that name; there are {known}."
        ) from error
    except ConfigFileError as error:
        raise SettingsError(str(error)) from error
    except TemplateFileError as error:
        raise SettingsError(f"ROOMCAST_TEMPLATES names a file that cannot be used. {error}") from error
    return settings
