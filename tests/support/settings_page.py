"""Writes the tables of `docs/settings.md` from the fields of `Settings`: `python -m tests.support.settings_page`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from roomcast.settings.settings import Settings, all_settings

from tests.support.pages import DOCS

PAGE = DOCS / "settings.md"

_GENERATED = re.compile(r"(<!-- settings -->\n).*?(\n<!-- end of settings -->)", re.DOTALL)
_UNITS = {"GiB": 1 << 30, "MiB": 1 << 20}


def settings() -> dict[str, FieldInfo]:
    """Return the fields of all settings, by environment variable."""
    return {setting.variable: setting.field for setting in all_settings()}


def tables() -> str:
    """Return the settings in Markdown: for each group a heading, its docstring and a table."""
    return "\n\n".join(_section(group, model) for group, model in _groups().items())


def _groups() -> dict[str, Any]:
    return {name: field.annotation for name, field in Settings.model_fields.items()}


def _section(group: str, model: Any) -> str:
    rows = [
        f"| `{setting.variable}` | {default(setting.field)} | {description(setting.field)} |"
        for setting in all_settings()
        if setting.group == group
    ]
    head = f"## {group.capitalize()}\n\n{model.__doc__} In code: `Settings({group}={model.__name__}(…))`."
    return "\n".join([head, "", "| Variable | Default | Description |", "| --- | --- | --- |", *rows])


def default(field: FieldInfo) -> str:
    """The default of a setting as it is written in the environment. A computed one is described in the text."""
    value: Any = field.default
    if field.default_factory is not None:
        return "none" if field.default_factory is list else "see text"
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, int):
        unit = next((unit for unit, size in _UNITS.items() if value >= size and value % size == 0), None)
        return f"{value // _UNITS[unit]} {unit}" if unit else str(value)
    assert value is not PydanticUndefined
    return f"./{value}" if isinstance(value, Path) else f"{value:g}" if isinstance(value, float) else str(value)


def description(field: FieldInfo) -> str:
    assert field.description, "every setting has a description"
    return field.description.replace("|", r"\|")


def generated(page: str) -> str:
    """The page with its tables as the settings are now."""
    page, count = _GENERATED.subn(lambda found: found[1] + "\n" + tables() + "\n" + found[2], page)
    assert count == 1
    return page


if __name__ == "__main__":
    PAGE.write_text(generated(PAGE.read_text()))
    sys.stdout.write(f"Wrote {PAGE}.\n")
