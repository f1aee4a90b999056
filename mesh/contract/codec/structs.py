"""Structs, unions and exceptions: their Python side and their codec."""

from __future__ import annotations

from typing import Any, Protocol

from mesh.contract.model import Field


class StructCodec(Protocol):
    """One struct's bytes, without an envelope. Both raise `CodecError`."""

    def encode(self, obj: Any) -> bytes: ...
    def decode(self, data: bytes) -> Any: ...


def prepare(cls: type, fields: tuple[Field, ...], path: str, *, union: bool = False) -> None:
    """Makes thriftpy2's class `cls` fit for use: constructor, repr, equality, `__mesh_fields__`.

    `fields` in the order of the text; `path` names the struct in errors; `union` says that exactly one field is set
    (thriftpy2 tells unions apart only in `module.__thrift_meta__["unions"]`). Raises `CodecError` for a type that has no
    Python form (a map inside a set's element or a map's key).
    """
    raise NotImplementedError


def codec_of(cls: type) -> StructCodec:
    """The codec of a prepared class, kept on the class and generated when first used."""
    raise NotImplementedError
