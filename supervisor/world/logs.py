"""Log lines: for people on a terminal, fields for journald, JSON otherwise; always on standard error."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any, TextIO

import structlog
from structlog.tracebacks import ExceptionDictTransformer

from supervisor.world.log_limit import LineLimit
from supervisor.world.systemd import journald

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure_logs(style: str, level: str, stream: TextIO | None = None) -> LineLimit:
    """Set up structlog once, at start, and return what limits it; `style` is "auto", "console" or "json"."""
    limit = LineLimit()
    out = stream or sys.stderr
    if style == "auto" and journald.is_journal(out, os.environ):
        _configure_journal(level, out, limit)
        return limit
    console = style == "console" or (style == "auto" and out.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        limit,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if console else "iso", utc=not console),
    ]
    if console:
        shared.append(
            structlog.dev.ConsoleRenderer(
                colors=out.isatty(), pad_event_to=24, exception_formatter=structlog.dev.plain_traceback
            )
        )
    else:
        # Local variables stay out of tracebacks: among them are the capabilities of sessions.
        tracebacks = structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
        shared += [tracebacks, structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=shared,
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(file=out),
        cache_logger_on_first_use=False,
    )
    return limit


def _configure_journal(level: str, out: TextIO, limit: LineLimit) -> None:
    """Send fields instead of text; journald has the time itself."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            limit,
            structlog.processors.format_exc_info,
            journald.to_fields,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=journald.JournalSocket(out),
        cache_logger_on_first_use=False,
    )
