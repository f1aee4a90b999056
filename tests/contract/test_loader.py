"""Loading: includes, recursion, the class model, names, texts, and what belongs to what."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import thriftpy2
from ply import yacc
from thriftpy2.parser import parser as thrift_grammar
from thriftpy2.thrift import TException, TPayload

from mesh.contract import contract_of, grammar, load, load_texts, service_of
from mesh.contract.typing import ServiceOf
from tests.contract.text import contract, method

IDL = Path(__file__).parents[2] / "idl"
META = Path(sys.modules["mesh"].__file__ or "").parent / "contract" / "meta.thrift"


def test_types_are_canonical(tmp_path: Path) -> None:
    loaded = contract(
        tmp_path,
        """
        include "geo.thrift"
        typedef Later L
        typedef list<L> Ls
        typedef byte Small
        struct A { 1: Ls ls, 2: map<Small, geo.P> m; 3: set<Color> c 4: geo.Ps ps }
        struct Later { 1: optional Later later, 2: A a }
        enum Color { RED }
        service S { Ls f(1: list<Later> forward, 2: Small s) }
        """,
        geo="typedef list<P> Ps struct P { 1: double lat }",
    )
    fields = loaded.structs["A"].__mesh_fields__  # type: ignore[attr-defined]
    assert [field.type for field in fields] == ["list<a.Later>", "map<i8, geo.P>", "set<a.Color>", "list<geo.P>"]
    f = method(loaded, "S::f")
    assert ([p.type for p in f.parameters], f.result) == (["list<a.Later>", "i8"], "list<a.Later>")


def test_recursive_structs_and_typedefs_work(tmp_path: Path) -> None:
    text = """
    typedef list<Tree> Forest
    struct Tree { 1: Forest children, 2: optional Tree parent, 3: i32 n = 7 }
    struct Even { 1: optional Odd odd } struct Odd { 1: optional Even even }
    exception Chain { 1: optional Chain cause }
    service S { Tree grow(1: Tree tree) throws (1: Chain chain) }
    """
    loaded = contract(tmp_path, text)
    module: Any = loaded.module
    grow = method(loaded, "S::grow").codec
    tree = module.Tree(children=[module.Tree(parent=module.Tree())])
    (back,) = grow.decode_args(grow.encode_args((tree,)))
    assert back == tree
    assert back.children[0].parent.n == 7
    line, error = grow.decode_exception(grow.encode_exception(module.Chain(cause=module.Chain()))[1])  # type: ignore[index]
    assert (line.name, type(error.cause)) == ("chain", module.Chain)


def test_names_and_what_belongs_to_what(tmp_path: Path) -> None:
    loaded = contract(tmp_path, "struct A {} enum E { X } exception B {} union U { 1: i32 n } service S { void f() }")
    module: Any = loaded.module
    assert service_of(module.S) is loaded.services["S"]
    assert service_of(module.S).contract is loaded
    for thing in (module, module.A, module.E, module.B, module.U, module.S):
        assert contract_of(thing) is loaded
    assert {cls.__mesh_name__ for cls in (module.A, module.E, module.B, module.S)} == {"a.A", "a.E", "a.B", "a.S"}
    assert set(loaded.structs) == {"A", "B", "U"}
    assert set(loaded.enums) == {"E"}
    assert repr(loaded).startswith("<Contract a ")
    assert repr(loaded.services["S"]) == "<Service a.S>"
    assert repr(method(loaded, "S::f")) == "<Method a S::f>"


@pytest.mark.parametrize("thing", [int, 5, "S", sys, None])
def test_service_of_and_contract_of_refuse_other_things(thing: Any) -> None:
    with pytest.raises(TypeError, match="is no service of a contract"):
        service_of(thing)
    with pytest.raises(TypeError, match="belongs to no contract"):
        contract_of(thing)


def test_a_subclass_of_a_service_is_not_the_service(tmp_path: Path) -> None:
    loaded = contract(tmp_path, "service S { }")
    with pytest.raises(TypeError):
        service_of(type("Mine", (loaded.module.S,), {}))


def test_constants_and_typedefs_are_python_values(tmp_path: Path) -> None:
    module: Any = contract(
        tmp_path,
        """
        include "b.thrift"
        const i32 SUM = b.LIMIT
        const list<A> ALL = [{"x": 1}, {}]
        const map<string, b.Color> BY = {"r": b.Color.RED, "g": 2}
        const binary RAW = "caf\u00e9"
        const double HALF = 0.5
        const double ALSO = SUM
        typedef i64 Cents
        typedef list<A> As
        typedef map<string, binary> M
        typedef set<double> D
        typedef b.Color C
        struct A { 1: i32 x = 5 }
        """,
        b="const i32 LIMIT = 3 enum Color { RED = 1, GREEN }",
    ).module
    assert (module.SUM, module.HALF, module.ALSO) == (3, 0.5, 3.0)
    assert "caf\u00e9".encode() == module.RAW
    assert [item.x for item in module.ALL] == [1, 5]
    assert module.BY == {"r": 1, "g": 2}
    assert (module.Cents, module.As, module.M, module.D) == (int, list[module.A], dict[str, bytes], set[float])
    assert module.C.GREEN == 2


def test_defaults_are_made_for_each_instance(tmp_path: Path) -> None:
    module: Any = contract(
        tmp_path, "struct A { 1: list<B> bs = [{}] } struct B { 1: map<i32, i32> m = {1: 2} }"
    ).module
    one, other = module.A(), module.A()
    one.bs[0].m[3] = 4
    one.bs.append(None)
    assert (len(other.bs), other.bs[0].m) == (1, {1: 2})


def test_two_files_of_one_name_in_different_folders_do_not_meet(tmp_path: Path) -> None:
    """thriftpy2 keeps its modules by bare file name, process-wide; the second load would get the first file."""
    for folder, field in (("x", "one"), ("y", "two")):
        (tmp_path / folder).mkdir()
        contract(
            tmp_path / folder, 'include "geo.thrift" struct A { 1: geo.P p }', geo=f"struct P {{ 1: i32 {field} }}"
        )
    x, y = (load(tmp_path / folder / "a.thrift") for folder in "xy")
    assert hasattr(x.module.geo.P(), "one")
    assert hasattr(y.module.geo.P(), "two")
    assert not hasattr(y.module.geo.P(), "one")


def test_a_file_included_twice_is_one_module(tmp_path: Path) -> None:
    loaded = contract(
        tmp_path,
        'include "b.thrift" include "c.thrift" struct A { 1: b.B b, 2: c.C c }',
        b='include "d.thrift" struct B { 1: d.D d }',
        c='include "./d.thrift" struct C { 1: d.D d }',
        d="struct D { }",
    )
    module: Any = loaded.module
    assert module.b.d is module.c.d
    assert set(loaded.texts) == {f"{stem}.thrift" for stem in "abcd"}


def test_include_directories_come_after_the_files_own(tmp_path: Path) -> None:
    (tmp_path / "inc").mkdir()
    (tmp_path / "inc" / "b.thrift").write_text("struct Far { }")
    (tmp_path / "a.thrift").write_text('include "b.thrift"')
    assert "Far" in load(tmp_path / "a.thrift", include_dirs=[tmp_path / "inc"]).includes["b"].structs
    (tmp_path / "b.thrift").write_text("struct Near { }")
    assert "Near" in load(tmp_path / "a.thrift", include_dirs=[tmp_path / "inc"]).includes["b"].structs


def test_texts_load_again_under_their_own_names(tmp_path: Path) -> None:
    for folder in ("city/api", "city/shared/deep"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "city/shared/geo.thrift").write_text('include "deep/unit.thrift" struct P { 1: unit.U u }')
    (tmp_path / "city/shared/deep/unit.thrift").write_text("struct U { }")
    (tmp_path / "city/api/a.thrift").write_text('include "../shared/geo.thrift" service S { geo.P f() }')
    loaded = load(tmp_path / "city/api/a.thrift")
    assert loaded.entry_point == "api/a.thrift"
    assert set(loaded.texts) == {"api/a.thrift", "shared/geo.thrift", "shared/deep/unit.thrift"}
    again = load_texts(loaded.texts, loaded.entry_point)
    assert again.digest == loaded.digest
    assert again.texts == loaded.texts
    assert again.services["S"].methods["f"].result == "geo.P"


# -- beside thriftpy2


def test_the_grammar_is_thriftpy2s() -> None:
    """Also in the order of its rules: PLY takes the first of two that could both be meant."""
    grammar.parse("", "a")
    theirs = yacc.yacc(module=thrift_grammar, debug=False, write_tables=False)
    assert [str(rule) for rule in grammar._parser.productions] == [str(rule) for rule in theirs.productions]


def shape(spec: Any) -> Any:
    """A thrift_spec with names for classes."""
    if isinstance(spec, dict):
        return {key: shape(value) for key, value in spec.items()}
    if isinstance(spec, tuple):
        return tuple(shape(part) for part in spec)
    return getattr(spec, "__name__", spec)


@pytest.mark.parametrize("path", [*sorted(IDL.glob("*.thrift")), META], ids=lambda path: path.stem)
def test_classes_are_what_thriftpy2_makes(path: Path) -> None:
    ours, theirs = load(path).module, thriftpy2.load(str(path))
    for kind in ("structs", "unions", "exceptions", "enums", "services", "includes"):
        names = [cls.__name__.rpartition(".")[2] for cls in theirs.__thrift_meta__[kind]]
        assert [cls.__name__ for cls in ours.__thrift_meta__[kind]] == names
    for cls in [*theirs.__thrift_meta__["structs"], *theirs.__thrift_meta__["exceptions"]]:
        mine = getattr(ours, cls.__name__)
        assert shape(mine.thrift_spec) == shape(cls.thrift_spec)
        assert mine.default_spec == cls.default_spec
        assert issubclass(mine, TException if issubclass(cls, Exception) else TPayload)
    for cls in theirs.__thrift_meta__["enums"]:
        assert getattr(ours, cls.__name__)._VALUES_TO_NAMES == cls._VALUES_TO_NAMES
    for cls in theirs.__thrift_meta__["services"]:
        mine = getattr(ours, cls.__name__)
        assert issubclass(mine, ServiceOf)
        assert mine.thrift_services == cls.thrift_services
        for name in cls.thrift_services:
            for part in (f"{name}_args", f"{name}_result"):
                assert shape(getattr(mine, part).thrift_spec) == shape(getattr(cls, part).thrift_spec)
            assert getattr(mine, f"{name}_result").oneway == getattr(cls, f"{name}_result").oneway
