"""A contract for programs and pages: services, methods, every type that they use.

One rule: it fits JSON whatever a default holds, and says of each thing what the model says, under the model's names.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from thriftpy2.thrift import TType

from mesh.contract.jsonform.show import to_json
from mesh.contract.jsonform.spec import args_class, kind_of, result_spec
from mesh.contract.model import Contract, Field, Method, Service
from mesh.contract.typespec import Spec, is_enum, is_struct, parts, spec_of


def describe(contract: Contract) -> dict[str, Any]:
    """Everything: `services`, and `structs` and `enums` by full name (`geo.Point`)."""
    return {
        "contract": contract.name,
        "digest": contract.digest,
        "services": {name: describe_service(service) for name, service in contract.services.items()},
        **describe_types(list(contract.services.values())),
    }


def describe_types(services: Iterable[Service]) -> dict[str, Any]:
    """`structs` and `enums` that the methods of `services` use."""
    structs, enums = types_of(services)
    return {
        "structs": {
            name: {"kind": kind_of(struct), "fields": _fields(struct.__mesh_fields__, struct.thrift_spec)}
            for name, struct in structs.items()
        },
        "enums": enums,
    }


def types_of(services: Iterable[Service]) -> tuple[dict[str, Any], dict[str, Mapping[str, int]]]:
    """Structs and enums (name to number) that the methods of `services` use, by full name, also those included."""
    structs: dict[str, Any] = {}
    enums: dict[str, Mapping[str, int]] = {}
    waiting: deque[Spec] = deque(spec for service in services for spec in _types_of_methods(service))
    while waiting:
        spec = waiting.popleft()
        what: Any = spec[1] if isinstance(spec, tuple) else None
        waiting.extend(parts(spec))
        if is_enum(spec):
            enums[what.__mesh_name__] = dict(what._NAMES_TO_VALUES)
        if is_struct(spec) and what.__mesh_name__ not in structs:
            structs[what.__mesh_name__] = what
            waiting.extend(spec_of(entry) for entry in what.thrift_spec.values())
    return structs, enums


def _types_of_methods(service: Service) -> Iterator[Spec]:
    for method in service.methods.values():
        takes: Any = args_class(service, method)
        yield from (spec_of(entry) for entry in takes.thrift_spec.values())
        gives = result_spec(service, method)
        if gives is not None:
            yield gives
        yield from ((TType.STRUCT, line.exception) for line in method.throws)


def describe_service(service: Service) -> dict[str, Any]:
    """`methods` are by their name on the wire (`Pricing::quote`)."""
    return {
        "name": service.registry_name,
        "owner": service.owner,
        "extends": service.extends,
        "methods": {method.wire_name: _method(service, method) for method in service.methods.values()},
    }


def _method(service: Service, method: Method) -> dict[str, Any]:
    takes: Any = args_class(service, method)
    return {
        "parameters": _fields(method.parameters, takes.thrift_spec),
        "result": method.result,
        "throws": [
            {
                "id": line.id,
                "name": line.name,
                "exception": line.exception.__name__,
                "type": line.exception.__mesh_name__,  # type: ignore[attr-defined]
                "fault": line.fault.value,
            }
            for line in method.throws
        ],
        "oneway": method.oneway,
        "policy": dataclasses.asdict(method.policy),
    }


def _fields(fields: tuple[Field, ...], specs: Mapping[int, tuple[Any, ...]]) -> list[dict[str, Any]]:
    return [
        {item.name: getattr(field, item.name) for item in dataclasses.fields(field)}
        | {"default": to_json(spec_of(specs[field.id]), field.default)}
        for field in fields
    ]
