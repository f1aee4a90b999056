"""Where a method's types stand in the classes of a contract.

One rule: this package is all that walks values by thriftpy2's class model outside of the codec.
"""

from __future__ import annotations

from typing import Any

from mesh.contract.model import Method, Service
from mesh.contract.syntax import StructKind
from mesh.contract.typespec import Spec, spec_of


def split(spec: Spec) -> tuple[int, Any]:
    """A type's number and what it consists of (None for base types)."""
    return spec if isinstance(spec, tuple) else (spec, None)


def is_union(cls: type) -> bool:
    return kind_of(cls) is StructKind.UNION


def kind_of(cls: type) -> StructKind:
    kind: StructKind = cls.__mesh_kind__  # type: ignore[attr-defined]
    return kind


def args_class(service: Service, method: Method) -> type:
    """The struct of the method's parameters."""
    made: type = getattr(service.thrift_class, f"{method.name}_args")
    return made


def result_spec(service: Service, method: Method) -> Spec | None:
    """What the method returns; None for void."""
    result: Any = getattr(service.thrift_class, f"{method.name}_result")
    entry = result.thrift_spec.get(0)
    return None if entry is None else spec_of(entry)
