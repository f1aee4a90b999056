"""Structs, unions and exceptions: their Python side and their codec."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from mesh.contract.codec import types
from mesh.contract.codec.classes import dress
from mesh.contract.codec.errors import CodecError
from mesh.contract.codec.reading import reader, whole_reader
from mesh.contract.codec.shape import Shape
from mesh.contract.codec.writing import whole_writer, writer
from mesh.contract.model import Field


def prepare(cls: Any, fields: tuple[Field, ...], path: str, *, union: bool = False) -> None:
    """Makes thriftpy2's class `cls` fit for use: constructor, repr, equality, `__mesh_fields__`.

    `fields` in the order of the text; `path` names the struct in errors; `union` says that exactly one field is set
    (thriftpy2 tells unions apart only in `module.__thrift_meta__["unions"]`). Raises `CodecError` for a type that has
    no Python form (a map inside a set's element or a map's key).
    """
    try:
        slots = types.slots(cls, fields)
    except CodecError as error:
        raise error.under(path) from None
    dress(cls, slots)
    cls.__mesh_fields__ = fields
    cls.__mesh_codec__ = StructCodec(Shape(cls.__name__, path, types.by_id(slots), _Codecs(), cls=cls, union=union))


def codec_of(cls: Any) -> StructCodec:
    """The codec of a prepared class, kept on the class and generated when first used."""
    try:
        codec: StructCodec = cls.__mesh_codec__
    except AttributeError:
        raise TypeError(f"{cls!r} is not a struct of a loaded contract") from None
    return codec


class StructCodec:
    """One struct's bytes, without an envelope. Its functions raise `CodecError`; each is generated at first use."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape

    @cached_property
    def encode(self) -> Callable[[Any], bytes]:
        """`f(obj) -> bytes`."""
        return whole_writer(self._shape)

    @cached_property
    def decode(self) -> Callable[[bytes], Any]:
        """`f(data) -> obj`; `data` holds the struct and nothing else."""
        return whole_reader(self._shape)

    @cached_property
    def write(self) -> Callable[[Any, int], bytes]:
        """`f(obj, depth) -> bytes`, inside another struct."""
        return writer(self._shape)

    @cached_property
    def read(self) -> Callable[[bytes, int, int, int], tuple[Any, int]]:
        """`f(data, offset, end, depth) -> (obj, offset behind it)`, inside another struct."""
        return reader(self._shape)


class _Codecs:
    """Finds the functions of other structs when generated code first needs them."""

    def reader(self, cls: Any) -> Callable[..., Any]:
        return codec_of(cls).read

    def writer(self, cls: Any) -> Callable[..., bytes]:
        return codec_of(cls).write


def part_of(name: str, root: str, slots: tuple[types.Slot, ...], **how: Any) -> Shape:
    """The shape of a method's arguments or result."""
    return Shape(name, root, types.by_id(slots), _Codecs(), **how)
