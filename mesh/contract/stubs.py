"""A contract as a `.pyi` file: what mypy and pyright know of it.

One rule: the types are those of the values that really come and go. An enum's field is an `int` (its class holds
integers), a field that may be absent is `T | None`, and a handler's method may be plain or async.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from thriftpy2.thrift import TType

from mesh.contract import typespec
from mesh.contract.model import Contract, Field, Method, Service
from mesh.contract.stubnames import StubNames
from mesh.contract.syntax import StructKind
from mesh.contract.typespec import Spec

_BASE = {TType.BOOL: "bool", TType.DOUBLE: "float", TType.STRING: "str", TType.BINARY: "bytes"}
_CONTAINERS = {TType.LIST: "list", TType.SET: "set", TType.MAP: "dict"}
_HASHED_CONTAINERS = {TType.LIST: "tuple", TType.SET: "frozenset"}  # what a set or a map's key can hold


def stub_of(contract: Contract) -> str:
    """The text of the `.pyi` to put beside the contract's file."""
    return _Stub(contract).text()


class _Stub:
    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._names = StubNames(contract)

    def text(self) -> str:
        contract = self._contract
        body: list[str] = []
        for name, cls in contract.enums.items():
            body += self._enum(name, cls)
        for name, cls in contract.structs.items():
            body += self._struct(name, cls)
        for service in contract.services.values():
            body += self._service(service)
        body += self._typedefs_and_constants()
        head = [f"# Made by `mesh idl build` out of {contract.name}.thrift. Do not edit.", ""]
        return "\n".join([*head, *self._names.imports(), *body, *self._names.aliases()]).rstrip() + "\n"

    # -- types

    def _type(self, spec: Spec, hashed: bool = False) -> str:
        if isinstance(spec, int):
            return self._names.builtin(_BASE.get(spec, "int"))
        if not typespec.is_container(spec):
            return self._names.builtin("int") if typespec.is_enum(spec) else self._names.inside(spec[1])
        kind, inner = spec[0], typespec.parts(spec)
        name = self._names.builtin((_HASHED_CONTAINERS if hashed else _CONTAINERS)[kind])
        if kind == TType.MAP:
            return f"{name}[{self._type(inner[0], True)}, {self._type(inner[1])}]"
        item = self._type(inner[0], hashed or kind == TType.SET)
        return f"{name}[{item}, ...]" if hashed and kind == TType.LIST else f"{name}[{item}]"

    # -- enums and structs

    def _enum(self, name: str, cls: Any) -> list[str]:
        final = self._names.typing("Final")
        members = [f"    {member}: {final} = {value}" for member, value in cls._NAMES_TO_VALUES.items()]
        number, text, table = (self._names.builtin(word) for word in ("int", "str", "dict"))
        members.append(f"    _VALUES_TO_NAMES: {final}[{table}[{number}, {text}]]")
        members.append(f"    _NAMES_TO_VALUES: {final}[{table}[{text}, {number}]]")
        return ["", f"class {name}:", *members]

    def _struct(self, name: str, cls: Any) -> list[str]:
        base = f"({self._names.builtin('Exception')})" if issubclass(cls, Exception) else ""
        union = cls.__mesh_kind__ is StructKind.UNION
        attributes, arguments = [], []
        for field in cls.__mesh_fields__:
            text = self._type(typespec.spec_of(cls.thrift_spec[field.id]))
            absent = union or (field.default is None and not field.required)
            attributes.append(f"    {field.name}: {text}{' | None' if absent else ''}")
            arguments.append(_argument(field, text))
        # Keywords first to last, those that must be given in front: a type checker asks no more, a reader does.
        given = ", ".join(["self", *(["*"] if arguments else []), *sorted(arguments, key=_has_default)])
        return ["", f"class {name}{base}:", *attributes, f"    def __init__({given}) -> None: ..."]

    # -- services

    def _service(self, service: Service) -> list[str]:
        name = service.name
        own = [item for item in service.methods.values() if f"{item.name}_args" in vars(service.thrift_class)]
        base = self._names.outside(service.thrift_class.__mro__[1]) if service.extends else None
        protocol = self._names.typing("Protocol")
        lines: list[str] = []
        for suffix, method in (
            ("Client", self._client_method),
            ("Handler", self._handler_method),
            ("BlockingClient", self._blocking_method),
        ):
            bases = f"{base}{suffix}, {protocol}" if base else protocol
            lines += ["", f"class {name}{suffix}({bases}):"]
            lines += [line for item in own for line in method(service, item)] or ["    ..."]
        types = f"{name}Client, {name}Handler, {name}BlockingClient"
        return [*lines, "", f"class {name}({self._names.service_of()}[{types}]): ..."]

    def _parameters(self, service: Service, method: Method) -> list[tuple[str, str]]:
        """Each parameter with its type, and its default or an empty text."""
        args: Any = getattr(service.thrift_class, f"{method.name}_args")
        found: list[tuple[str, str]] = []
        for field in method.parameters:
            text = self._type(typespec.spec_of(args.thrift_spec[field.id]))
            absent = field.required is False and field.default is None
            found.append((f"{field.name}: {text}{' | None' if absent else ''}", _default(field)))
        for at in range(len(found) - 2, -1, -1):  # what stands before a parameter that must be given, must be too
            if not found[at + 1][1]:
                found[at] = found[at][0], ""
        return found

    def _result(self, service: Service, method: Method) -> str:
        result: Any = getattr(service.thrift_class, f"{method.name}_result")
        entry = result.thrift_spec.get(0)
        return "None" if entry is None else self._type(typespec.spec_of(entry))

    def _client_method(self, service: Service, method: Method, keyword: str = "async def") -> Iterator[str]:
        if method.policy.deprecated:
            yield f"    @{self._names.deprecated()}({method.policy.deprecated!r})"
        given = ", ".join(["self", *(text + default for text, default in self._parameters(service, method))])
        yield f"    {keyword} {method.name}({given}) -> {self._result(service, method)}: ..."

    def _blocking_method(self, service: Service, method: Method) -> Iterator[str]:
        return self._client_method(service, method, "def")

    def _handler_method(self, service: Service, method: Method) -> Iterator[str]:
        given = ", ".join(["self", *(text for text, _ in self._parameters(service, method)), "/"])
        result, awaitable = self._result(service, method), self._names.awaitable()
        yield f"    def {method.name}({given}) -> {result} | {awaitable}[{result}]: ..."

    # -- the rest

    def _typedefs_and_constants(self) -> list[str]:
        lines = []
        for name, spec in self._contract.typedefs.items():
            enum = isinstance(spec, tuple) and typespec.is_enum(spec)
            text = self._names.inside(spec[1]) if enum and isinstance(spec, tuple) else self._type(spec)
            lines.append(f"{name}: {self._names.typing('TypeAlias')} = {text}")
        for name, constant in self._contract.constants.items():
            lines.append(f"{name}: {self._names.typing('Final')}[{self._type(constant.spec)}]")
        return ["", *lines] if lines else []


def _default(field: Field) -> str:
    """How a parameter's default is written; empty when a caller must give it."""
    if field.default is not None:
        return " = ..."
    return " = None" if field.required is False else ""


def _argument(field: Field, text: str) -> str:
    if field.default is not None:
        return f"{field.name}: {text} = ..."
    return f"{field.name}: {text}" if field.required else f"{field.name}: {text} | None = None"


def _has_default(argument: str) -> bool:
    return " = " in argument
