"""Thrift's binary protocol, compiled once per struct from its IDL.

One rule: what is not exactly what the contract says is a `CodecError` that names the path; no other exception comes
out of a codec, whatever the bytes or the objects.
"""

from __future__ import annotations

from mesh.contract.codec.errors import CodecError
from mesh.contract.codec.methods import method_codec
from mesh.contract.codec.structs import StructCodec, codec_of, prepare

__all__ = ["CodecError", "StructCodec", "codec_of", "method_codec", "prepare"]
