"""Select the content coding of a response by the request's `Accept-Encoding` (RFC 9110, section 12.5.3). Pure."""

from __future__ import annotations

from collections.abc import Iterable


def preferred_encoding(accepted: str, available: Iterable[str]) -> str | None:
    """Return the available coding that the client prefers; of equal ones, the first. None stands for no coding.

    `accepted` is the value of the header. A coding with an unreadable weight is not accepted.
    """
    weights: dict[str, float] = {}
    for item in accepted.lower().split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        if name:
            weights[name] = _weight(parameters)
    weight, position, best = 0.0, 0, None
    for index, name in enumerate(available):
        found = weights.get(name, weights.get("*", 0.0))
        if (found, -index) > (weight, -position) and found > 0:
            weight, position, best = found, index, name
    return best


def _weight(parameters: list[str]) -> float:
    """Return the weight of a coding: from 0, not accepted, to 1."""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                weight = float(value)
            except ValueError:
                return 0.0
            return weight if 0 <= weight <= 1 else 0.0
    return 1.0
