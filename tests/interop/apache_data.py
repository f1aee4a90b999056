"""The values that every client of these tests sends, in Apache's generated classes, and one way to open a client."""

from __future__ import annotations

from idl.interop.ttypes import Colour, Everything, Sample, Shape, Tree
from thrift.protocol.TBinaryProtocol import TBinaryProtocol, TBinaryProtocolAccelerated
from thrift.protocol.THeaderProtocol import THeaderProtocol
from thrift.protocol.TMultiplexedProtocol import TMultiplexedProtocol
from thrift.transport.THeaderTransport import THeaderClientType
from thrift.transport.TSocket import TSocket
from thrift.transport.TTransport import TFramedTransport

MEGABYTE = bytes(range(256)) * 4096


def sample(number: int = 1) -> Sample:
    return Sample(text="häuser", number=-(2**62) + number, items=["a", "", "ß" * 20])


def minimal() -> Everything:
    return Everything(
        flag=False, tiny=-128, small=-32768, medium=-(2**31), large=-(2**63), real=-0.5, text="", raw=b"",
        colour=Colour.RED, sample=sample(), numbers=[], words=set(), counts={}, greeting=None, level=None,
    )  # fmt: skip


def full() -> Everything:
    return Everything(
        flag=True, tiny=127, small=32767, medium=2**31 - 1, large=2**63 - 1, real=1.5e300, text="日本 text",
        raw=bytes(range(256)), colour=Colour.BLUE, sample=sample(), numbers=[1, -1, 0], words={"x", "y"},
        counts={"a": 1, "b": -(2**40)}, shape=Shape(sample=sample(7)), grid=[[sample(1)], [], [sample(2), sample(3)]],
        tags={Colour.GREEN: ["t1", "t2"], Colour.RED: []}, greeting="hi", level=10,
        tree=Tree("root", [Tree("leaf", []), Tree("bare")]), secret="s", code="ABC12",
    )  # fmt: skip


def protocol(form: str, address: str, service: str = "Echo", timeout_s: float = 20.0, *, slow: bool = False):
    """An opened protocol object: `framed`, `multiplexed` or `theader`."""
    host, port = address.rsplit(":", 1)
    socket = TSocket(host, int(port))
    socket.setTimeout(int(timeout_s * 1000))
    binary = TBinaryProtocol if slow else TBinaryProtocolAccelerated
    if form == "theader":
        made = THeaderProtocol(socket, (THeaderClientType.HEADERS,))
    elif form == "multiplexed":
        made = TMultiplexedProtocol(binary(TFramedTransport(socket)), service)
    else:
        made = binary(TFramedTransport(socket))
    made.trans.open()
    return made
