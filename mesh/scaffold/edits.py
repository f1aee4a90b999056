"""A service's lines in `cluster.toml` and in the import contracts of `setup.cfg`, added to the text that is there.

One rule: every edit is read again afterwards. Unless the file then says what it said before and the new service
besides, it is not written; comments and layout are the user's and stay.
"""

from __future__ import annotations

import configparser
import re
import tomllib
from typing import Any

from mesh.scaffold.fault import ScaffoldError

INSTANCES = 2  # one can be restarted while the other serves
_CONTRACT = "importlinter:contract:"
# Where an import contract lists whole services: by its type, the option.
_LISTS = {"layers": "containers", "independence": "modules"}


def add_to_cluster(text: str, service: str) -> str:
    """`cluster.toml` with a table for `service` at its end. Raises ScaffoldError."""
    before = _toml(text)
    services = before.setdefault("services", {})
    if not isinstance(services, dict) or service in services:
        raise ScaffoldError(f"cluster.toml has a service {service!r} already")
    newline = _newline(text)
    gap = "" if not text or text.endswith("\n") else newline
    after = f"{text}{gap}{newline}[services.{service}]{newline}instances = {INSTANCES}{newline}"
    try:
        read = tomllib.loads(after)
    except tomllib.TOMLDecodeError:  # as after `services = {...}` on one line, which cannot be added to
        read = {}
    if read != {**before, "services": {**services, service: {"instances": INSTANCES}}}:
        raise ScaffoldError(
            "cluster.toml is written in a way that a table [services.NAME] cannot be added to",
            "write its services as tables of their own: [services.NAME]",
        )
    return after


def add_to_contracts(text: str, service: str) -> str:
    """`setup.cfg` with `service` in every import contract that lists the services one by one. Raises ScaffoldError."""
    module = f"services.{service}"
    before = _ini(text)
    wanted: list[tuple[str, str]] = []
    covered = False
    for section, options in before.items():
        option = _LISTS.get(options.get("type", "").strip(), "")
        listed = options.get(option, "").split() if section.startswith(_CONTRACT) else []
        if module in listed or "services.*" in listed:
            covered = True
        elif any(each.startswith("services.") for each in listed):
            wanted.append((section, option))
    if not wanted and not covered:
        raise ScaffoldError(
            "setup.cfg has no import contract that lists the services",
            "add one as `mesh new PROJECT` writes it: type layers with `containers`, or independence with `modules`",
        )
    after = text
    for section, option in wanted:
        after = _append(after, section, option, module)
        before[section][option] = "\n".join([before[section][option], module]).strip()
    if {name: _lists(options) for name, options in _ini(after).items()} != {
        name: _lists(options) for name, options in before.items()
    }:
        raise ScaffoldError(f"setup.cfg is written in a way that {module} cannot be added to its import contracts")
    return after


def _append(text: str, section: str, option: str, value: str) -> str:
    """`value` on a line of its own behind the last one of the option's, indented like it."""
    lines = text.splitlines(keepends=True)
    inside = reading = False
    last, indent = -1, "    "
    for number, line in enumerate(lines):
        words = line.strip()
        if words.startswith("[") and not line[0].isspace():
            inside, reading = words == f"[{section}]", False
        elif words and words[0] not in "#;" and inside:
            if not line[0].isspace():
                reading = re.match(rf"{option}\s*[=:]", line, re.IGNORECASE) is not None
                last = number if reading else last
            elif reading:
                last, indent = number, line[: len(line) - len(line.lstrip())]
    if last < 0:
        return text  # which the second reading will not take
    newline = _newline(text)
    if not lines[last].endswith("\n"):
        lines[last] += newline
    lines.insert(last + 1, f"{indent}{value}{newline}")
    return "".join(lines)


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScaffoldError(f"cluster.toml is no valid TOML: {error}") from None


def _ini(text: str) -> dict[str, dict[str, str]]:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(text, "setup.cfg")
    except configparser.Error as error:
        raise ScaffoldError(f"setup.cfg cannot be read: {str(error).splitlines()[0]}") from None
    return {name: dict(parser[name]) for name in parser.sections()}


def _lists(options: dict[str, str]) -> dict[str, list[str]]:
    return {option: value.split() for option, value in options.items()}
