"""Logs: constant event names with fields, through stdlib logging, as JSON or for a console."""

import logging
import sys
from typing import Any

import structlog


def configure(log_format: str) -> None:
    """Route structlog and every library through one handler on stderr.

    `auto` is the console form on a terminal and JSON elsewhere.
    """
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderer(console=log_format == "console" or _on_terminal(log_format)),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    # httpx logs a line per request: hundreds a second.
    logging.getLogger("httpx").setLevel(logging.WARNING)


def _on_terminal(log_format: str) -> bool:
    return log_format == "auto" and sys.stderr.isatty()


def _renderer(*, console: bool) -> list[Any]:
    if console:
        return [structlog.dev.ConsoleRenderer()]
    # Locals in tracebacks could hold what must not be logged.
    tracebacks = structlog.processors.ExceptionRenderer(
        structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    )
    return [tracebacks, structlog.processors.JSONRenderer()]
