"""The checksums of a message's arguments.

One rule: each function takes (bytes, last value) and starts at 0, so a message's sum is the fold over its chunks.

CRC-32C comes from PyPI `crc32c`: compiled, typed, uses the CPU's instruction. `google-crc32c` is as fast (both 0.1 us
for a small call, 3 us for 64 KiB) but falls back to pure Python without a word where its wheel is missing.
"""

from __future__ import annotations

import enum
import zlib
from collections.abc import Callable

import crc32c


class Checksum(enum.IntEnum):
    """Types by their number on the wire. FARMHASH works nowhere but inside Node: known by name, never accepted."""

    NONE = 0
    CRC32 = 1
    FARMHASH = 2
    CRC32C = 3


SumFunction = Callable[[bytes, int], int]


def _none(data: bytes, value: int) -> int:
    return 0


# By type; a type that is missing here is refused.
FUNCTIONS: dict[int, SumFunction] = {
    Checksum.NONE: _none,
    Checksum.CRC32: zlib.crc32,
    Checksum.CRC32C: crc32c.crc32c,
}
