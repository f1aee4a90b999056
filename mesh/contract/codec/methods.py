"""A method's arguments and results as bytes."""

from __future__ import annotations

from mesh.contract.model import Field, MethodCodec, Throws


def method_codec(
    wire_name: str,
    args_class: type,
    parameters: tuple[Field, ...],
    result_class: type,
    throws: tuple[Throws, ...],
) -> MethodCodec:
    """The codec of one method, generated when first used. Argument paths read `Pricing::quote.request.km`."""
    raise NotImplementedError
