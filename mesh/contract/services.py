"""A file's services: their classes, methods and policies, inherited ones included.

One rule: a method belongs to the service through which it is called: `Child::method`, with the child's name in the
registry, its own annotations from where it was defined, and the services' along `extends`, the child's first.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mesh.contract import annotation, classes, codec, policy, syntax, typespec
from mesh.contract.build import FileBuilder, slots_of
from mesh.contract.model import Contract, Field, Method, Service, Throws
from mesh.contract.scope import Unresolved, name_fault
from mesh.contract.typespec import Spec

_TYPING_NAMES = (
    ("Client", "client", "what `Node.client` gives"),
    ("Handler", "handler", "what `Node.serve` takes"),
    ("BlockingClient", "blocking client", "what `blocking.Node.client` gives"),
)
MAX_EXTENDS = 16  # services above a service: a method's annotations are looked for in all of them


@dataclass(slots=True)
class Definition:
    """A function as defined, before it is known through which service it is called."""

    node: syntax.FunctionNode
    builder: FileBuilder
    values: dict[str, Any]
    parameters: tuple[Field, ...]
    throws: tuple[Throws, ...]
    function: classes.Function
    home: type = object  # the service's class that defines it


@dataclass(slots=True)
class ServiceDefinition:
    node: syntax.ServiceNode
    cls: type
    base: ServiceDefinition | None
    values: dict[str, Any]
    functions: dict[str, Definition]

    def lineage(self) -> list[ServiceDefinition]:
        """This service and those it extends, the nearest first."""
        found = [self]
        while found[-1].base is not None:
            found.append(found[-1].base)
        return found


class ServiceBuilder:
    """Makes the services of one file, after its types."""

    def __init__(self, builder: FileBuilder) -> None:
        self._builder = builder
        self._scope = builder.scope
        self._findings = builder.findings
        self.definitions: dict[type, ServiceDefinition] = {}

    def build(self, known: Mapping[type, ServiceDefinition]) -> None:
        """Classes and definitions; `known` has the services of included files. Findings tell what went wrong."""
        nodes = [node for node in self._scope.nodes.values() if isinstance(node, syntax.ServiceNode)]
        everything = ChainMap(self.definitions, dict(known))
        for node in _bases_first(nodes):
            try:
                base = self._base(node, everything)
            except Unresolved as error:
                self._findings.error(error.line, error.reason)
                base = None
            self._define(node, base)

    def _base(self, node: syntax.ServiceNode, known: Mapping[type, ServiceDefinition]) -> ServiceDefinition | None:
        if node.extends is None:
            return None
        base = known[self._scope.service(node.line, node.extends)]
        if len(base.lineage()) > MAX_EXTENDS:
            raise Unresolved(node.line, f"{node.name} extends more than {MAX_EXTENDS} services, one the other")
        return base

    def _define(self, node: syntax.ServiceNode, base: ServiceDefinition | None) -> None:
        values = self._builder.read(node.annotations, annotation.SERVICE, "service")
        functions: dict[str, Definition] = {}
        for item in node.functions:
            fault = name_fault(item.name) or _taken(item, functions, base)
            if fault:
                self._findings.error(item.line, fault)
                continue
            made = self._function(item, [values, *((b.values for b in base.lineage()) if base else ())])
            if made is not None:
                functions[item.name] = made
        self._check_service(node, values)
        module, stem = self._scope.module, self._scope.stem
        cls = classes.new_service(
            module, stem, node.name, base.cls if base else None, [made.function for made in functions.values()]
        )
        for made in functions.values():
            made.home = cls
        self._scope.services[node.name] = cls
        setattr(module, node.name, cls)
        module.__thrift_meta__["services"].append(cls)
        self._typing_names(node, cls)
        self.definitions[cls] = ServiceDefinition(node, cls, base, values, functions)

    def _typing_names(self, node: syntax.ServiceNode, cls: type) -> None:
        """The Protocols of the stub, so that annotations with them also work at run time."""
        for suffix, what, doc in _TYPING_NAMES:
            name = f"{node.name}{suffix}"
            if name in self._scope.nodes:
                line = self._scope.nodes[name].line
                self._findings.error(line, f"{name!r} is the Python name of service {node.name}'s {what}")
                continue
            attributes = {"__module__": cls.__module__, "__doc__": f"For annotations: {doc} for {node.name}."}
            setattr(self._scope.module, name, type(name, (), attributes))

    def _check_service(self, node: syntax.ServiceNode, values: Mapping[str, Any]) -> None:
        timeout, attempt = values.get("timeout_ms"), values.get("attempt_timeout_ms")
        if timeout is not None and attempt is not None and attempt > timeout:
            self._findings.error(node.line, f"attempt_timeout_ms = {attempt} is more than timeout_ms = {timeout}")

    def _function(self, node: syntax.FunctionNode, services: list[dict[str, Any]]) -> Definition | None:
        before = self._findings.broken
        values = self._builder.read(node.annotations, annotation.FUNCTION, "function")
        for reason in policy.contradictions(values, services):
            self._findings.error(node.line, f"{node.name}: {reason}")
        if node.oneway and (node.result is not None or node.throws):
            what = "a result" if node.result is not None else "throws"
            self._findings.error(node.line, f"{node.name}: a oneway method is never answered and cannot have {what}")
        parameters = self._builder.fields.read(node.parameters, f"{node.name}()")
        answers = self._builder.fields.read(node.throws, f"throws of {node.name}", annotation.NONE)
        throws = self._throws(node, slots_of(answers))
        result: Spec | None = None
        try:
            result = self._scope.resolve(node.result) if node.result is not None else None
            fields = self._builder.finished(parameters) if self._findings.broken == before else ()
        except Unresolved as error:
            self._findings.error(error.line, error.reason)
        if self._findings.broken > before:
            return None
        slots = slots_of(parameters, fields)
        function = classes.Function(node.name, node.oneway, result, slots, slots_of(answers))
        return Definition(node, self._builder, values, fields, throws, function)

    def _throws(self, node: syntax.FunctionNode, slots: list[classes.Slot]) -> tuple[Throws, ...]:
        found: list[Throws] = []
        lines = {item.name: item.line for item in node.throws}
        for item in node.throws:
            if item.default is not None or item.required:
                self._findings.error(item.line, f"{item.name!r}: what is thrown has no default and is never required")
        for slot in slots:
            text = typespec.text_of(slot.spec)
            if not typespec.is_exception(slot.spec) or not isinstance(slot.spec, tuple):
                self._findings.error(lines[slot.name], f"{node.name} throws {text}, which is no exception")
                continue
            cls = slot.spec[1]
            if any(other.exception is cls for other in found):
                self._findings.error(lines[slot.name], f"{node.name} throws {text} twice")
                continue
            found.append(Throws(slot.id, slot.name, cls, cls.__mesh_fault__))
        return tuple(found)


def _bases_first(nodes: list[syntax.ServiceNode]) -> list[syntax.ServiceNode]:
    """Services so that what one extends in the same file stands before it; those in a circle stay as they are."""
    by_name = {node.name: node for node in nodes}
    ordered: dict[str, syntax.ServiceNode] = {}
    for node in nodes:
        chain: dict[str, syntax.ServiceNode] = {}
        item: syntax.ServiceNode | None = node
        while item is not None and item.name not in chain and item.name not in ordered:
            chain[item.name] = item
            item = by_name.get(item.extends or "")
        ordered.update(reversed(chain.items()))
    return list(ordered.values())


def _taken(
    node: syntax.FunctionNode, functions: Mapping[str, Definition], base: ServiceDefinition | None
) -> str | None:
    if node.name in functions:
        return f"{node.name!r} is defined twice, first at line {functions[node.name].node.line}"
    for ancestor in base.lineage() if base else ():
        if node.name in ancestor.functions:
            return f"{node.name!r} is a method of {ancestor.node.name} already, which this service extends"
    return None


def service_model(definition: ServiceDefinition, contract: Contract) -> Service:
    """The service as its callers and servers see it, own methods first."""
    name = definition.node.name
    registry_name: str = definition.values.get("name", contract.name)
    lineage = definition.lineage()
    services = [item.values for item in lineage]
    methods: dict[str, Method] = {}
    for ancestor in lineage:
        for made in ancestor.functions.values():
            methods[made.node.name] = _method(made, name, registry_name, services)
    service = Service(
        name, registry_name, definition.values.get("owner"), definition.node.extends, methods, definition.cls, contract
    )
    definition.cls.__mesh_service__ = service  # type: ignore[attr-defined]
    return service


def _method(made: Definition, service: str, registry_name: str, services: list[dict[str, Any]]) -> Method:
    name = made.node.name
    wire_name = f"{service}::{name}"
    args, result = getattr(made.home, f"{name}_args"), getattr(made.home, f"{name}_result")
    returned = made.function.result
    return Method(
        service=service,
        name=name,
        wire_name=wire_name,
        registry_name=registry_name,
        parameters=made.parameters,
        result=None if returned is None else typespec.text_of(returned),
        throws=made.throws,
        oneway=made.node.oneway,
        policy=policy.policy_of(made.values, services),
        codec=codec.method_codec(wire_name, args, made.parameters, result, made.throws),
    )
