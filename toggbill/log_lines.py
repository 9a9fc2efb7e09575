"""Lines of the log: one form for every logger of the process, text or JSON, each with what it is about. No Django.

A line carries ``firm``, ``dossier`` and ``reference`` (of an invoice) where they are known, the ``task_id`` of a
worker's task and the ``request_id`` of a visitor's request, which a task that the request asked for has, too. Whoever
does something for an invoice or a dossier says so with ``about``; requests and tasks are named by django-structlog.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import Processor

from toggbill.masking import masked, masked_deeply

_Event = MutableMapping[str, Any]
_BEFORE: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]
# In this order behind the message, whatever else a line says follows.
_NAMES = ("firm", "dossier", "reference", "task", "task_id", "request_id")


@contextmanager
def about(**names: str) -> Iterator[None]:
    """Lines that are written meanwhile, in this thread, are about these: ``firm``, ``dossier``, ``reference``."""
    with structlog.contextvars.bound_contextvars(**names):
        yield


def bind(**names: str) -> None:
    """The same to the end of the request or task."""
    structlog.contextvars.bind_contextvars(**names)


def configure() -> None:
    """Loggers of structlog write through those of the standard library."""
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *_BEFORE, ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def settings_of(form: str) -> dict[str, Any]:
    """The settings of Django and django-structlog for lines that are written as ``text`` or as ``json``."""
    return {
        "LOGGING": {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"line": {"()": "toggbill.log_lines.formatter", "form": form}},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
            "root": {"handlers": ["stderr"], "level": "INFO"},
            "loggers": {
                # Django's own would write a second line, and mail, in words of their own.
                "django": {"handlers": [], "level": "INFO"},
                # What django-structlog says of every request and task, with all that it is about.
                "django.request": {"level": "CRITICAL"},
                "django.server": {"handlers": [], "level": "CRITICAL"},
                "celery.app.trace": {"level": "CRITICAL"},
                "celery": {"level": "WARNING"},
            },
        },
        # A visitor's address is ours to find (``TRUSTED_PROXIES``), and a stranger names no request.
        "DJANGO_STRUCTLOG_IP_LOGGING_ENABLED": False,
        "DJANGO_STRUCTLOG_TRUST_UPSTREAM_REQUEST_ID": False,
        # To ask for it is to read the database, which may be what is away.
        "DJANGO_STRUCTLOG_USER_ID_FIELD": None,
        "DJANGO_STRUCTLOG_CELERY_ENABLED": True,
        "DJANGO_STRUCTLOG_STATUS_START_LOG_LEVEL": logging.DEBUG,
        "DJANGO_STRUCTLOG_STATUS_4XX_LOG_LEVEL": logging.INFO,
        "DJANGO_STRUCTLOG_CELERY_TASK_START_LOG_LEVEL": logging.DEBUG,
        "DJANGO_STRUCTLOG_CELERY_TASK_FAILURE_LOG_LEVEL": logging.ERROR,
    }


def formatter(form: str) -> logging.Formatter:
    """Writes a line as ``text`` or as ``json``; tokens and codes are masked (``masking``), in tracebacks, too."""
    return _Masked(
        foreign_pre_chain=_BEFORE,
        processors=[
            ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            _mask,
            _json if form == "json" else _text,
        ],
    )


class _Masked(ProcessorFormatter):
    def format(self, record: logging.LogRecord) -> str:
        # Once more as a whole: what a value says and what stands before it may be a secret together only.
        return masked(super().format(record))


def _mask(_logger: Any, _method: str, event: _Event) -> Mapping[str, Any]:
    found: Mapping[str, Any] = masked_deeply({name: _plain(value) for name, value in event.items()})
    return found


def _plain(value: Any) -> Any:
    """A value that JSON has: what is unknown to it becomes a text, so that it is masked as one."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return str(value)


def _json(_logger: Any, _method: str, event: _Event) -> str:
    return json.dumps(event, ensure_ascii=False)


def _text(_logger: Any, _method: str, event: _Event) -> str:
    rest = dict(event)
    head = [rest.pop(name, "") for name in ("timestamp", "level", "logger", "event")]
    tail = [rest.pop(name) for name in ("stack", "exception") if name in rest]
    ordered = {name: rest.pop(name) for name in _NAMES if name in rest} | rest
    line = " ".join([*map(str, head), *(f"{name}={value}" for name, value in ordered.items())])
    # A line is one: what came from outside begins no other.
    return "\n".join([line.replace("\r", "\\r").replace("\n", "\\n"), *map(str, tail)])
