"""The configuration file, `roomcast.toml`: what an application adds to `roomcast serve` and `roomcast worker`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from roomcast.uploads.templates import Template, TemplateFileError, parse_tables

DEFAULT_CONFIG = Path("roomcast.toml")
_KEYS = {"hooks", "templates"}


class ConfigFileError(ValueError):
    """The configuration file cannot be used. The message names it and says why."""


@dataclass(frozen=True)
class ConfigFile:
    """A parsed configuration file: the `hooks` that it names, modules or objects in modules, and its templates."""

    path: Path
    hooks: tuple[str, ...]
    templates: tuple[Template, ...]


def read_config_file(path: Path) -> ConfigFile:
    """Return a parsed configuration file. Raise `ConfigFileError`."""
    try:
        text = path.read_text(encoding="utf-8")
        tables = tomllib.loads(text)
        templates = parse_tables(text)
    except OSError as error:
        raise ConfigFileError(f"The configuration file {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ConfigFileError(f"The configuration file {path} cannot be read: it is not UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigFileError(f"The configuration file {path} cannot be read: {error}.") from error
    except TemplateFileError as error:
        raise ConfigFileError(f"The configuration file {path} is not valid. {error}") from error
    if unknown := sorted(tables.keys() - _KEYS):
        raise ConfigFileError(
            f"The configuration file {path} has an unknown key: {unknown[0]}. Its keys are hooks and templates."
        )
    hooks = tables.get("hooks", [])
    if not isinstance(hooks, list) or not all(isinstance(hook, str) and hook.strip() for hook in hooks):
        raise ConfigFileError(f"The configuration file {path} is not valid. `hooks` is not a list of module names.")
    return ConfigFile(path, tuple(hook.strip() for hook in hooks), tuple(templates))
