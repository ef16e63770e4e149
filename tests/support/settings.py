"""Settings in one line, for tests."""

from __future__ import annotations

from typing import Any

from roomcast.settings.settings import Settings, all_settings


def settings_of(**values: Any) -> Settings:
    """Return settings by the names of their fields, whichever groups they are in."""
    group_of = {setting.name: setting.group for setting in all_settings()}
    groups: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        groups.setdefault(group_of[name], {})[name] = value
    return Settings.model_validate(groups)
