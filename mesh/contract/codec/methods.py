"""A method's arguments and results as bytes.

One rule: a result is field 0 or one declared exception, never both, never something else; void is the stop byte alone.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import cached_property
from typing import Any

from mesh.contract.codec import types
from mesh.contract.codec.checks import READ_PROBLEMS, as_bytes, located
from mesh.contract.codec.errors import CodecError
from mesh.contract.codec.reading import whole_reader
from mesh.contract.codec.shape import Shape
from mesh.contract.codec.skip import trailing, unfit
from mesh.contract.codec.structs import codec_of, part_of
from mesh.contract.codec.writing import whole_writer
from mesh.contract.model import Field, MethodCodec, Throws

_EXCEPTION_DEPTH = 2  # the result is a struct itself


def method_codec(
    wire_name: str,
    args_class: type,
    parameters: tuple[Field, ...],
    result_class: type,
    throws: tuple[Throws, ...],
) -> MethodCodec:
    """The codec of one method, generated when first used. Argument paths read `Pricing::quote.request.km`.

    Raises `CodecError` as `prepare` does.
    """
    try:
        return CompiledMethod(wire_name, args_class, parameters, result_class, throws)
    except CodecError as error:
        raise error.under(wire_name) from None


class CompiledMethod:
    """Fits `model.MethodCodec`; each of its functions is generated when first asked for."""

    def __init__(
        self,
        wire_name: str,
        args_class: type,
        parameters: tuple[Field, ...],
        result_class: Any,
        throws: tuple[Throws, ...],
    ) -> None:
        name = wire_name.replace("::", "_")
        order = tuple(field.name for field in parameters)
        self._wire_name = wire_name
        self._throws = throws
        self._args = part_of(f"{name}_args", wire_name, types.slots(args_class, parameters), order=order)
        self._result = self._result_shape(f"{name}_result", result_class)

    def _result_shape(self, name: str, result_class: Any) -> Shape:
        slots: tuple[types.Slot, ...] = ()
        if 0 in result_class.thrift_spec:
            value = Field(0, "result", "", required=True)
            slots = types.slots(result_class, (value,))
        return part_of(name, self._wire_name, slots, bare=True, closed=True)

    @cached_property
    def encode_args(self) -> Callable[[tuple[Any, ...]], bytes]:
        return whole_writer(self._args)

    @cached_property
    def decode_args(self) -> Callable[[bytes], tuple[Any, ...]]:
        return whole_reader(self._args)

    @cached_property
    def encode_result(self) -> Callable[[Any], bytes]:
        return whole_writer(self._result) if self._result.slots else self._encode_void

    @cached_property
    def decode_result(self) -> Callable[[bytes], Any]:
        return whole_reader(self._result)

    def _encode_void(self, value: Any) -> bytes:
        if value is not None:
            raise CodecError(f"returns nothing, got {type(value).__name__}", f"{self._wire_name}.result")
        return b"\x00"

    def encode_exception(self, error: Exception) -> tuple[Throws, bytes] | None:
        """None when the method does not declare the type of `error`: its own type first, then a base of it."""
        line = next((line for line in self._throws if line.exception is type(error)), None)
        line = line or next((line for line in self._throws if isinstance(error, line.exception)), None)
        if line is None:
            return None
        try:
            body = codec_of(line.exception).write(error, _EXCEPTION_DEPTH)
        except CodecError as problem:
            raise problem.under(line.name).under(self._wire_name) from None
        return line, b"".join((struct.pack(">Bh", types.STRUCT, line.id), body, b"\x00"))

    def decode_exception(self, data: bytes) -> tuple[Throws, Exception]:
        """The declared exception that is the only field of the result."""
        step: str | None = None
        try:
            data = as_bytes(data)
            code, number = struct.unpack_from(">Bh", data)
            line = next((line for line in self._throws if line.id == number), None)
            if not code or line is None:
                raise CodecError("a reply with an exception that the method does not declare")
            step = line.name
            if code != types.STRUCT:
                raise unfit(line.exception.__name__, code)
            error, offset = codec_of(line.exception).read(data, 3, len(data), _EXCEPTION_DEPTH)
            step = None
            if data[offset]:
                raise CodecError("a reply with more than one exception")
            if offset + 1 != len(data):
                raise trailing(len(data) - offset - 1)
        except READ_PROBLEMS as problem:
            raise located(problem, step).under(self._wire_name) from None
        return line, error
