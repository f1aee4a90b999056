"""Structured logs: one line a record, JSON or readable, with the trace id of the call that is being served.

One rule: a line is one line, bounded, and carries no pii: what comes from outside is escaped, and structs show
themselves masked.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import json
import logging
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TextIO

from mesh.call.context import current_or_none

MASK = "***"
MAX_MESSAGE_CHARS = 8 * 1024  # pipes write 4 KiB at once; two of these still read well, more is a dump
MAX_STACK_CHARS = 16 * 1024  # some 200 frames; the innermost and the outermost are kept
MAX_EXTRA_CHARS = 1024  # a field is a name, a number or a short text
MAX_EXTRAS = 32
MAX_DEPTH = 16  # of nested values: recursive structs are data of the outside


class Format(enum.StrEnum):
    """`auto`: readable on a terminal, JSON otherwise."""

    AUTO = "auto"
    JSON = "json"
    TEXT = "text"


class Level(enum.StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class LogSettings:
    """The section `logs` of a node's configuration."""

    format: Format = field(default=Format.AUTO)
    level: Level = field(default=Level.INFO)


def setup(
    format: Format | str = Format.AUTO,
    level: Level | str = Level.INFO,
    stream: TextIO | None = None,
    service: str | None = None,
) -> logging.Handler:
    """Sends every log record of this process to `stream` (stderr by default); takes the place of an earlier setup.

    `service` stands in lines that are written outside of any call. Raises ValueError for an unknown format or level.
    """
    stream = stream if stream is not None else sys.stderr
    terminal = _is_terminal(stream)
    chosen = Format(format)
    if chosen is Format.AUTO:
        chosen = Format.TEXT if terminal else Format.JSON
    handler = MeshHandler(stream)
    color = terminal and not os.environ.get("NO_COLOR")
    handler.setFormatter(JsonFormatter(service) if chosen is Format.JSON else TextFormatter(service, color=color))
    root = logging.getLogger()
    for earlier in [old for old in root.handlers if isinstance(old, MeshHandler)]:
        root.removeHandler(earlier)
    root.addHandler(handler)
    root.setLevel(Level(level).value.upper())
    return handler


class MeshHandler(logging.StreamHandler[TextIO]):
    """The one handler of a process. A reader that went away must not turn every log line into a traceback."""

    def handleError(self, record: logging.LogRecord) -> None:
        if isinstance(sys.exc_info()[1], BrokenPipeError | ValueError):  # ValueError: the stream was closed
            return
        super().handleError(record)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ts, level, logger, service, trace, span, caller, method, msg, the extras, exc."""

    def __init__(self, service: str | None = None) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "ts": _timestamp(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            **_where(self._service),
            "msg": _cut(_message(record), MAX_MESSAGE_CHARS),
        }
        for key, value in _extras(record):
            line.setdefault(key, _plain(value))
        stack = _stack(self, record)
        if stack:
            line["exc"] = _cut_middle(stack, MAX_STACK_CHARS)
        return json.dumps(line, ensure_ascii=False, default=str).translate(JSON_ESCAPES)


_COLORS = {"WARNING": "\x1b[33m", "ERROR": "\x1b[31m", "CRITICAL": "\x1b[31;1m", "DEBUG": "\x1b[2m"}


class TextFormatter(logging.Formatter):
    """For people: time, level, service, message, `key=value`; a stack follows on indented lines."""

    def __init__(self, service: str | None = None, *, color: bool = False) -> None:
        super().__init__()
        self._service = service
        self._color = color

    def format(self, record: logging.LogRecord) -> str:
        where = _where(self._service)
        service = where.pop("service", "")
        level = f"{record.levelname:<7}"
        if self._color and record.levelname in _COLORS:
            level = f"{_COLORS[record.levelname]}{level}\x1b[0m"
        pairs = {**where, **{key: _plain(value) for key, value in _extras(record)}}
        tail = "".join(f" {key}={escape_controls(str(value))}" for key, value in pairs.items())
        message = escape_controls(_cut(_message(record), MAX_MESSAGE_CHARS))
        line = f"{_timestamp(record)[11:23]} {level} {service + ' ' if service else ''}{message}{tail}"
        stack = _stack(self, record)
        if stack:
            lines = _cut_middle(stack, MAX_STACK_CHARS).splitlines()
            line += "".join(f"\n    | {escape_controls(one)}" for one in lines)
        return line


def masked(struct: Any) -> dict[str, Any]:
    """A Thrift struct as a plain dict, `pii` fields (of nested structs too) as `***`; unset fields are left out.

    Raises TypeError for what is no struct of a contract.
    """
    if not hasattr(type(struct), "__mesh_fields__"):
        raise TypeError(f"{type(struct).__name__} is no struct of a loaded contract")
    shown = _mask(struct, 0)
    assert isinstance(shown, dict)
    return shown


def _mask(value: Any, depth: int) -> Any:
    if depth > MAX_DEPTH:
        return "..."
    fields = getattr(type(value), "__mesh_fields__", None)
    if fields is not None:
        pairs = ((item, getattr(value, item.name, None)) for item in fields)
        return {
            item.name: MASK if item.pii else _mask(content, depth + 1) for item, content in pairs if content is not None
        }
    if isinstance(value, Mapping):
        return {_key(key): _mask(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_mask(item, depth + 1) for item in value]
    return value


def _key(key: Any) -> Any:
    """A map's key as a dict can hold it: a struct becomes its masked text."""
    return str(_mask(key, 0)) if hasattr(type(key), "__mesh_fields__") else key


def _where(service: str | None) -> dict[str, str]:
    """Service, trace, caller and method of the call that is being served; those that are known."""
    context = current_or_none()
    found: dict[str, str | None] = {"service": service}
    if context is not None:
        if context.call is not None:
            found = {"service": context.service, "method": context.method, "caller": context.caller}
        if context.trace is not None:
            found["trace"] = context.trace.id
            found["span"] = f"{context.trace.span_id:016x}"
    return {key: _cut(value, MAX_EXTRA_CHARS) for key, value in found.items() if value}


# What the standard library puts into every record; anything else came with `extra=`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def _extras(record: logging.LogRecord) -> list[tuple[str, Any]]:
    return [(key, value) for key, value in vars(record).items() if key not in _STANDARD][:MAX_EXTRAS]


def _plain(value: Any) -> Any:
    """An extra as JSON holds it, bounded. Structs are masked."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, str):
        return _cut(value, MAX_EXTRA_CHARS)
    if dataclasses.is_dataclass(value):
        return _cut(repr(value), MAX_EXTRA_CHARS)
    with contextlib.suppress(TypeError, ValueError, RecursionError):
        shown = _mask(value, 0)
        text = json.dumps(shown, ensure_ascii=False)
        return shown if len(text) <= MAX_EXTRA_CHARS else _cut(text, MAX_EXTRA_CHARS)
    return _cut(repr(value), MAX_EXTRA_CHARS)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:  # a wrong format string must not cost the line, nor the handler that wrote it
        return f"{record.msg!s} (arguments do not fit: {error})"


def _stack(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    parts = []
    if record.exc_info and record.exc_info[0] is not None:
        parts.append(formatter.formatException(record.exc_info))
    if record.stack_info:
        parts.append(record.stack_info)
    return "\n".join(parts)


def _timestamp(record: logging.LogRecord) -> str:
    """UTC, ISO 8601, milliseconds."""
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# json.dumps leaves these as they are, and many readers of lines (and terminals) break at them.
JSON_ESCAPES = {code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), 0x2028, 0x2029)}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def escape_controls(text: str) -> str:
    """Control characters as `\\n`, `\\x1b`: nobody outside writes lines or colours into the log."""
    return _CONTROL.sub(lambda match: match.group().encode("unicode_escape").decode(), text)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}... ({len(text) - limit} more characters)"


def _cut_middle(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n... ({len(text) - limit} characters left out)\n{text[-half:]}"


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except (AttributeError, ValueError):
        return False
