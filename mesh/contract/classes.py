"""thriftpy2's class model: payload classes, enums and services, as its own protocols and servers expect them.

One rule: what a class carries is what thriftpy2 puts there (`_ttype`, `thrift_spec`, `default_spec`,
`thrift_services`...), so that its tools work on our classes; what is ours begins with `__mesh_`.

A class is made empty first and filled once every name of its file is known: types may be recursive.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from thriftpy2.thrift import TException, TPayload, TType, gen_init

from mesh.contract.syntax import StructKind
from mesh.contract.typespec import Spec, field_spec
from mesh.contract.typing import ServiceOf


@dataclass(frozen=True, slots=True)
class Slot:
    """A field ready to be put into a class."""

    id: int
    name: str
    spec: Spec
    required: bool | None
    default: Any = None


def new_module(name: str, file: str, doc: str) -> ModuleType:
    module = ModuleType(name, doc)
    module.__file__ = file
    meta: dict[str, list[Any]] = {
        kind: [] for kind in ("includes", "consts", "enums", "structs", "unions", "exceptions", "services")
    }
    vars(module).update(__thrift_file__=file, __thrift_meta__=meta)
    return module


def _attributes(module: ModuleType, stem: str, name: str) -> dict[str, Any]:
    return {
        "__module__": module.__name__,
        "__qualname__": name,
        "__thrift_file__": module.__file__,
        "__mesh_name__": f"{stem}.{name}",
    }


def new_struct(module: ModuleType, stem: str, name: str, kind: StructKind) -> type:
    base = TException if kind is StructKind.EXCEPTION else TPayload
    attributes = _attributes(module, stem, name) | {"_ttype": TType.STRUCT, "__mesh_kind__": kind}
    return type(name, (base,), attributes)


def fill_types(cls: Any, slots: Sequence[Slot]) -> None:
    """Gives a class its fields' types."""
    cls.thrift_spec = {slot.id: field_spec(slot.spec, slot.name, slot.required is True) for slot in slots}
    cls._tspec = {slot.name: (slot.required is True, slot.spec) for slot in slots}


def fill_defaults(cls: Any, slots: Sequence[Slot]) -> None:
    """Gives a class its defaults and thriftpy2's constructor."""
    cls.default_spec = [(slot.name, slot.default) for slot in slots]
    gen_init(cls, cls.thrift_spec, cls.default_spec)


def new_enum(module: ModuleType, stem: str, name: str, members: Mapping[str, int]) -> type:
    """An enum is a class with integers, not an `enum.IntEnum`: its values travel and compare as plain integers."""
    attributes = _attributes(module, stem, name) | {
        "_ttype": TType.I32,
        "_VALUES_TO_NAMES": {value: member for member, value in members.items()},
        "_NAMES_TO_VALUES": dict(members),
    }
    return type(name, (object,), attributes | dict(members))


@dataclass(frozen=True, slots=True)
class Function:
    """A service's own function, ready to be put into its class. `result` is None for void."""

    name: str
    oneway: bool
    result: Spec | None
    parameters: Sequence[Slot]
    throws: Sequence[Slot]


def new_service(module: ModuleType, stem: str, name: str, base: type | None, functions: Iterable[Function]) -> type:
    """A service's class: `NAME_args` and `NAME_result` for each of its own functions, the rest from its base."""
    inherited: list[str] = list(getattr(base, "thrift_services", ()))
    attributes = _attributes(module, stem, name)
    own: list[str] = []
    for function in functions:
        own.append(function.name)
        attributes[f"{function.name}_args"] = _payload(module, f"{function.name}_args", function.parameters)
        answers = list(function.throws)
        if function.result is not None:
            answers.insert(0, Slot(0, "success", function.result, None))
        result: Any = _payload(module, f"{function.name}_result", answers)
        result.oneway = function.oneway
        attributes[f"{function.name}_result"] = result
    attributes["thrift_services"] = own + inherited
    return type(name, (base or ServiceOf,), attributes)


def _payload(module: ModuleType, name: str, slots: Sequence[Slot]) -> type:
    cls = type(name, (TPayload,), {"__module__": module.__name__, "_ttype": TType.STRUCT})
    fill_types(cls, slots)
    fill_defaults(cls, slots)
    return cls
