"""Annotations: which there are, where each may stand, what values it takes, and the `Policy` they add up to.

One rule: a typo must not pass. An unknown key is an error unless it stands under another tool's prefix (`py.`, `go.`),
and a value that does not fit is answered with those that do.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mesh.contract.model import FaultOf, Priority
from mesh.contract.problem import Findings
from mesh.contract.syntax import Annotation

# A day: a deadline travels as 32 bits of milliseconds, and a call that takes longer than this is a job, not a call.
MAX_TIMEOUT_MS = 24 * 3600 * 1000
# Every execution multiplies the load on a service that is in trouble; ten is beyond any sensible policy.
MAX_ATTEMPTS = 10
# 32 MiB: the largest message that any TChannel library was seen to carry.
MAX_MESSAGE_BYTES = 32 * 1024 * 1024
MAX_WINDOW_S = 366 * 86400  # a year: nobody keeps a promise's record for longer
MAX_TEXT = 500  # characters of an owner or a deprecation: it stands in one log line
MAX_PATTERN = 1000  # characters of a regular expression

Reader = Callable[[str], Any]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")  # fits TChannel's 255 bytes and a DNS label's 63
_WINDOW = re.compile(r"([1-9][0-9]{0,5})([mhd])")
_SECONDS = {"m": 60, "h": 3600, "d": 86400}


def _whole(low: int, high: int) -> Reader:
    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,18}", text) or not low <= int(text) <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return int(text)

    return read


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError('"true" or "false"')
    return text == "true"


def _one_of(kind: type[Priority] | type[FaultOf]) -> Reader:
    def read(text: str) -> Priority | FaultOf:
        try:
            return kind(text)
        except ValueError:
            raise ValueError(" or ".join(f'"{member}"' for member in kind)) from None

    return read


def _milliseconds(text: str) -> float:
    value = _decimal(text)
    if value is None or not 0 < value <= MAX_TIMEOUT_MS:
        raise ValueError(f"milliseconds, above 0 and at most {MAX_TIMEOUT_MS}")
    return value


def _percent(text: str) -> float:
    value = _decimal(text)
    if value is None or not 0 < value < 100:
        raise ValueError("a percentage above 0 and below 100 (100 leaves no error budget)")
    return value


def _window(text: str) -> int:
    match = _WINDOW.fullmatch(text)
    seconds = int(match[1]) * _SECONDS[match[2]] if match else 0
    if not 60 <= seconds <= MAX_WINDOW_S:
        raise ValueError('a time from "1m" to "366d", in minutes (m), hours (h) or days (d), as in "30d"')
    return seconds


def _decimal(text: str) -> float | None:
    if not re.fullmatch(r"[+-]?([0-9]{1,30}(\.[0-9]{0,30})?|\.[0-9]{1,30})([eE][+-]?[0-9]{1,3})?", text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def _number(text: str) -> int | float:
    if re.fullmatch(r"[+-]?[0-9]{1,19}", text):
        return int(text)
    value = _decimal(text)
    if value is None:
        raise ValueError("a number")
    return value


def _sentence(text: str) -> str:
    if not text.strip() or len(text) > MAX_TEXT or not text.isprintable():
        raise ValueError(f"a text of 1 to {MAX_TEXT} printable characters on one line")
    return text


def _registry_name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError("1 to 63 letters, digits, dots, dashes and underscores, a letter or digit first")
    return text


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"a regular expression of Python's re ({error})") from None
    if len(text) > MAX_PATTERN:
        raise ValueError(f"a regular expression of at most {MAX_PATTERN} characters")
    return text


_BOTH: dict[str, Reader] = {
    "timeout_ms": _whole(1, MAX_TIMEOUT_MS),
    "attempt_timeout_ms": _whole(1, MAX_TIMEOUT_MS),
    "attempts": _whole(1, MAX_ATTEMPTS),
    "priority": _one_of(Priority),
    "sla.availability": _percent,
    "sla.p99_ms": _milliseconds,
    "sla.p50_ms": _milliseconds,
}
SERVICE: Mapping[str, Reader] = {"name": _registry_name, "owner": _sentence, "sla.window": _window, **_BOTH}
FUNCTION: Mapping[str, Reader] = {
    **_BOTH,
    "idempotent": _flag,
    "hedge": _flag,
    "max_request_bytes": _whole(1, MAX_MESSAGE_BYTES),
    "max_response_bytes": _whole(1, MAX_MESSAGE_BYTES),
    "deprecated": _sentence,
}
FIELD: Mapping[str, Reader] = {
    "deprecated": _sentence,
    "pii": _flag,
    "min": _number,
    "max": _number,
    "max_length": _whole(0, 2**31 - 1),
    "pattern": _pattern,
}
EXCEPTION: Mapping[str, Reader] = {"fault": _one_of(FaultOf)}
NONE: Mapping[str, Reader] = {}

_PLACES = {"service": SERVICE, "function": FUNCTION, "field": FIELD, "exception": EXCEPTION}


def read(
    annotations: Iterable[Annotation],
    known: Mapping[str, Reader],
    place: str,
    findings: Findings,
    *,
    foreign: bool = False,
) -> dict[str, Any]:
    """The values of `annotations` by key, each with its type. What is wrong goes to `findings`.

    `place` names in messages what they stand on. A `foreign` contract was not written for mesh: keys that nobody here
    knows pass there.
    """
    values: dict[str, Any] = {}
    seen: set[str] = set()
    for note in annotations:
        if note.key in seen:
            findings.error(note.line, f"annotation {note.key!r} stands twice on this {place}; keep one of the two")
            continue
        seen.add(note.key)
        reader = known.get(note.key)
        if reader is None:
            if not foreign and ("." not in note.key or note.key.startswith("sla.")):
                findings.error(note.line, _unknown(note.key, known, place))
        elif note.value is None:
            findings.error(note.line, f'annotation {note.key!r} needs a value, as in {note.key} = "..."')
        else:
            _read_value(note, reader, values, findings)
    return values


def _read_value(note: Annotation, reader: Reader, values: dict[str, Any], findings: Findings) -> None:
    try:
        values[note.key] = reader(note.value or "")
    except ValueError as error:
        findings.error(note.line, f'{note.key} = "{(note.value or "")[:60]}": must be {error}')


def _unknown(key: str, known: Mapping[str, Reader], place: str) -> str:
    elsewhere = [name for name, keys in _PLACES.items() if key in keys]
    if elsewhere:
        return f"annotation {key!r} belongs on a {' or a '.join(elsewhere)}, not on a {place}"
    close = difflib.get_close_matches(key, known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    allowed = f"; a {place} may have {', '.join(sorted(known)) or 'none of mesh'}"
    return f"unknown annotation {key!r}{hint or allowed} (keys of other tools have a prefix, as in py.{key})"
