"""Which names a project, a service and its owner may have.

One rule: a service's name is a Python module, a Thrift file and a service in the registry all at once, so it is refused
here when any of them would refuse it, or be confused by it, later.
"""

from __future__ import annotations

import ast
import functools
import re

from mesh.contract.scope import name_fault
from mesh.scaffold.fault import ScaffoldError
from mesh.scaffold.templates import Kind, Values, render

# Its forms stand up to three times on a line of a template, and lines have 120 characters.
MAX_SERVICE = 30
_SERVICE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_PROJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")  # what `mesh up` takes as a cluster's name
_OWNER = re.compile(r"[\w .,:;@&+/()-]{1,100}")  # stands between quotes in a contract

# Words of the IDL's grammar, and those that Apache's compiler keeps for the languages that it writes: a file of that
# name cannot be included by its stem.
_THRIFT_TEXT = """
async binary bool byte const cpp_include double enum exception extends false i8 i16 i32 i64 include list map
namespace oneway optional required senum service set slist string struct throws true typedef union uuid void
abstract alias and args as assert begin break case catch class clone continue declare def default del delete do
dynamic elif else elseif elsif end enddeclare endfor endforeach endif endswitch endwhile ensure except exec finally
float for foreach from function global goto if implements import in inline instanceof interface is lambda module
native new next nil not or package pass public print private protected raise redo rescue retry register return self
sizeof static super switch synchronized then this throw transient try undef unless unsigned until use var virtual
volatile when while with xor yield
"""
THRIFT_WORDS = frozenset(_THRIFT_TEXT.split())

# The agent's own place in a cluster, the folders of a project and the modules of a service.
_TAKEN_TEXT = "consul mesh idl services loadtest chaos tests controllers views service store remote models"
TAKEN = frozenset(_TAKEN_TEXT.split())


def camel(name: str) -> str:
    """The Thrift service of the service `name`: `trip_log` is `TripLog`."""
    return "".join(part.capitalize() for part in name.split("_"))


def check_service(name: str) -> None:
    """Raises ScaffoldError unless a service can be called `name`."""
    if not _SERVICE.fullmatch(name):
        near = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()).strip("_")
        advice = f"such as {near}" if _SERVICE.fullmatch(near) else ""
        raise ScaffoldError(f"a service's name is lower_case with digits and single underscores, not {name!r}", advice)
    if len(name) > MAX_SERVICE:
        raise ScaffoldError(f"{name!r} has {len(name)} characters, a service's name at most {MAX_SERVICE}")
    fault = name_fault(name)
    if fault is None and name in THRIFT_WORDS:
        fault = f"{name!r} is a word that Thrift keeps for itself"
    if fault is None and (name in TAKEN or {name, camel(name)} & _names_in_templates()):
        fault = f"{name!r} means something else inside a service's code"
    if fault:
        raise ScaffoldError(f"{fault}; a service cannot have it", f"such as {name}_service")


def check_project(name: str) -> None:
    """Raises ScaffoldError unless a project's folder can be called `name`."""
    if not _PROJECT.fullmatch(name):
        raise ScaffoldError(
            f"a project's name has 1 to 40 letters, digits, - and _, a letter or digit first, not {name!r}"
        )


def check_owner(owner: str) -> None:
    """Raises ScaffoldError unless a contract can say `owner`."""
    if not _OWNER.fullmatch(owner) or not owner.strip():
        raise ScaffoldError(f"an owner is a team's name of 1 to 100 letters, digits and plain signs, not {owner!r}")


@functools.cache
def _names_in_templates() -> frozenset[str]:
    """Every plain name in the Python of a fresh project: a service called like one would shadow it."""
    values = Values(project="x", service="x_", camel="X_", owner="x")
    texts = [*render(Kind.PROJECT, values).items(), *render(Kind.SERVICE, values).items()]
    found: set[str] = set()
    for path, text in texts:
        for node in ast.walk(ast.parse(text)) if path.endswith(".py") else ():
            if isinstance(node, ast.Name):
                found.add(node.id)
            elif isinstance(node, ast.arg):
                found.add(node.arg)
            elif isinstance(node, ast.alias):
                found.add((node.asname or node.name).partition(".")[0])
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                found.add(node.name)
    return frozenset(found)
