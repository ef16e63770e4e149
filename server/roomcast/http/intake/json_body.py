"""Read request bodies in JSON: within a size and a time, into a model, with an error that stays small."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from roomcast.errors import Malformed, Stalled, TooLarge

_BODY_SECONDS = 10.0
"""How long a body may take to arrive. The largest is a megabyte."""

_MAX_ERRORS = 10
"""The number of mistakes that a response lists."""

Model = TypeVar("Model", bound=BaseModel)


async def read_json(request: web.Request, model: type[Model], what: str, *, max_bytes: int) -> Model:
    """Return the body as a `model`.

    Raise `Malformed` with the first mistakes, `TooLarge` for more than `max_bytes`, and `Stalled` when the body does
    not arrive in time. `what` is the name of the body in the message.
    """
    return parse_json(await _read(request, max_bytes), model, what)


def parse_json(body: bytes, model: type[Model], what: str) -> Model:
    """Parse a body. Raise `Malformed` with the first mistakes."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise Malformed(f"The {what} is not valid.", details={"fields": _mistakes(error)}) from error


async def _read(request: web.Request, max_bytes: int) -> bytes:
    if (request.content_length or 0) > max_bytes:
        raise TooLarge.than(max_bytes, "The body")
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > max_bytes:
                    raise TooLarge.than(max_bytes, "The body")
    except TimeoutError:
        raise Stalled("The body did not arrive in time.") from None
    return bytes(body)


def _mistakes(error: ValidationError) -> list[dict[str, Any]]:
    mistakes = error.errors(include_url=False, include_context=False, include_input=False)[:_MAX_ERRORS]
    return [{"at": ".".join(map(str, mistake["loc"])), "why": mistake["msg"]} for mistake in mistakes]
