"""Texts and names from strangers: no crash, no hang, no disk, and nothing half-made."""

from __future__ import annotations

import ast
import os
import random
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.contract import ContractError, grammar, load_texts
from mesh.contract.stubs import stub_of

IDL = Path(__file__).parents[2] / "idl"
META = Path(sys.modules["mesh"].__file__ or "").parent / "contract" / "meta.thrift"


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../x.thrift", "a/../../x.thrift", "", "C:\\x", "c:/x", "a\0b", "x" * 300]
)
def test_hostile_names_of_texts(name: str) -> None:
    with pytest.raises(ContractError, match="relative path"):
        load_texts({name: ""}, name)


def test_texts_have_limits() -> None:
    with pytest.raises(ContractError, match="201 files"):
        load_texts({f"{n}.thrift": "" for n in range(201)}, "0.thrift")
    with pytest.raises(ContractError, match="a server may send"):
        load_texts({"a.thrift": " " * 2_100_000}, "a.thrift")
    with pytest.raises(ContractError, match="a contract has at most"):
        load_texts({"a.thrift": " " * 1_100_000}, "a.thrift")
    with pytest.raises(ContractError, match=r"not among the texts: a\.thrift"):
        load_texts({"a.thrift": ""}, "b.thrift")


def test_texts_never_reach_the_disk(tmp_path: Path) -> None:
    (tmp_path / "b.thrift").write_text("struct B { }")
    with pytest.raises(ContractError, match="is absolute"):
        load_texts({"a.thrift": f'include "{tmp_path}/b.thrift"'}, "a.thrift")
    with pytest.raises(ContractError, match="is not there"):
        load_texts({"a.thrift": 'include "../../../../../../../../etc/hostname"'}, "a.thrift")


def test_a_chain_of_includes_has_an_end() -> None:
    def chain(length: int) -> dict[str, str]:
        files = {f"f{n}.thrift": f'include "f{n + 1}.thrift"' for n in range(length - 1)}
        return files | {f"f{length - 1}.thrift": "struct Last { }"}

    assert len(load_texts(chain(64), "f0.thrift").texts) == 64
    with pytest.raises(ContractError, match="more than 64 includes inside each other"):
        load_texts(chain(65), "f0.thrift")


CHAINS = {
    "typedef": ("typedef A{} A{}\n", "typedef i32 A{}", "more than 64 typedefs of typedefs"),
    "constant": ("const i32 A{1} = A{0}\n", "const i32 A{} = 1", "more than 64 constants that stand for constants"),
    "default": ("struct A{1} {{ 1: A{0} x = {{}} }}\n", "struct A{} {{ }}", "more than 64 structs whose defaults"),
    "extends": ("service A{1} extends A{0} {{ }}\n", "service A{} {{ }}", "extends more than 16 services"),
}


@pytest.mark.parametrize(("link", "end", "reason"), CHAINS.values(), ids=CHAINS)
def test_chains_inside_a_file_have_an_end(link: str, end: str, reason: str) -> None:
    def chain(length: int) -> dict[str, str]:
        return {"a.thrift": "".join(link.format(n + 1, n) for n in range(length)) + end.format(length)}

    assert load_texts(chain(16), "a.thrift").name == "a"
    with pytest.raises(ContractError, match=reason):
        load_texts(chain(1000), "a.thrift")


BOMBS = {
    "structs": "struct S0 { 1: optional list<i32> n = [1] }\n"
    + "".join(f"struct S{n + 1} {{ 1: optional S{n} a = {{}}, 2: optional S{n} b = {{}} }}\n" for n in range(40)),
    "lists": "const list<i32> C0 = [1, 1, 1, 1, 1, 1, 1, 1]\n"
    + "".join(
        f"const {'list<' * (n + 2)}i32{'>' * (n + 2)} C{n + 1} = [{', '.join([f'C{n}'] * 8)}]\n" for n in range(14)
    ),
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_what_grows_by_repetition_has_an_end(text: str) -> None:
    assert len(text) < 3000
    with pytest.raises(ContractError, match="more than (1000000|10000) elements in the (constants|defaults)"):
        load_texts({"a.thrift": text}, "a.thrift")


def test_a_large_file_takes_time_in_proportion() -> None:
    """Sequences of the grammar recurse to the right: a list built by concatenation would take the square."""
    fields = " ".join(f"{n}: i32 f{n}," for n in range(1, 3001))
    members = " ".join(f"M{n} = {n}," for n in range(20_000))
    items = ",".join(["1"] * 60_000)
    document = grammar.parse(f"struct S {{ {fields} }} enum E {{ {members} }} const list<i32> C = [{items}]", "a")
    sizes = [len(getattr(node, "fields", ())) + len(getattr(node, "items", ())) for node in document.definitions]
    assert sizes == [3000, 20_000, 0]


WORDS = """
include struct union exception enum service extends const typedef throws oneway void required optional i32 byte string
binary double list set map < > { } ( ) [ ] : ; , = 1 2 -1 70000 1.5 true 'x' "y" A B a.B min // # /* */ \\ é
"""


@given(st.lists(st.sampled_from([*WORDS.split(), "\n"]), max_size=40).map(" ".join))
def test_any_text_is_a_contract_or_a_contract_error(text: str) -> None:
    try:
        found = load_texts({"a.thrift": text}, "a.thrift").texts
    except ContractError as error:
        found = {error.file: text if 0 <= error.line <= text.count("\n") + 1 else "a line that is not there"}
    assert found == {"a.thrift": text}


def mutant(text: str, words: list[str], rng: random.Random) -> str:
    """`text` with a few words dropped, doubled, replaced or swapped."""
    tokens = re.findall(r'//[^\n]*|"[^"]*"|\w+|\s+|[^\w\s]', text)
    for _ in range(rng.choice([1, 1, 2, 3])):
        at, other = rng.randrange(len(tokens)), rng.randrange(len(tokens))
        match rng.randrange(4):
            case 0:
                tokens[at] = ""
            case 1:
                tokens[at] += f" {rng.choice(words)} "
            case 2:
                tokens[at] = rng.choice(words)
            case _:
                tokens[at], tokens[other] = tokens[other], tokens[at]
    return "".join(tokens)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_mutants_of_real_contracts_load_or_are_refused(soak_record: Callable[..., None]) -> None:
    """Whatever loads is whole: its structs can be made, its stub is Python."""
    seed = random.SystemRandom().getrandbits(32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    texts = {path.name: path.read_text() for path in [*sorted(IDL.glob("*.thrift")), META]}
    words = sorted({word for text in texts.values() for word in re.findall(r'"[^"]*"|\w+|[^\w\s]', text)})
    # A mutant costs a hundred times what a mutated message does; the count is meant for those.
    cases, loaded = max(300, int(os.environ.get("THRIFTMESH_SOAK_CASES", "0")) // 100), 0
    for _ in range(cases):
        name = rng.choice(sorted(texts))
        text = mutant(texts[name], words, rng)
        try:
            found = load_texts({**texts, name: text}, name)
        except ContractError:
            continue
        loaded += 1
        ast.parse(stub_of(found))
        for cls in found.structs.values():
            cls()
    soak_record(seed=seed, cases=cases, loaded=loaded)
    assert 0 < loaded < cases
