"""Calls and answers of the interop contract as bytes, and a handler that knows what became of its calls."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable

from tests.node.interop import Echo
from tests.wire.thrift.bytes import EXCEPTION, REPLY, call, message


def touch(text: str, seqid: int = 1, name: str = "touch") -> bytes:
    return call(name, seqid, body=b"\x0b\0\1" + text_of(text) + b"\0")


def touched(text: str, seqid: int = 1) -> bytes:
    return call("touch", seqid, REPLY, b"\x0b\0\0" + text_of(text) + b"\0")


def text_of(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">i", len(data)) + data


def slow(ms: int, seqid: int = 1) -> bytes:
    return call("slow", seqid, body=b"\x08\0\1" + struct.pack(">i", ms) + b"\0")


def told(content: bytes, name: str, seqid: int = 1) -> tuple[int, str]:
    """Type and text of an answer that is an error."""
    head = message(name, seqid, EXCEPTION, b"")
    assert content.startswith(head)
    body = content[len(head) :]
    (length,) = struct.unpack_from(">i", body, 3)
    return struct.unpack_from(">i", body, 7 + length + 3)[0], body[7 : 7 + length].decode()


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.001)


class Sleeper(Echo):
    """Knows which of its slow calls were ended."""

    def __init__(self) -> None:
        super().__init__()
        self.running = 0
        self.most = 0
        self.ended: list[str] = []
        self.forgotten: list[str] = []

    async def slow(self, ms):
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(ms / 1000)
            self.ended.append("done")
        except asyncio.CancelledError:
            self.ended.append("cancelled")
            raise
        finally:
            self.running -= 1
        return float(ms)

    async def forget(self, text):
        self.forgotten.append(text)
        if text == "raise":
            raise RuntimeError(text)
