"""Say in a sentence what is wrong with the value of a setting, and what is allowed instead."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from roomcast.settings.variables.environment import Allowed, Setting, settings_in

_MAX_SHOWN = 60
_WHOLE_NUMBER = {"int_parsing", "int_type", "int_from_float", "int_parsing_size"}
_NUMBER = {"float_parsing", "float_type", "finite_number"}
_RANGE = {"greater_than", "greater_than_equal", "less_than", "less_than_equal"}
_BOOLEAN = {"bool_parsing", "bool_type"}
_OWN_SENTENCE = "value_error"
_SECRETS = ("SECRET", "KEY", "PASSWORD", "TOKEN", "ADMIN", "REDIS_URL")
"""What the names of variables contain whose values are not shown."""


def mistakes(error: ValidationError, model: type[BaseModel]) -> str:
    """Return a line for each value of `model` that is not valid, which begins with its variable."""
    settings = {(setting.group, setting.name): setting for setting in settings_in(model)}
    lines = []
    for found in error.errors():
        location = found["loc"]
        setting = settings.get((str(location[0]), str(location[1]))) if len(location) > 1 else None
        sentence = _sentence(setting, found["type"], found["msg"], found.get("ctx", {}))
        if setting is None:
            lines.append(sentence)
        elif found["type"] == _OWN_SENTENCE:
            lines.append(f"{setting.variable}: {sentence}")
        else:
            lines.append(f"{setting.variable}: {_shown(setting, found['input'])}{sentence}")
    return "\n".join(lines)


def _sentence(setting: Setting | None, problem: str, message: str, context: dict[str, Any]) -> str:
    text = message.removeprefix("Value error, ").removesuffix(".") + "."
    if setting is None or problem == _OWN_SENTENCE:
        return text
    allowed = next((one.text for one in setting.field.metadata if isinstance(one, Allowed)), None)
    if allowed is not None:
        return f"It must be {allowed}."
    types = _types(setting.field)
    if problem in _WHOLE_NUMBER or (problem in _RANGE and int in types):
        return f"It must be a whole number{_range(setting.field)}."
    if problem in _NUMBER or problem in _RANGE:
        return f"It must be a number{_range(setting.field)}."
    if problem in _BOOLEAN:
        return "It must be 1 or 0."
    if problem == "string_too_short":
        count = context["min_length"]
        return f"It must have {count} {'character' if count == 1 else 'characters'} or more."
    if problem == "string_too_long":
        return f"It must have {context['max_length']} characters or fewer."
    if problem == "literal_error":
        return f"It must be {context['expected'].replace(chr(39), '')}."
    return text


def _types(field: FieldInfo) -> set[Any]:
    """Return the types of a field's values."""
    return set(get_args(field.annotation)) or {field.annotation}


def _range(field: FieldInfo) -> str:
    """Return the range of a number, as the end of a sentence: ` from 0 to 65535`, ` above 0`."""
    limits: dict[str, float] = {}
    for constraint in field.metadata:
        for name in ("ge", "gt", "le", "lt"):
            if (limit := getattr(constraint, name, None)) is not None:
                limits[name] = limit
    least, most = limits.get("ge"), limits.get("le")
    if least is not None and most is not None:
        return f" from {least:g} to {most:g}" if max(least, most) < 1e6 else f" from {least} to {most}"
    texts = []
    if least is not None:
        texts.append(f"of {least} or more")
    if (above := limits.get("gt")) is not None:
        texts.append(f"above {above}")
    if most is not None:
        texts.append(f"of {most} or less")
    return f" {' and '.join(texts)}" if texts else ""


def _shown(setting: Setting, value: Any) -> str:
    """Return a sentence with the value, or nothing for one that may be secret."""
    secret = any(name in setting.variable for name in _SECRETS) or SecretStr in _types(setting.field)
    text = str(value)
    if secret or not text.isprintable() or len(text) > _MAX_SHOWN or "@" in text:
        return ""
    return f"{text!r} is not allowed. "
