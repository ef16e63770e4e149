"""Write JSON exactly as JavaScript would write it after it has read it. Pure.

A receiver in JavaScript often has no bytes any more when it checks a signature, but a parsed body, which it writes
again: `JSON.stringify(req.body)`. So what is signed must be what `JSON.stringify(JSON.parse(body))` returns for it,
byte for byte (ECMAScript, "SerializeJSONProperty" and "Number::toString"):

- every number is a double: 3 and not 3.0, 1e+22 and not 1e22, 0 and not -0, null for what is too large;
- a key that is an array index comes before the others, in ascending order;
- two halves of a surrogate pair are one character, a half without the other is escaped.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

_LARGEST_INDEX = 2**32 - 2
_INDEX = re.compile(r"0|[1-9][0-9]{0,9}", re.ASCII)
_ESCAPED = re.compile(r'["\\\x00-\x1f\ud800-\udfff]')
_SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def encode_json(value: Any) -> bytes:
    """Return `value`, of what JSON knows, in UTF-8 as `JSON.stringify(JSON.parse(…))` writes it."""
    parts: list[str] = []
    _write(value, parts)
    return "".join(parts).encode()


def _write(value: Any, parts: list[str]) -> None:
    match value:
        case None:
            parts.append("null")
        case bool():
            parts.append("true" if value else "false")
        case str():
            parts.append(_quoted(_joined(value)))
        case int() | float():
            parts.append(_number(value))
        case Mapping():
            _write_object(value, parts)
        case list() | tuple():
            _write_array(value, parts)
        case _:
            raise TypeError(f"JSON has no {type(value).__name__}.")


def _write_array(items: Sequence[Any], parts: list[str]) -> None:
    parts.append("[")
    for place, item in enumerate(items):
        if place:
            parts.append(",")
        _write(item, parts)
    parts.append("]")


def _write_object(members: Mapping[str, Any], parts: list[str]) -> None:
    # Keys that JavaScript takes for one and the same are one member: where the first stood, with the last one's value.
    ordered = {_joined(key): item for key, item in members.items()}
    indexes = sorted((key for key in ordered if _is_index(key)), key=int)
    separator = "{"
    for key in (*indexes, *(key for key in ordered if not _is_index(key))):
        parts.append(f"{separator}{_quoted(key)}:")
        _write(ordered[key], parts)
        separator = ","
    parts.append("{}" if separator == "{" else "}")


def _is_index(key: str) -> bool:
    return _INDEX.fullmatch(key) is not None and int(key) <= _LARGEST_INDEX


def _joined(text: str) -> str:
    """`text` with each pair of surrogates as the one character that it stands for."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def _quoted(text: str) -> str:
    return f'"{_ESCAPED.sub(_escape, text)}"'


def _escape(found: re.Match[str]) -> str:
    char = found[0]
    return _SHORT.get(char) or f"\\u{ord(char):04x}"


def _number(value: float) -> str:
    try:
        double = float(value)
    except OverflowError:
        return "null"
    if not math.isfinite(double):
        return "null"
    if double == 0:
        return "0"
    sign, digits, point = _digits(double)
    return sign + _placed(digits, point)


def _digits(double: float) -> tuple[str, str, int]:
    """The sign, the shortest digits that make the double, and where the decimal point is among them."""
    mantissa, _, exponent = repr(abs(double)).partition("e")
    sign = "-" if double < 0 else ""
    whole, _, fraction = mantissa.partition(".")
    digits = whole + fraction
    point = len(whole) + int(exponent or 0)
    stripped = digits.lstrip("0")
    point -= len(digits) - len(stripped)
    return sign, stripped.rstrip("0"), point


def _placed(digits: str, point: int) -> str:
    """The digits with their decimal point: in full from 1e-6 to below 1e+21, else with an exponent."""
    if len(digits) <= point <= 21:
        return digits.ljust(point, "0")
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"0.{digits.rjust(len(digits) - point, '0')}"
    rest = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{digits[0]}{rest}e{point - 1:+d}"
