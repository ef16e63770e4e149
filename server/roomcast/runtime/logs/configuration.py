"""Configure the log of a process: readable lines on a terminal, one JSON object per line elsewhere."""

from __future__ import annotations

import logging
import sys
import warnings
from typing import Any, Literal, get_args

import structlog
from structlog.tracebacks import ExceptionDictTransformer

from roomcast.runtime.logs.console import ConsoleFormatter
from roomcast.runtime.logs.outages import ReportedOutageFilter, drop_reported_outage
from roomcast.runtime.logs.records import OWN_LOGGERS
from roomcast.runtime.logs.terminal import Terminal

log = structlog.get_logger(__name__)

LogFormat = Literal["auto", "console", "json"]
LOG_FORMATS: tuple[LogFormat, ...] = get_args(LogFormat)


def is_console(log_format: LogFormat) -> bool:
    """Return whether a person reads the log: `auto` finds out whether standard error is a terminal."""
    return log_format == "console" or (log_format == "auto" and sys.stderr.isatty())


def configure_logging(level: str, log_format: LogFormat = "auto") -> None:
    """Log from `level` on to standard error. Libraries log only warnings and errors."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
    ]
    if is_console(log_format):
        renderer: structlog.typing.Processor = ConsoleFormatter(Terminal(sys.stderr))
    else:
        renderer = structlog.processors.JSONRenderer()
        shared += [
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            # Local variables may contain secrets.
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
        ]
    structlog.configure(
        processors=[drop_reported_outage, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(ReportedOutageFilter())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in OWN_LOGGERS:
        logging.getLogger(name).setLevel(level.upper())
    log_warnings()


def configure_logging_beside_application(level: str, log_format: LogFormat = "auto") -> None:
    """Log to the application's handlers, or to its structlog; if it has configured neither, as `configure_logging`."""
    if logging.getLogger().handlers or structlog.is_configured():
        log_to_application()
    else:
        configure_logging(level, log_format)


def log_to_application() -> None:
    """Pass what is logged on to the `logging` module, whose levels and handlers are the application's.

    An application that has configured structlog gets it there.
    """
    if structlog.is_configured():
        return
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            drop_reported_outage,
            structlog.contextvars.merge_contextvars,
            # A traceback of rich would show local variables, which may contain secrets.
            structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


def log_warnings() -> None:
    """Log Python warnings as events: the first one of each line of code.

    Python itself would write them to standard error as they are, and remember the text of each. A library's warning may
    quote what a client has sent: control characters, and as many different texts as it likes.
    """
    lines: set[tuple[str, int]] = set()

    def show(message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: Any, **__: Any) -> None:
        if (filename, lineno) not in lines:
            lines.add((filename, lineno))
            where = f"{filename}:{lineno}"
            log.warning("python_warning", category=category.__name__, reason=str(message)[:500], where=where)

    warnings.showwarning = show
    if not sys.warnoptions:
        warnings.simplefilter("always")  # the only action that remembers nothing and ignores nothing
        for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", category)
