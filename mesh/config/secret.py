"""A text that nobody gets to see by accident.

One rule: only `reveal()` gives the value; every way of printing it gives the mask.
"""

from __future__ import annotations

import hmac
from pathlib import Path

MASK = "***"
MAX_SECRET_BYTES = 16 * 1024  # a token or a key; whoever names a larger file has named the wrong one


class Secret:
    """A token or a password."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        if not value:
            raise ValueError("a secret must not be empty; leave the setting out for none")
        self._value = value

    @classmethod
    def from_file(cls, path: Path) -> Secret:
        """The file's text without the white space around it. Raises ValueError when there is none, or too much."""
        try:
            with path.open("rb") as file:
                data = file.read(MAX_SECRET_BYTES + 1)
        except OSError as error:
            raise ValueError(f"cannot read the secret in {path}: {error.strerror}") from None
        if len(data) > MAX_SECRET_BYTES:
            raise ValueError(f"{path} is larger than {MAX_SECRET_BYTES} bytes: that is no secret")
        try:
            text = data.decode().strip()
        except UnicodeDecodeError:
            raise ValueError(f"{path} is not UTF-8 text") from None
        if not text:
            raise ValueError(f"{path} is empty")
        return cls(text)

    def reveal(self) -> str:
        return self._value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled")
