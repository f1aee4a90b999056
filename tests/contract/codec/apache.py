"""Apache Thrift's own Python library as the judge: its classes are built from thriftpy2's specs, its readers and
writers (the pure ones and the C ones) are used unchanged.
"""

from __future__ import annotations

import struct
from typing import Any

from thrift.protocol.TBinaryProtocol import TBinaryProtocol, TBinaryProtocolAccelerated
from thrift.Thrift import TType
from thrift.transport.TTransport import TMemoryBuffer
from thrift.TRecursive import fix_spec

from mesh.contract.codec import types as spec
from mesh.contract.codec.types import Slot, Type
from tests.contract.codec.everything import STRUCTS

_TWINS: dict[Any, Any] = {}


class _Struct:
    """What Apache's compiler generates for a struct, with the frozen containers that set elements and keys need."""

    thrift_spec: tuple[Any, ...] = ()

    def read(self, protocol: Any) -> None:
        if protocol._fast_decode is not None:
            protocol._fast_decode(self, protocol, [self.__class__, self.thrift_spec])
        else:
            protocol.readStruct(self, self.thrift_spec)

    def write(self, protocol: Any) -> None:
        if protocol._fast_encode is not None:
            protocol.trans.write(protocol._fast_encode(self, [self.__class__, self.thrift_spec]))
        else:
            protocol.writeStruct(self, self.thrift_spec)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash(repr(sorted(self.__dict__.items())))


def slots_of(cls: Any) -> tuple[Slot, ...]:
    return spec.slots(cls, cls.__mesh_fields__)


def _twin(cls: Any) -> Any:
    return _TWINS.get(cls) or _make(cls)


def _make(cls: Any) -> Any:
    made: Any = type(f"Apache{cls.__name__}", (_Struct,), {})
    _TWINS[cls] = made
    slots = {slot.id: slot for slot in slots_of(cls)}
    made.thrift_spec = tuple(_line(slots.get(number)) for number in range(max(slots, default=-1) + 1))
    made.ours = cls

    def __init__(self: Any) -> None:
        for slot in slots.values():
            setattr(self, slot.name, theirs(slot.type, getattr(cls(), slot.name)))

    made.__init__ = __init__
    return made


def empty(cls: Any) -> Any:
    """An object of Apache's class for our `cls`, its fields at their defaults."""
    return _twin(cls)()


def _line(slot: Slot | None) -> tuple[Any, ...] | None:
    return None if slot is None else (slot.id, slot.type.code, slot.name, _arguments(slot.type, False), None)


def _arguments(type: Type, hashed: bool) -> Any:
    if type.code == TType.STRUCT:
        return [_twin(type.cls), None]
    if type.code == TType.STRING:
        return "BINARY" if type.binary else "UTF8"
    if type.code == TType.MAP:
        key, value = type.args
        return (key.code, _arguments(key, True), value.code, _arguments(value, False), False)
    if type.code in (TType.LIST, TType.SET):
        (item,) = type.args
        return (item.code, _arguments(item, hashed or type.code == TType.SET), hashed)
    return None


def theirs(type: Type, value: Any) -> Any:
    """Our value as Apache's. A set becomes a list in our order, so that both write the same bytes."""
    if value is None:
        return None
    if type.code == TType.STRUCT:
        made = _twin(type.cls)()
        for slot in slots_of(type.cls):
            setattr(made, slot.name, theirs(slot.type, getattr(value, slot.name)))
        return made
    if type.code == TType.MAP:
        return _Pairs([(theirs(type.args[0], key), theirs(type.args[1], item)) for key, item in value.items()])
    if type.code in (TType.LIST, TType.SET):
        return [theirs(type.args[0], item) for item in value]
    return value


class _Pairs(dict[Any, Any]):
    """A dict whose keys need no hash: only what Apache's writers ask of one."""

    def __init__(self, pairs: list[tuple[Any, Any]]) -> None:
        super().__init__(enumerate(pairs))
        self._pairs = pairs

    def keys(self) -> Any:
        return [key for key, _ in self._pairs]

    def values(self) -> Any:
        return [value for _, value in self._pairs]

    def items(self) -> Any:
        return self._pairs


def plain(type: Type, value: Any) -> Any:
    """A value of either side as one that compares bit by bit: NaN equals itself, -0.0 is not 0.0, True is not 1."""
    if value is None:
        return None
    if type.code == TType.STRUCT:
        cls = getattr(value.__class__, "ours", value.__class__)
        return (cls.__name__, tuple(plain(slot.type, getattr(value, slot.name)) for slot in slots_of(cls)))
    if type.code == TType.MAP:
        key, item = type.args
        return ("map", frozenset((plain(key, k), plain(item, v)) for k, v in value.items()))
    if type.code == TType.SET:
        return ("set", frozenset(plain(type.args[0], item) for item in value))
    if type.code == TType.LIST:
        return ("list", tuple(plain(type.args[0], item) for item in value))
    if type.code == TType.DOUBLE:
        return ("double", struct.pack(">d", value))
    return (value.__class__.__name__, value)


def type_of(cls: Any) -> Type:
    return Type(spec.STRUCT, cls.__name__, cls)


class _LenientSkip(TBinaryProtocol):
    """Apache's pure reader, except that an unknown string may be a binary: its own skip demands UTF-8, its C one and
    every other language's do not."""

    skipping = False

    def skip(self, ttype: int, max_depth: int = 64) -> None:
        outer, self.skipping = self.skipping, True
        super().skip(ttype, max_depth)
        self.skipping = outer

    def readString(self) -> Any:
        return self.readBinary() if self.skipping else super().readString()


def encode(cls: Any, value: Any) -> bytes:
    """By Apache's pure writer."""
    return written(theirs(type_of(cls), value))


def written(struct: Any) -> bytes:
    buffer = TMemoryBuffer()
    struct.write(TBinaryProtocol(buffer))
    return bytes(buffer.getvalue())


def decode(cls: Any, data: bytes, fast: bool) -> Any:
    """By Apache's pure reader or its C one; all of `data` must be read. Raises whatever Apache raises."""
    made = _twin(cls)()
    buffer = TMemoryBuffer(data)
    made.read(TBinaryProtocolAccelerated(buffer, fallback=False) if fast else _LenientSkip(buffer))
    if buffer.cstringio_buf.tell() != len(data):
        raise ValueError("bytes left over")
    return made


for _cls in STRUCTS.values():
    _twin(_cls)
fix_spec(list(_TWINS.values()))
