"""A contract's digest: the same for two files that mean the same, another as soon as a caller could tell.

One rule: it is over canonical types, ids and annotations (as they add up), never over text. Comments, the order of
definitions, names of parameters' typedefs, and which file a type stands in make no difference.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from mesh.contract import typespec
from mesh.contract.model import Contract, Field, Method, Service


def digest_of(contract: Contract) -> str:
    """sha256 in hex over everything that `contract` defines and all types that it reaches in included files."""
    named = _Names(contract)
    types = {name: _definition(cls, named) for name, cls in named.classes.items()}
    services = {service.name: _service(service, named) for service in contract.services.values()}
    text = json.dumps({"types": types, "services": services}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


class _Names:
    """All classes that a contract reaches, by a name that does not depend on their file unless two share it."""

    def __init__(self, contract: Contract) -> None:
        found: dict[type, None] = {}
        waiting: list[Any] = [*contract.structs.values(), *contract.enums.values()]
        for service in contract.services.values():
            for method in service.methods.values():
                waiting.extend(_method_classes(service, method))
        while waiting:
            cls = waiting.pop()
            if cls not in found:
                found[cls] = None
                waiting.extend(_reached(cls))
        bare = Counter(cls.__name__ for cls in found)
        self._names = {
            cls: cls.__name__ if bare[cls.__name__] == 1 else str(getattr(cls, "__mesh_name__", "")) for cls in found
        }
        self.classes = {name: cls for cls, name in self._names.items()}

    def text_of(self, spec: typespec.Spec) -> str:
        """As typespec.text_of, with this contract's names."""
        if isinstance(spec, int):
            return typespec.text_of(spec)
        if not typespec.is_container(spec):
            return self._names[spec[1]]
        return f"{spec[0]}<{','.join(map(self.text_of, typespec.parts(spec)))}>"

    def name_of(self, cls: type) -> str:
        return self._names[cls]


def _classes_in(spec: typespec.Spec) -> Iterator[type]:
    if typespec.is_container(spec):
        for part in typespec.parts(spec):
            yield from _classes_in(part)
    elif isinstance(spec, tuple):
        yield spec[1]


def _reached(cls: Any) -> Iterator[type]:
    for entry in getattr(cls, "thrift_spec", {}).values():
        yield from _classes_in(typespec.spec_of(entry))


def _payloads(service: Service, method: Method) -> tuple[Any, Any]:
    return (
        getattr(service.thrift_class, f"{method.name}_args"),
        getattr(service.thrift_class, f"{method.name}_result"),
    )


def _method_classes(service: Service, method: Method) -> Iterator[type]:
    for payload in _payloads(service, method):
        yield from _reached(payload)


def _definition(cls: Any, names: _Names) -> Any:
    if not hasattr(cls, "thrift_spec"):
        return {"enum": sorted(cls._NAMES_TO_VALUES.items())}
    fault = getattr(cls, "__mesh_fault__", None)
    return {"kind": cls.__mesh_kind__, "fault": fault, "fields": _fields(cls, cls.__mesh_fields__, names)}


def _fields(cls: Any, fields: tuple[Field, ...], names: _Names) -> Any:
    described = []
    for field in sorted(fields, key=lambda field: field.id):
        said = {slot: getattr(field, slot) for slot in Field.__slots__ if slot not in ("type", "default")}
        said["type"] = names.text_of(typespec.spec_of(cls.thrift_spec[field.id]))
        said["default"] = canonical_value(field.default)
        described.append(said)
    return described


def canonical_value(value: Any) -> Any:
    """A default in a form that has one order."""
    if isinstance(value, (set, frozenset)):
        return sorted((canonical_value(item) for item in value), key=repr)
    if isinstance(value, dict):
        return sorted(([canonical_value(key), canonical_value(item)] for key, item in value.items()), key=repr)
    if isinstance(value, (list, tuple)):
        return [canonical_value(item) for item in value]
    if hasattr(value, "__mesh_fields__"):
        return {field.name: canonical_value(getattr(value, field.name)) for field in value.__mesh_fields__}
    return value.hex() if isinstance(value, bytes) else value


def _service(service: Service, names: _Names) -> Any:
    methods = {name: _method(service, method, names) for name, method in service.methods.items()}
    return {"name": service.registry_name, "owner": service.owner, "methods": methods}


def _method(service: Service, method: Method, names: _Names) -> Any:
    args, result = _payloads(service, method)
    returned = result.thrift_spec.get(0)
    return {
        "parameters": _fields(args, method.parameters, names),
        "result": None if returned is None else names.text_of(typespec.spec_of(returned)),
        "throws": [[item.id, names.name_of(item.exception), item.fault] for item in sorted(method.throws, key=_id)],
        "oneway": method.oneway,
        "policy": asdict(method.policy),
    }


def _id(item: Any) -> int:
    return int(item.id)
