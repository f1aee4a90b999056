"""From a registry's address to the registry.

One rule: a secret never stands in an address, because addresses end up in logs, in process lists and on web pages.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tornado.netutil import Resolver

from mesh.call.clock import Clock, LoopClock
from mesh.discovery.address import parse_address, without_secrets
from mesh.discovery.consul_registry import ConsulRegistry
from mesh.discovery.file_registry import FileRegistry
from mesh.discovery.peers_file import SUFFIXES
from mesh.discovery.registry import Registry
from mesh.discovery.static_registry import StaticRegistry

FORMS = (
    "consul://HOST:PORT,...[?dc=NAME&token_file=PATH&wait_s=SECONDS], consul+https://HOST:PORT,...[?ca_file=PATH], "
    "file://PATH.toml (or .json), static://HOST:PORT,..."
)
TOKEN_ENVS = ("MESH_CONSUL_TOKEN", "CONSUL_HTTP_TOKEN")  # the second is Consul's own
MAX_TOKEN_BYTES = 4096
MAX_AGENTS = 9  # a cluster has three to seven servers; each one away costs a request 2 s before the next is asked

_CONSUL_PORT = 8500
_MAX_WAIT_S = 600.0  # Consul allows no more


def open_registry(
    url: str,
    *,
    token: str | None = None,
    zone: str | None = None,
    clock: Clock | None = None,
    rng: random.Random | None = None,
    resolver: Resolver | None = None,
    check_timeout_s: float | None = None,
) -> Registry:
    """The registry at `url`; enter it with `async with`. Opens no connection yet; needs a running loop.

    Several addresses of a Consul are agents of one cluster, the nearest first: when one does not answer, the next is
    asked. `token` is Consul's ACL token; without it `token_file` in the URL, then the environment's MESH_CONSUL_TOKEN
    or CONSUL_HTTP_TOKEN counts. `zone` is where this process runs: what it registers is there. `resolver` looks up
    Consul's host name. `check_timeout_s` is how long Consul waits for a registered process to answer its health check.
    Raises ValueError for an address that makes no sense.
    """
    scheme, separator, rest = url.partition("://")
    clock = clock or LoopClock()
    if not separator:
        raise ValueError(f"no registry address; allowed are {FORMS}")
    if scheme in ("consul", "consul+https"):
        return _consul(
            url,
            token=token,
            zone=zone,
            clock=clock,
            rng=rng or random.Random(),
            resolver=resolver,
            check_timeout_s=check_timeout_s,
        )
    if scheme == "file":
        return _file(url, unquote(rest), zone=zone, clock=clock)
    if scheme == "static":
        return _static(url, rest, clock=clock)
    raise ValueError(f"unknown registry {scheme}://; allowed are {FORMS}")


def _consul(
    url: str,
    *,
    token: str | None,
    zone: str | None,
    clock: Clock,
    rng: random.Random,
    resolver: Resolver | None,
    check_timeout_s: float | None,
) -> ConsulRegistry:
    # Only who uses Consul pays for it: py-consul brings in `requests`, a tenth of a second at every start.
    from mesh.discovery.consul_agents import ConsulAgents
    from mesh.discovery.consul_api import CHECK_TIMEOUT_S, WAIT_S, ConsulApi

    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if "@" in parts.netloc or "token" in options:
        raise ValueError(f"a token does not belong into a registry's address; use {TOKEN_ENVS[0]} or ?token_file=PATH")
    if parts.path not in ("", "/") or parts.fragment:
        raise ValueError(f"a Consul address is consul://HOST:PORT,...[?...], not {without_secrets(url)!r}")
    addresses = consul_addresses(parts.netloc)
    tls = parts.scheme == "consul+https"
    token_file, dc = options.pop("token_file", None), options.pop("dc", None)
    ca_file = options.pop("ca_file", None) if tls else None
    wait_s = _seconds(options.pop("wait_s", str(WAIT_S)))
    if options:
        known = "dc, token_file, wait_s" + (", ca_file" if tls else "")
        raise ValueError(f"unknown option {sorted(options)[0]!r} of a Consul address; known are {known}")
    if ca_file is not None and not Path(ca_file).is_file():
        raise ValueError(f"there is no file {ca_file} with the certificate authority")
    token = _token(token, token_file)
    more: dict[str, Any] = {"dc": dc, "wait_s": wait_s, "tls": tls, "ca_file": ca_file, "resolver": resolver}
    more["check_timeout_s"] = CHECK_TIMEOUT_S if check_timeout_s is None else check_timeout_s
    apis = [ConsulApi(host, port, token=token, **more) for host, port in addresses]
    shown = f"{parts.scheme}://{','.join(api.name for api in apis)}"
    return ConsulRegistry(
        shown, apis[0] if len(apis) == 1 else ConsulAgents(apis, clock=clock), clock=clock, rng=rng, zone=zone
    )


def consul_addresses(text: str) -> tuple[tuple[str, int], ...]:
    """`HOST[:PORT],...` as pairs, without doubles; the port is 8500 where none stands. Raises ValueError."""
    found = []
    for part in text.split(","):
        found.append(parse_address(part if part.rpartition("]")[2].count(":") else f"{part}:{_CONSUL_PORT}"))
    if len(found) > MAX_AGENTS:
        raise ValueError(f"{len(found)} Consul addresses; {MAX_AGENTS} are enough")
    return tuple(dict.fromkeys(found))


def token_for(url: str, given: str | None = None) -> str | None:
    """The ACL token that requests to this Consul carry. Raises ValueError for a file that holds none."""
    return _token(given, dict(parse_qsl(urlsplit(url).query)).get("token_file"))


def _token(given: str | None, file: str | None) -> str | None:
    if given is None and file is not None:
        return _read_token(Path(file))
    name = next((name for name in TOKEN_ENVS if os.environ.get(name)), "")
    token = (given or os.environ.get(name, "")).strip()
    if not (token.isascii() and token.isprintable() and len(token) <= MAX_TOKEN_BYTES):
        # Said here, because the HTTP client's own complaint about such a header repeats it.
        raise ValueError(f"the ACL token{f' in {name}' if name and not given else ''} is no text of one line in ASCII")
    return token or None


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 1.0 <= seconds <= _MAX_WAIT_S:
        raise ValueError(f"wait_s is a number of seconds from 1 to {_MAX_WAIT_S:.0f}, not {text!r}")
    return seconds


def _read_token(path: Path) -> str:
    try:
        with path.open("rb") as file:
            token = file.read(MAX_TOKEN_BYTES).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read the token file {path}: {getattr(error, 'strerror', 'no ASCII text')}") from None
    if not token or not token.isprintable():
        raise ValueError(f"the token file {path} holds no token of one line")
    return token


def _file(url: str, rest: str, *, zone: str | None, clock: Clock) -> FileRegistry:
    path = Path(rest).absolute()
    if path.suffix not in SUFFIXES:
        raise ValueError(f"a peers file ends in {' or '.join(SUFFIXES)}, not {url!r}")
    if not path.parent.is_dir():
        raise ValueError(f"there is no folder {path.parent} for the peers file {path.name}")
    return FileRegistry(f"file://{path}", path, clock=clock, zone=zone)


def _static(url: str, rest: str, *, clock: Clock) -> StaticRegistry:
    addresses = tuple(parse_address(part) for part in rest.split(",") if part.strip())
    if not addresses:
        raise ValueError(f"{without_secrets(url)!r} names no HOST:PORT")
    return StaticRegistry(without_secrets(url), addresses, clock=clock)
