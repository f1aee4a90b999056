"""`.env`: variables beside cluster.toml, in the syntax that shells and compose files made common.

    NAME=value                 spaces around the value are cut; ` # ...` is a comment
    export NAME="a ${OTHER}"   double quotes: \\n \\t \\r \\" \\\\ \\$, and ${...} as below; may go over several lines
    NAME='as it is'            single quotes: nothing means anything, several lines too
    NAME=${OTHER:-default}     $OTHER, ${OTHER}, ${OTHER-if unset}, ${OTHER:-if unset or empty}

`OTHER` is looked up in the outer environment first, then among the lines above; unset, it is empty.

One rule: a value is never part of a message. A complaint says the file, the line's number and the variable's name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from mesh.config import ConfigError

FILE = ".env"
MAX_BYTES = 256 * 1024  # an environment of Linux is 128 KiB a string and a few MB in all; this is a file of settings
_LINE = re.compile(r"[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*")
_BLANK = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|$)")
_SINGLE = re.compile(r"'(?P<value>[^']*)'")
_DOUBLE = re.compile(r'"(?P<value>(?:[^"\\]|\\.)*)"', re.DOTALL)
_BARE = re.compile(r"(?P<value>[^\n]*)")
_COMMENT = re.compile(r"(?:^|[ \t])#.*$")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "$": "$", "\n": ""}
_PART = re.compile(
    r"\\(?P<escape>.)"
    r"|\$\{(?P<braced>[A-Za-z_][A-Za-z0-9_]*)(?:(?P<how>:?-)(?P<default>[^}]*))?\}"
    r"|\$(?P<plain>[A-Za-z_][A-Za-z0-9_]*)",
    re.DOTALL,
)


def read(path: Path, outer: Mapping[str, str]) -> dict[str, str]:
    """The variables in `path`; none when there is no such file. Raises ConfigError."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{path}: larger than {MAX_BYTES} bytes: that is no file of variables")
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text") from None
    if "\0" in text:
        raise ConfigError(f"{path}: has a zero byte, which no environment can hold")
    return parse(text, str(path), outer)


def parse(text: str, where: str, outer: Mapping[str, str]) -> dict[str, str]:
    """The variables of a text; a later line wins. `where` begins every complaint. Raises ConfigError."""
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        blank = _BLANK.match(text, at)
        if blank is not None and blank.end() > at:
            at = blank.end()
            continue
        line = f"{where}: line {text.count(chr(10), 0, at) + 1}"
        head = _LINE.match(text, at)
        if head is None:
            raise ConfigError(f"{line}: expected NAME=value, with a name of letters, digits and _")
        found[head["name"]], at = _value(text, head.end(), f"{line}: {head['name']}", {**found, **outer})
    return found


def _value(text: str, at: int, place: str, known: Mapping[str, str]) -> tuple[str, int]:
    """The value that begins at `at`, and where the next line does."""
    quote = text[at : at + 1]
    if quote not in ("'", '"'):
        bare = _BARE.match(text, at)
        assert bare is not None, "it matches an empty text, too"
        return _filled(_COMMENT.sub("", bare["value"]).strip(), known, escapes=False), bare.end() + 1
    quoted = (_SINGLE if quote == "'" else _DOUBLE).match(text, at)
    if quoted is None:
        raise ConfigError(f"{place}: the quote {quote} is not closed")
    rest = _BLANK.match(text, quoted.end())
    if rest is None:
        raise ConfigError(f"{place}: there is more after the closing quote")
    value = quoted["value"]
    return (value if quote == "'" else _filled(value, known, escapes=True)), rest.end()


def _filled(value: str, known: Mapping[str, str], *, escapes: bool) -> str:
    def part(found: re.Match[str]) -> str:
        if found["escape"] is not None:
            return _ESCAPES.get(found["escape"], found[0]) if escapes else found[0]
        name = found["braced"] or found["plain"]
        missing = name not in known or (found["how"] == ":-" and not known[name])
        return (found["default"] or "") if missing else known[name]

    return _PART.sub(part, value)
