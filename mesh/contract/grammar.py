"""Text to tree: thriftpy2's lexer and grammar, with actions of our own.

One rule: thriftpy2 says what a sentence of the language is, these actions only write down what was read. Its own
actions build classes as they go, and in doing so lose lines, `optional`, the types of constants, repeated annotations
and forward references inside containers; they also share one table of modules by bare file name, process-wide.

PLY takes a grammar's rules from docstrings, so each action here borrows the docstring of thriftpy2's of the same name.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from typing import Any

from ply import lex, yacc
from thriftpy2.parser import lexer as thrift_lexer
from thriftpy2.parser import parser as thrift_grammar
from thriftpy2.parser.exc import ThriftParserError

from mesh.contract import syntax
from mesh.contract.problem import ContractError
from mesh.contract.syntax import StructKind

# 1 MiB: the largest hand-written files known are a tenth of it, and PLY reads it in a few seconds. A server's
# Meta::thriftIDL answer is a stranger's text.
MAX_TEXT_CHARACTERS = 1024 * 1024

_PLACE = re.compile(r" at line \d+$")


class _Unexpected(Exception):
    """The grammar has no place for this token (None: the end of the text)."""

    def __init__(self, token: Any) -> None:
        self.token = token


class _Actions:
    """One method for each rule of the grammar. `p[0]` is the result, `p[1]`... are the parts.

    Sequences are deques, as the grammar recurses to the right and every item is put in front of the ones after it.
    """

    tokens = thrift_lexer.tokens
    start = "start"

    def p_error(self, token: Any) -> None:
        raise _Unexpected(token)

    # -- the file

    def p_start(self, p: Any) -> None:
        includes = tuple(unit for unit in p[1] if isinstance(unit, syntax.IncludeNode))
        namespaces = tuple(unit for unit in p[1] if isinstance(unit, syntax.NamespaceNode))
        p[0] = syntax.Document(includes, namespaces, tuple(p[2]))

    def p_header(self, p: Any) -> None:
        p[0] = p[2] if len(p) == 3 else deque()
        if len(p) == 3:
            p[0].appendleft(p[1])

    def p_definition(self, p: Any) -> None:
        p[0] = p[1] if len(p) == 3 else deque()
        if len(p) == 3:
            p[0].append(p[2])

    def p_include(self, p: Any) -> None:
        p[0] = syntax.IncludeNode(p.lineno(1), p[2])

    def p_cpp_include(self, p: Any) -> None:
        p[0] = None

    def p_namespace(self, p: Any) -> None:
        p[0] = syntax.NamespaceNode(p.lineno(1), p[2], p[3])

    # -- definitions

    def p_const(self, p: Any) -> None:
        p[0] = syntax.ConstNode(p.lineno(3), p[3], p[2], p[5], p[6])

    def p_typedef(self, p: Any) -> None:
        p[0] = syntax.TypedefNode(p.lineno(3), p[3], p[2], p[4])

    def p_enum(self, p: Any) -> None:
        p[0] = syntax.EnumNode(p.lineno(2), p[2], tuple(p[4]), p[6])

    def p_enum_item(self, p: Any) -> None:
        if len(p) > 1:
            p[0] = syntax.EnumItem(p.lineno(1), p[1], p[3] if len(p) == 5 else None, p[len(p) - 1])

    def p_seen_struct(self, p: Any) -> None:
        p[0] = (p.lineno(2), p[2])

    p_seen_union = p_seen_struct

    def p_struct(self, p: Any) -> None:
        p[0] = _with(syntax.StructNode, p[1], StructKind.STRUCT, tuple(p[3]), p[5])

    def p_union(self, p: Any) -> None:
        p[0] = _with(syntax.StructNode, p[1], StructKind.UNION, tuple(p[3]), p[5])

    def p_exception(self, p: Any) -> None:
        p[0] = syntax.StructNode(p.lineno(2), p[2], StructKind.EXCEPTION, tuple(p[4]), p[6])

    # -- services

    def p_simple_service(self, p: Any) -> None:
        p[0] = (p.lineno(2), p[2], p[4] if len(p) == 8 else None, tuple(p[len(p) - 2]))

    def p_service(self, p: Any) -> None:
        p[0] = _with(syntax.ServiceNode, p[1], p[2])

    def p_simple_function(self, p: Any) -> None:
        oneway = p[1] == "oneway"
        at = 2 if oneway else 1  # where the result's type stands
        throws = () if p[len(p) - 1] == ")" else tuple(p[len(p) - 1])
        p[0] = (p.lineno(at + 1), p[at + 1], oneway, p[at], tuple(p[at + 3]), throws)

    def p_function(self, p: Any) -> None:
        p[0] = _with(syntax.FunctionNode, p[1], p[2])

    def p_function_type(self, p: Any) -> None:
        p[0] = None if p[1] == "void" else p[1]

    def p_throws(self, p: Any) -> None:
        p[0] = p[3]

    # -- fields

    def p_simple_field(self, p: Any) -> None:
        p[0] = (p.lineno(4), p[1], p[2], p[3], p[4], p[6] if len(p) == 7 else None)

    def p_field(self, p: Any) -> None:
        p[0] = _with(syntax.FieldNode, p[1], p[2])

    def p_field_id(self, p: Any) -> None:
        p[0] = p[1] if len(p) > 1 else None

    def p_field_req(self, p: Any) -> None:
        p[0] = p[1] == "required" if len(p) > 1 else None

    # -- types

    def p_ref_type(self, p: Any) -> None:
        p[0] = syntax.NamedType(p.lineno(1), p[1])

    def p_simple_base_type(self, p: Any) -> None:
        p[0] = (p.lineno(1), "i8" if p[1] == "byte" else p[1])

    def p_base_type(self, p: Any) -> None:
        p[0] = _with(syntax.BaseType, p[1], p[2])

    def p_map_type(self, p: Any) -> None:
        p[0] = (p.lineno(1), "map", (p[3], p[5]))

    def p_list_type(self, p: Any) -> None:
        p[0] = (p.lineno(1), "list", (p[3],))

    def p_set_type(self, p: Any) -> None:
        p[0] = (p.lineno(1), "set", (p[3],))

    def p_container_type(self, p: Any) -> None:
        p[0] = _with(syntax.ContainerType, p[1], p[2])

    # -- values

    def p_const_value(self, p: Any) -> None:
        node = isinstance(p[1], (syntax.NameRef, syntax.ListValue, syntax.MapValue))
        p[0] = p[1] if node else syntax.Literal(p.lineno(1), p[1])

    def p_const_list(self, p: Any) -> None:
        p[0] = syntax.ListValue(p.lineno(1), tuple(p[2]))

    def p_const_map(self, p: Any) -> None:
        p[0] = syntax.MapValue(p.lineno(1), tuple(p[2]))

    def p_const_map_item(self, p: Any) -> None:
        p[0] = (p[1], p[3])

    def p_const_ref(self, p: Any) -> None:
        p[0] = syntax.NameRef(p.lineno(1), p[1])

    # -- annotations

    def p_type_annotations(self, p: Any) -> None:
        p[0] = tuple(p[2]) if len(p) == 4 else ()

    def p_type_annotation(self, p: Any) -> None:
        p[0] = syntax.Annotation(p.lineno(1), p[1], p[3] if len(p) == 4 else None)

    # -- what many rules have in common

    def _first(self, p: Any) -> None:
        p[0] = p[1]

    def _nothing(self, p: Any) -> None:
        p[0] = None

    def _sequence(self, p: Any) -> None:
        p[0] = p[len(p) - 1] if len(p) > 1 else deque()
        if len(p) > 1 and p[1] is not None:
            p[0].appendleft(p[1])


def _with(node: type, first: tuple[Any, ...], *more: Any) -> Any:
    """A node whose first parts another rule has read."""
    return node(*first, *more)


_ALIKE = {
    _Actions._first: (
        "header_unit", "header_unit_", "namespace_scope", "definition_unit", "definition_unit_", "ttype",
        "definition_type", "field_type", "simple_container_type",
    ),
    _Actions._nothing: ("sep",),
    _Actions._sequence: (
        "enum_seq", "field_seq", "function_seq", "const_list_seq", "const_map_seq", "type_annotation_seq",
    ),
}  # fmt: skip


def _make_parser() -> Any:
    """PLY's parser for thriftpy2's rules and the actions above; about 20 ms, so it is made once."""
    alike = {name: action for action, names in _ALIKE.items() for name in names}
    rules: dict[str, Any] = {}
    for name, rule in vars(thrift_grammar).items():
        if not name.startswith("p_") or name == "p_error":
            continue
        action = alike.get(name[2:]) or getattr(_Actions, name, None)
        if action is None:
            raise RuntimeError(f"this thriftpy2 has a grammar rule that mesh.contract.grammar does not know: {name}")
        rules[name] = _as_rule(action, rule)
    grammar = type("_Grammar", (_Actions,), rules)
    return yacc.yacc(module=grammar(), debug=False, write_tables=False, check_recursion=False)


def _as_rule(action: Any, rule: Any) -> Any:
    """`action` in the shape in which PLY finds a rule.

    The line number counts: of two rules that could both be meant PLY takes the one that stands first, and thriftpy2's
    enums (an item may be empty, and so may the list of them) would loop for ever in any other order.
    """

    def run(self: _Actions, p: Any) -> None:
        action(self, p)

    run.__doc__ = rule.__doc__
    run.co_firstlineno = rule.__code__.co_firstlineno  # type: ignore[attr-defined]
    return run


_lock = threading.Lock()  # PLY keeps the state of a parse in the parser
_parser: Any = None
_lexer: Any = None


def parse(text: str, file: str) -> syntax.Document:
    """The tree of a file's text. Raises ContractError where the text is no Thrift; `file` is for its message."""
    global _parser, _lexer
    if len(text) > MAX_TEXT_CHARACTERS:
        raise ContractError(file, 0, f"{len(text)} characters; a contract has at most {MAX_TEXT_CHARACTERS}")
    with _lock:
        if _parser is None:
            _lexer = lex.lex(module=thrift_lexer)
            _parser = _make_parser()
        lexer = _lexer.clone()
        lexer.lineno = 1
        try:
            document: syntax.Document = _parser.parse(text, lexer=lexer)
        except _Unexpected as error:
            raise _grammar_error(file, text, error.token) from None
        except ThriftParserError as error:
            raise ContractError(file, lexer.lineno, _PLACE.sub("", str(error))) from None
        except ValueError as error:  # an integer of thousands of digits
            raise ContractError(file, lexer.lineno, f"unreadable number: {error}") from None
        except IndexError:  # thriftpy2's lexer at a string's last character
            raise ContractError(file, lexer.lineno, "a string ends in a lone backslash") from None
    return document


def _grammar_error(file: str, text: str, token: Any) -> ContractError:
    if token is None:
        return ContractError(file, text.count("\n") + 1, "the file ends in the middle of a definition")
    shown = str(token.value) if not isinstance(token.value, str) else token.value
    if token.type == "INCLUDE":
        return ContractError(file, token.lineno, "an include must stand before the first definition")
    return ContractError(file, token.lineno, f"grammar: {shown[:60]!r} cannot stand here")
