"""What a contract says, typed: `Contract` > `Service` > `Method` > `Policy`.

One rule: whoever wants to know a timeout, an SLA or whether a call may be repeated asks these objects; nobody reads
an annotation's text a second time.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

DEFAULT_TIMEOUT_MS = 1000
DEFAULT_MAX_BYTES = 8 * 1024 * 1024  # a request or response; above it TChannel's own libraries give up as well


class Priority(enum.StrEnum):
    """Who is shed last to first under load."""

    CRITICAL = "critical"
    NORMAL = "normal"
    BATCH = "batch"


class FaultOf(enum.StrEnum):
    """Whose fault a declared exception is: an answer (`caller`), or a failure of the service."""

    CALLER = "caller"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Sla:
    """What was promised to callers. Percent of calls over `window_s`; latencies as seen by the caller."""

    availability: float = 99.9
    p99_ms: float | None = None
    p50_ms: float | None = None
    window_s: int = 30 * 86400
    stated: bool = False  # the contract states at least one `sla.*` for the method; the rest is default


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything that the contract says about calling a method, besides its types."""

    timeout_ms: int = DEFAULT_TIMEOUT_MS
    attempt_timeout_ms: int = DEFAULT_TIMEOUT_MS
    idempotent: bool = False
    attempts: int = 1
    hedge: bool = False
    priority: Priority = Priority.NORMAL
    sla: Sla = field(default_factory=Sla)
    max_request_bytes: int = DEFAULT_MAX_BYTES
    max_response_bytes: int = DEFAULT_MAX_BYTES
    deprecated: str | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a struct or a parameter of a method. `type` is its canonical IDL text, e.g. `list<trips.Stop>`."""

    id: int
    name: str
    type: str
    required: bool | None  # None: neither `required` nor `optional` was written
    default: Any = None
    pii: bool = False
    deprecated: str | None = None
    min: float | None = None
    max: float | None = None
    max_length: int | None = None
    pattern: str | None = None


@dataclass(frozen=True, slots=True)
class Throws:
    """One line of a method's `throws`."""

    id: int
    name: str
    exception: type[Exception]
    fault: FaultOf


class MethodCodec(Protocol):
    """A method's arguments and results as bytes (Thrift binary, no envelope). All raise `CodecError`."""

    def encode_args(self, args: tuple[Any, ...]) -> bytes: ...
    def decode_args(self, data: bytes) -> tuple[Any, ...]: ...
    def encode_result(self, value: Any) -> bytes: ...
    def decode_result(self, data: bytes) -> Any: ...
    def encode_exception(self, error: Exception) -> tuple[Throws, bytes] | None:
        """None when the method does not declare the type of `error`."""
        ...

    def decode_exception(self, data: bytes) -> tuple[Throws, Exception]: ...


@dataclass(frozen=True, slots=True, eq=False)
class Method:
    """A method as called through one service (inherited ones appear again under the child's name)."""

    service: str  # the Thrift service, e.g. `Pricing`
    name: str
    wire_name: str  # `Pricing::quote`
    registry_name: str  # the contract's name in the registry, e.g. `pricing`
    parameters: tuple[Field, ...]
    result: str | None  # canonical IDL text, None for void
    throws: tuple[Throws, ...]
    oneway: bool
    policy: Policy
    codec: MethodCodec

    def __repr__(self) -> str:
        return f"<Method {self.registry_name} {self.wire_name}>"


@dataclass(frozen=True, slots=True, eq=False)
class Service:
    """A Thrift service with its methods, inherited ones included, by name in the order of the text."""

    name: str
    registry_name: str
    owner: str | None
    extends: str | None
    methods: Mapping[str, Method]
    thrift_class: type
    contract: Contract

    def __repr__(self) -> str:
        return f"<Service {self.contract.name}.{self.name}>"


@dataclass(frozen=True, slots=True)
class Constant:
    """A constant's type (as `typespec` has it) and value."""

    spec: Any
    value: Any


@dataclass(frozen=True, slots=True, eq=False)
class Contract:
    """One `.thrift` file, checked.

    `texts` holds it (under `entry_point`) and all that it includes, by relative paths without `..`, from which every
    include finds its file: what Meta::thriftIDL answers.
    """

    name: str  # the file's stem
    path: Path
    module: ModuleType  # thriftpy2's module of classes
    services: Mapping[str, Service]
    structs: Mapping[str, type]  # structs, unions and exceptions
    enums: Mapping[str, type]
    constants: Mapping[str, Constant]
    typedefs: Mapping[str, Any]  # name to type, as `typespec` has it
    includes: Mapping[str, Contract]  # by stem
    texts: Mapping[str, str]
    entry_point: str
    digest: str  # sha256 hex over canonical types, ids and annotations

    def __repr__(self) -> str:
        return f"<Contract {self.name} {self.digest[:12]}>"
