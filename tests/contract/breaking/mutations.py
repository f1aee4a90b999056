"""Random contracts as plain data, their text, and every kind of change made to one of them.

One rule: a mutation changes what the contract means, and says which codes may tell it.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from dataclasses import dataclass, field

_BASE = ("bool", "i8", "i16", "i32", "i64", "double", "string", "binary")
_DEFAULTS = {"i32": ("1", "2"), "string": ('"a"', '"b"'), "double": ("0.5", "2.5"), "bool": ("true", "false")}


@dataclass
class FieldOf:
    id: int
    name: str
    type: str
    required: str = ""
    default: str = ""
    notes: dict[str, str] = field(default_factory=dict)

    def text(self) -> str:
        default = f" = {self.default}" if self.default else ""
        return f"{self.id}: {self.required} {self.type} {self.name}{default}{_notes(self.notes)}"


@dataclass
class MethodOf:
    name: str
    result: str
    parameters: list[FieldOf]
    throws: list[FieldOf]
    notes: dict[str, str]

    def text(self) -> str:
        throws = f" throws ({', '.join(line.text() for line in self.throws)})" if self.throws else ""
        return f"{self.result} {self.name}({', '.join(p.text() for p in self.parameters)}){throws}{_notes(self.notes)}"


@dataclass
class FileOf:
    enums: dict[str, dict[str, int]]
    structs: dict[str, list[FieldOf]]
    exceptions: dict[str, list[FieldOf]]
    methods: list[MethodOf]

    def text(self) -> str:
        lines = [
            f"enum {name} {{ {', '.join(f'{m} = {v}' for m, v in members.items())} }}"
            for name, members in self.enums.items()
        ]
        for kind, types in (("struct", self.structs), ("exception", self.exceptions)):
            lines += [
                f"{kind} {name} {{ {', '.join(item.text() for item in fields)} }}" for name, fields in types.items()
            ]
        methods = "\n  ".join(method.text() for method in self.methods)
        return "\n".join([*lines, f"service S {{\n  {methods}\n}}"])


def _notes(notes: dict[str, str]) -> str:
    said = ", ".join(f'{key} = "{value}"' for key, value in notes.items())
    return f" ({said})" if said else ""


def random_file(rng: random.Random) -> FileOf:
    enums = {f"E{n}": {f"M{k}": k * 2 for k in range(rng.randint(1, 3))} for n in range(2)}
    names = [*(f"S{n}" for n in range(3)), *enums]
    structs = {f"S{n}": _fields(rng, names, f"s{n}") for n in range(3)}
    exceptions = {f"X{n}": _fields(rng, names, f"x{n}") for n in range(2)}
    methods = [_method(rng, names, n) for n in range(rng.randint(1, 3))]
    return FileOf(enums, structs, exceptions, methods)


def _fields(rng: random.Random, names: list[str], prefix: str) -> list[FieldOf]:
    return [_field(rng, names, number, f"{prefix}f{number}") for number in range(1, rng.randint(2, 5))]


def _field(rng: random.Random, names: list[str], number: int, name: str) -> FieldOf:
    type_ = _type(rng, names)
    made = FieldOf(number, name, type_, rng.choice(("", "optional")))
    if type_ in _BASE and rng.random() < 0.3:
        made.required = "required"
    if type_ in _DEFAULTS and made.required != "required" and rng.random() < 0.4:
        made.default = _DEFAULTS[type_][0]
    if type_ == "i32" and rng.random() < 0.5:
        made.notes["max"] = "10"
    return made


def _type(rng: random.Random, names: list[str]) -> str:
    roll = rng.random()
    if roll < 0.5:
        return rng.choice(_BASE)
    if roll < 0.75:
        return rng.choice(names)
    inner = rng.choice([*_BASE, *names])
    return rng.choice((f"list<{inner}>", f"map<string, {inner}>"))


def _method(rng: random.Random, names: list[str], number: int) -> MethodOf:
    parameters = [_field(rng, names, n, f"p{n}") for n in range(1, rng.randint(1, 4))]
    throws = [FieldOf(1, "no", "X0")] if rng.random() < 0.6 else []
    notes = {"timeout_ms": "500", "attempt_timeout_ms": "100", "sla.p99_ms": "50"}
    if rng.random() < 0.5:
        notes["idempotent"] = "true"
    return MethodOf(f"m{number}", rng.choice((*_BASE, *names)), parameters, throws, notes)


# -- mutations: each changes the file in place and gives the codes that may tell it, or None when it finds no place

Mutation = Callable[[FileOf, random.Random], tuple[str, ...] | None]


def _all_fields(file: FileOf) -> list[list[FieldOf]]:
    lists = [*file.structs.values(), *file.exceptions.values(), *(method.parameters for method in file.methods)]
    return [fields for fields in lists if fields]


def _pick(file: FileOf, rng: random.Random) -> FieldOf | None:
    lists = _all_fields(file)
    return rng.choice(rng.choice(lists)) if lists else None


def remove_field(file: FileOf, rng: random.Random) -> tuple[str, ...] | None:
    lists = _all_fields(file)
    if not lists:
        return None
    fields = rng.choice(lists)
    fields.remove(rng.choice(fields))
    return ("field-removed",)


def add_field(file: FileOf, rng: random.Random) -> tuple[str, ...] | None:
    rng.choice(list(file.structs.values())).append(FieldOf(77, "fresh", "i32", rng.choice(("", "optional"))))
    return ("field-added",)


def add_required(file: FileOf, rng: random.Random) -> tuple[str, ...] | None:
    rng.choice(list(file.structs.values())).append(FieldOf(77, "fresh", "i32", "required"))
    return ("required-added",)


def rename_field(file: FileOf, rng: random.Random) -> tuple[str, ...] | None:
    found = _pick(file, rng)
    if found is not None:
        found.name = "renamed"
    return ("field-renamed",) if found else None


def renumber_field(file: FileOf, rng: random.Random) -> tuple[str, ...] | None:
    found = _pick(file, rng)
    if found is not None:
        found.id = 99
    return ("field-id-changed",) if found else None


def retype_field(file: FileOf, rng: random.Random) -> tuple[str, ...] | None:
    found = _pick(file, rng)
    if found is None:
        return None
    found.type, found.default, found.notes = ("i64" if found.type != "i64" else "double"), "", {}
    return ("field-type-changed",)


def change_default(file: FileOf, rng: random.Random) -> tuple[str, ...] | None:
    found = _pick(file, rng)
    if found is None or not found.default:
        return None
    found.default = _DEFAULTS[found.type][1]
    return ("default-changed",)


def drop_default(file: FileOf, rng: random.Random) -> tuple[str, ...] | None:
    found = _pick(file, rng)
    if found is None or not found.default:
        return None
    found.default = ""
    return ("default-removed",)


def tighten(file: FileOf, rng: random.Random) -> tuple[str, ...] | None:
    found = _pick(file, rng)
    if found is None or found.type != "i32":
        return None
    found.notes["max"] = "9"
    return ("bound-tightened",)


def require(file: FileOf, rng: random.Random) -> tuple[str, ...] | None:
    found = _pick(file, rng)
    if found is None or found.default or found.required == "required":
        return None
    found.required = "required"
    return ("made-required",)


def no_longer_require(file: FileOf, rng: random.Random) -> tuple[str, ...] | None:
    found = _pick(file, rng)
    if found is None or found.required != "required":
        return None
    found.required = "optional"
    return ("made-optional",)


def remove_member(file: FileOf, rng: random.Random) -> tuple[str, ...] | None:
    members = rng.choice(list(file.enums.values()))
    if len(members) < 2:
        return None
    del members[rng.choice(list(members))]
    return ("enum-value-removed",)


def add_member(file: FileOf, rng: random.Random) -> tuple[str, ...] | None:
    rng.choice(list(file.enums.values()))["FRESH"] = 99
    return ("enum-value-added",)


def renumber_member(file: FileOf, rng: random.Random) -> tuple[str, ...] | None:
    members = rng.choice(list(file.enums.values()))
    members[rng.choice(list(members))] = 98
    return ("enum-value-renumbered",)


def remove_method(file: FileOf, rng: random.Random) -> tuple[str, ...] | None:
    if len(file.methods) < 2:
        return None
    file.methods.remove(rng.choice(file.methods))
    return ("method-removed",)


def rename_method(file: FileOf, rng: random.Random) -> tuple[str, ...] | None:
    rng.choice(file.methods).name = "renamed"
    return ("method-renamed",)


def change_result(file: FileOf, rng: random.Random) -> tuple[str, ...] | None:
    method = rng.choice(file.methods)
    method.result = "void" if method.result == "i32" else "i32"
    return ("result-changed",)


def change_throws(file: FileOf, rng: random.Random) -> tuple[str, ...] | None:
    method = rng.choice(file.methods)
    if method.throws:
        method.throws.clear()
        return ("throws-removed",)
    method.throws.append(FieldOf(1, "no", "X1"))
    return ("throws-added",)


def shorten(file: FileOf, rng: random.Random) -> tuple[str, ...] | None:
    rng.choice(file.methods).notes["timeout_ms"] = "400"
    return ("timeout-shorter",)


def promise_less(file: FileOf, rng: random.Random) -> tuple[str, ...] | None:
    rng.choice(file.methods).notes["sla.p99_ms"] = "60"
    return ("sla-lowered",)


def lose_idempotence(file: FileOf, rng: random.Random) -> tuple[str, ...] | None:
    found = rng.choice(file.methods).notes.pop("idempotent", None)
    return ("idempotent-lost",) if found else None


MUTATIONS: tuple[Mutation, ...] = (
    remove_field, add_field, add_required, rename_field, renumber_field, retype_field, change_default, drop_default,
    tighten, require, no_longer_require, remove_member, add_member, renumber_member, remove_method, rename_method,
    change_result, change_throws, shorten, promise_less, lose_idempotence,
)  # fmt: skip


def mutated(seed: int, mutation: Mutation) -> tuple[str, str, tuple[str, ...]] | None:
    """Old text, new text and the codes, of one of which there must be a change; None when there was no place for it."""
    rng = random.Random(seed)
    old = random_file(rng)
    new = copy.deepcopy(old)
    codes = mutation(new, rng)
    return None if codes is None else (old.text(), new.text(), codes)
