"""Where a node's settings come from: environment, then the file, then the program's own defaults.

One rule: a variable of this table wins over the file. Other `MESH_` variables belong to somebody else (the dev
cluster, a service); one that is nearly a name of this table is most likely a typo and warns.
"""

from __future__ import annotations

import dataclasses
import difflib
import enum
import logging
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mesh.config.builder import FILE_SUFFIX, ConfigError, build, convert, hints
from mesh.config.secret import Secret
from mesh.config.settings import Config

log = logging.getLogger(__name__)

PREFIX = "MESH_"
FILE_VARIABLE = "MESH_CONFIG"
MAX_FILE_BYTES = 1024 * 1024  # settings are a page; a megabyte is the wrong file


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable and the setting that it sets (dotted for a section's)."""

    name: str
    setting: str
    what: str

    @property
    def path(self) -> tuple[str, ...]:
        return tuple(self.setting.split("."))


VARIABLES: tuple[Variable, ...] = (
    Variable("MESH_NAME", "name", "the node's name: how it calls itself as a caller"),
    Variable("MESH_LISTEN", "listen", "HOST:PORT for RPC"),
    Variable("MESH_ADMIN", "admin", "HOST:PORT for the admin side; off for none"),
    Variable("MESH_ADMIN_REMOTE", "admin_remote", "what the admin side shows to other machines: health or all"),
    Variable("MESH_DOCS_CALLS", "docs_calls", "the form of /docs that calls: on, off, or auto (on loopback only)"),
    Variable("MESH_ADVERTISE", "advertise", "HOST:PORT that the registry gives to callers"),
    Variable("MESH_REGISTRY", "registry", "consul://HOST:PORT,..., file://PATH or static://HOST:PORT,..."),
    Variable("MESH_TOKEN", "token", "the registry's ACL token (a secret)"),
    Variable("MESH_TOKEN_FILE", "token_file", "a file that holds the token"),
    Variable("MESH_INSTANCE", "instance", "the id of this process in the registry"),
    Variable("MESH_ZONE", "zone", "where it runs"),
    Variable("MESH_VERSION", "version", "the version of what it runs"),
    Variable("MESH_OWNER", "owner", "the team"),
    Variable("MESH_DATA_DIR", "data_dir", "a folder of its own for what it keeps"),
    Variable("MESH_DRAIN_MS", "drain_ms", "how long calls under way may take to finish when it stops"),
    Variable("MESH_SETTLE_MS", "settle_ms", "how long it still serves after it left the registry"),
    Variable("MESH_THREADS", "threads", "plain def handlers at a time"),
    Variable("MESH_MAX_CALLERS", "max_callers", "callers with a metric label of their own"),
    Variable("MESH_DEBUG", "debug", "calls that carry the debug mark have no deadline here; not for production"),
    Variable("MESH_LOG_FORMAT", "logs.format", "auto, json or text"),
    Variable("MESH_LOG_LEVEL", "logs.level", "debug, info, warning or error"),
    Variable(
        "MESH_WATCHDOG_MS", "watchdog.threshold_ms", "a handler that blocks the loop for longer is logged; 0: off"
    ),
)
_BY_NAME = {variable.name: variable for variable in VARIABLES}


def load(path: Path | str | None, env: Mapping[str, str], defaults: Mapping[str, Any] | None = None) -> Config:
    """A node's settings: `env` over the TOML file over `defaults` over those of `Config`.

    `path` None takes the file that MESH_CONFIG names, if it does. `defaults` has the file's form: what the program
    itself says. Raises ConfigError.
    """
    given = path if path is not None else env.get(FILE_VARIABLE) or None
    settings: dict[str, Any] = {}
    where = "the program's defaults"
    if defaults:
        build(Config, defaults, where)
        _merge(settings, defaults)
    if given is not None:
        where = str(given)
        content = read(Path(given))
        build(Config, content, where)
        _merge(settings, content)
    _merge(settings, _from_environment(env))
    _warn_of_typos(env)
    return build(Config, settings, where if given is not None else "the environment")


def read(path: Path) -> dict[str, Any]:
    """The TOML file as a mapping. Raises ConfigError."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError(f"{path}: larger than {MAX_FILE_BYTES} bytes: that is no configuration")
    try:
        return tomllib.loads(data.decode())
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None


def _from_environment(env: Mapping[str, str]) -> dict[str, Any]:
    """The table's variables as a mapping of the file's form. An empty one counts as not set, but for MESH_ADMIN."""
    if env.get("MESH_TOKEN") and env.get("MESH_TOKEN_FILE"):
        raise ConfigError("MESH_TOKEN and MESH_TOKEN_FILE are both set; set one of the two")
    found: dict[str, Any] = {}
    for variable in VARIABLES:
        text = env.get(variable.name)
        if text is None or (not text and variable.name != "MESH_ADMIN"):
            continue
        section = found
        for step in variable.path[:-1]:
            section = section.setdefault(step, {})
        section[variable.path[-1]] = _parsed(variable, text)
    return found


def _parsed(variable: Variable, text: str) -> Any:
    """The variable's text as its setting's type, checked as the file's values are."""
    cls: Any = Config
    for step in variable.path[:-1]:
        cls = hints(cls)[step]
    name = variable.path[-1]
    types_by_name = hints(cls)
    if name not in types_by_name and name.endswith(FILE_SUFFIX):
        return text  # the builder opens it; the path itself is any text
    field = next(field for field in dataclasses.fields(cls) if field.name == name)
    hint = types_by_name[name]
    shown = "a value that is not shown" if hint is Secret else repr(text)
    return convert(field, hint, _from_text(hint, text, f"{variable.name}: got {shown}, expected"), variable.name)


_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


def _from_text(hint: Any, text: str, complaint: str) -> Any:
    """A text as the value that TOML would have given for the type `hint`."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        arms = [arm for arm in typing.get_args(hint) if arm is not types.NoneType]
        return _from_text(arms[0], text, complaint)
    if hint is bool:
        if text.lower() not in _TRUE + _FALSE:
            raise ConfigError(f"{complaint} true or false")
        return text.lower() in _TRUE
    if hint in (int, float):
        try:
            return hint(text)
        except ValueError:
            raise ConfigError(f"{complaint} {'an int' if hint is int else 'a number'}") from None
    if typing.get_origin(hint) is tuple:
        inner = typing.get_args(hint)[0]
        return tuple(_from_text(inner, item.strip(), complaint) for item in text.split(",") if item.strip())
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return text.lower()
    return text


def _merge(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    """`more` over `into`, section by section. A secret given one way takes the place of the other way."""
    for key, value in more.items():
        into.pop(key.removesuffix(FILE_SUFFIX) if key.endswith(FILE_SUFFIX) else key + FILE_SUFFIX, None)
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = _copy(value)


def _copy(value: Any) -> Any:
    """Tables anew, so that merging into one never changes what was given."""
    return {key: _copy(item) for key, item in value.items()} if isinstance(value, Mapping) else value


def _warn_of_typos(env: Mapping[str, str]) -> None:
    for name in env:
        if not name.startswith(PREFIX) or name in _BY_NAME or name == FILE_VARIABLE:
            continue
        near = difflib.get_close_matches(name, _BY_NAME, n=1, cutoff=0.88)
        if near:
            log.warning("the environment has %s, which nothing reads; did you mean %s?", name, near[0])
