"""`host:port` as text, as everybody who configures a peer writes it.

One rule: what is accepted can be connected to; everything else is refused with what is wrong.
"""

from __future__ import annotations

import re

_USERINFO = re.compile(r"[^/,\s'\"]*@")
_TOKEN = re.compile(r"([?&](?:token|password|secret)=)[^&,\s'\"]*", re.IGNORECASE)


def without_secrets(text: str) -> str:
    """An address, or a text that has some, without passwords and tokens that somebody wrote into them."""
    return _TOKEN.sub(r"\1***", _USERINFO.sub("***@", text))


def parse_address(text: str) -> tuple[str, int]:
    """("127.0.0.1", 7001) for "127.0.0.1:7001"; IPv6 in brackets. Raises ValueError."""
    host, colon, digits = text.strip().rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{without_secrets(text)!r} is no HOST:PORT; an IPv6 address stands in brackets: [::1]:7001")
    if not colon or not host or any(character.isspace() or character in "/@" for character in host):
        raise ValueError(f"{without_secrets(text)!r} is no HOST:PORT")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 5 and 1 <= int(digits) <= 65535):
        raise ValueError(f"{without_secrets(text)!r}: the port must be a number from 1 to 65535")
    return host, int(digits)


def format_address(host: str, port: int) -> str:
    """The inverse of `parse_address`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
