"""Logs: one JSON object a line on stderr, ours and the libraries' alike.

Whoever begins something about one upload binds its id (`about`), so that every line told meanwhile has it.
"""

from __future__ import annotations

import logging
import sys
from contextlib import AbstractContextManager

import structlog
from structlog.tracebacks import ExceptionDictTransformer


def about(upload_id: str, **more: object) -> AbstractContextManager[None]:
    """Until the context is left, lines of this task, and of what it starts, tell which upload they are about."""
    return structlog.contextvars.bound_contextvars(upload=upload_id, **more)


def configure(level: str) -> None:
    """Log from `level` on. Libraries are heard only when something is wrong."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),  # they may hold secrets
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for ours in ("roomcast", "roomcast_workers"):
        logging.getLogger(ours).setLevel(level.upper())
