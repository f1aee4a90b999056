"""`mesh idl diff`, `pull` and `usage` against running instances."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

import mesh
from mesh.cli import exits
from mesh.cli.exits import CommandError
from mesh.cli.idl_pull import write
from mesh.contract import load_texts
from mesh.contract.model import Contract
from mesh.errors import Unreachable
from tests.cli.conftest import Run
from tests.node.drift_pair import LINE, MORE, OURS, TEXT, Handler, pricing

Serve = Callable[..., Any]


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Serve]:
    """Serves a contract at a port of its own and, with `registered`, in a peers file."""
    async with AsyncExitStack() as stack:

        async def serve(contract: Contract, *, registered: bool = False, handler: Any = None) -> mesh.Node:
            registry = f"file://{tmp_path}/peers.toml" if registered else None
            node = await stack.enter_async_context(
                mesh.Node("pricing", listen="127.0.0.1:0", admin="off", settle_ms=0, env={}, registry=registry)
            )
            node.serve(pricing(contract), handler or Handler(contract))
            await node.start()
            return node

        yield serve


def put(folder: Path, contract: Contract) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in contract.texts.items():
        (folder / name).write_text(text)
    return folder


@pytest.mark.integration
async def test_diff_names_method_field_and_both_types(run: Run, serve: Serve, tmp_path: Path) -> None:
    put(tmp_path / "idl", OURS)
    node = await serve(TEXT)
    ran = await run("idl", "diff", "pricing", "--peer", node.address)
    assert ran.code == exits.NO, ran
    assert f"wire: {LINE}" in ran.out
    assert f"incompatible: digest {TEXT.digest[:16]}\n  runs at {node.address}" in ran.out
    ran = await run("idl", "diff", "pricing", "--peer", node.address, "--json")
    told = json.loads(ran.out)
    assert told["here"]["digest"] == OURS.digest
    (group,) = told["running"]
    assert (group["digest"], group["instances"], group["verdict"]) == (TEXT.digest, [node.address], "incompatible")
    (change,) = [change for change in group["changes"] if change["breaks"]]
    assert (change["struct"], change["field"], change["old"], change["new"]) == (
        "QuoteRequest", "km", "double", "string"
    )  # fmt: skip


@pytest.mark.integration
async def test_diff_groups_instances_by_digest(run: Run, serve: Serve, tmp_path: Path) -> None:
    put(tmp_path / "idl", OURS)
    nodes = [await serve(each, registered=True) for each in (OURS, MORE, OURS)]
    ran = await run("idl", "diff", "pricing", "--registry", f"file://{tmp_path}/peers.toml", "--json")
    assert ran.code == exits.OK, ran
    groups = json.loads(ran.out)["running"]
    assert [(group["digest"], group["verdict"]) for group in groups] == [
        (OURS.digest, "same"), (MORE.digest, "compatible")
    ]  # fmt: skip
    assert sorted(groups[0]["instances"]) == sorted([nodes[0].address, nodes[2].address])


@pytest.mark.integration
async def test_diff_says_whom_it_could_not_ask(run: Run, serve: Serve, tmp_path: Path) -> None:
    path = put(tmp_path / "elsewhere", OURS) / "pricing.thrift"
    node = await serve(OURS)
    there = ("--idl", str(path), "--peer", node.address, "--peer", "127.0.0.1:1")
    ran = await run("idl", "diff", "pricing", *there)
    assert ran.code == Unreachable.kind.exit
    assert "unknown: digest not told\n  runs at 127.0.0.1:1" in ran.out
    assert "same: digest" in ran.out


async def test_diff_says_where_it_looked(run: Run, tmp_path: Path) -> None:
    ran = await run("idl", "diff", "pricing", "--peer", "127.0.0.1:1")
    assert ran.code == exits.USAGE
    assert "there is no idl" in ran.err
    put(tmp_path / "idl", OURS)
    ran = await run("idl", "diff", "pricin", "--peer", "127.0.0.1:1")
    assert ran.code == exits.USAGE
    assert "did you mean 'pricing'?" in ran.err


@pytest.mark.integration
async def test_pull_writes_all_files_and_what_it_wrote_loads(run: Run, serve: Serve, tmp_path: Path) -> None:
    node = await serve(TEXT)
    ran = await run("idl", "pull", "pricing", "--peer", node.address)
    assert ran.code == 0, ran
    folder = tmp_path / "idl"
    assert sorted(path.name for path in folder.iterdir()) == ["money.thrift", "pricing.thrift"]
    assert mesh.load(folder / "pricing.thrift").digest == TEXT.digest
    ran = await run("idl", "pull", "pricing", "--peer", node.address, "--json")
    assert set(json.loads(ran.out)["files"].values()) == {"unchanged"}


@pytest.mark.integration
async def test_pull_replaces_nothing_unasked(run: Run, serve: Serve, tmp_path: Path) -> None:
    folder = put(tmp_path / "out", OURS)
    (folder / "money.thrift").unlink()
    node = await serve(TEXT)
    there = ("idl", "pull", "pricing", "--peer", node.address, "--out", str(folder))
    ran = await run(*there)
    assert ran.code == exits.NO
    assert "pricing.thrift: there with another content; nothing was written" in ran.err
    assert not (folder / "money.thrift").exists()
    ran = await run(*there, "--force")
    assert ran.code == 0
    assert "pricing.thrift: replaced" in ran.out
    assert mesh.load(folder / "pricing.thrift").digest == TEXT.digest


@pytest.mark.integration
async def test_pull_asks_which_where_several_run(run: Run, serve: Serve, tmp_path: Path) -> None:
    for each in (OURS, MORE):
        await serve(each, registered=True)
    there = ("idl", "pull", "pricing", "--registry", f"file://{tmp_path}/peers.toml")
    ran = await run(*there)
    assert ran.code == exits.USAGE
    assert "several contracts run" in ran.err
    ran = await run(*there, "--digest", MORE.digest[:8])
    assert ran.code == 0
    assert mesh.load(tmp_path / "idl" / "pricing.thrift").digest == MORE.digest


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "/etc/passwd", "a/../../x.thrift", "conftest.py", ".bashrc", ".git/x.thrift", "c:x.thrift",
     "a\\b.thrift", "a\n.thrift", "", "~/x.thrift", "x/.thrift"],
)  # fmt: skip
def test_a_stranger_names_no_file_elsewhere(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "out"
    with pytest.raises(CommandError, match="only plain paths"):
        write({"fine.thrift": "", name: "x"}, folder)
    assert list(tmp_path.iterdir()) == []


def test_names_that_are_one_file(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="names both"):
        write({"A.thrift": "", "a.thrift": ""}, tmp_path)
    with pytest.raises(CommandError, match="a folder that it names as a file"):
        write({"a.thrift": "", "a.thrift/b.thrift": ""}, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_links_are_not_followed(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "out"
    outside.mkdir()
    folder.mkdir()
    (folder / "sub").symlink_to(outside)
    (folder / "a.thrift").symlink_to(outside / "a.thrift")
    for name in ("sub/b.thrift", "a.thrift"):
        with pytest.raises(CommandError, match="is a link"):
            write({name: "x"}, folder, force=True)
    assert list(outside.iterdir()) == []


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(CommandError, match="cannot be written: Not a directory"):
        write({"a.thrift": "x"}, tmp_path / "file")
    (tmp_path / "a.thrift").mkdir()
    with pytest.raises(CommandError, match="cannot be written: Is a directory"):
        write({"a.thrift": "x"}, tmp_path, force=True)


def _hostile(texts: dict[str, str], entry_point: str) -> Any:
    """Answers Meta::thriftIDL as the test likes."""
    meta = load_texts(
        {
            "meta.thrift": """
            struct IDLs { 1: required map<string, string> idls, 2: required string entryPoint }
            service Meta { IDLs thriftIDL() }
            """
        },
        "meta.thrift",
    )

    class Handler:
        async def thriftIDL(self) -> Any:
            return meta.module.IDLs(idls=texts, entryPoint=entry_point)  # type: ignore[attr-defined]

    return meta.module.Meta, Handler()  # type: ignore[attr-defined]


HOSTILE = {
    "a name outside": ({"../../etc/passwd": "struct A { }"}, "../../etc/passwd", "relative path without"),
    "includes in a circle": (
        {"a.thrift": 'include "b.thrift"', "b.thrift": 'include "a.thrift"'}, "a.thrift", "includes in a circle"
    ),
    "includes itself": ({"a.thrift": 'include "a.thrift"'}, "a.thrift", "includes in a circle"),
    "no entry point": ({"a.thrift": "struct A { }"}, "b.thrift", "not among the texts"),
    "garbage": ({"a.thrift": "\x00\x1b[31m((("}, "a.thrift", "cannot be used"),
    "deep": ({"a.thrift": f"typedef {'list<' * 5000}i32{'>' * 5000} T"}, "a.thrift", "cannot be used"),
    "not a contract's name": ({"setup.py": "struct A { }"}, "setup.py", "only plain paths"),
}  # fmt: skip


@pytest.mark.integration
@pytest.mark.parametrize(("texts", "entry_point", "said"), HOSTILE.values(), ids=HOSTILE)
async def test_pull_from_a_hostile_server(
    run: Run, tmp_path: Path, texts: dict[str, str], entry_point: str, said: str
) -> None:
    service, handler = _hostile(texts, entry_point)
    async with mesh.Node("pricing", listen="127.0.0.1:0", admin="off", settle_ms=0, env={}) as node:
        node._serving.dispatcher._routes.clear()  # type: ignore[attr-defined]
        contract = service.__mesh_service__
        node._serving.services["pricing"] = contract
        node._serving._route("pricing", contract.methods["thriftIDL"], handler.thriftIDL)
        await node.start()
        ran = await run("idl", "pull", "pricing", "--peer", node.address, "--out", str(tmp_path / "out"))
        assert ran.code == exits.NO, ran
        assert said in ran.err
        assert "\x1b" not in ran.err
        ran = await run("idl", "diff", "pricing", "--peer", node.address, "--idl", str(put(tmp_path / "idl", OURS)))
        assert ran.code == exits.NO
    assert not (tmp_path / "out").exists()


DEPRECATED = load_texts(
    {
        "pricing.thrift": """
        struct QuoteRequest { 1: required double km, 2: optional string tariff (deprecated = "zones set it") }
        struct Amount { 1: i64 cents }
        service Pricing { Amount quote(1: QuoteRequest request)  i32 ping() (deprecated = "use Meta::health") }
        """
    },
    "pricing.thrift",
)


class Old:
    async def quote(self, request: Any) -> Any:
        return DEPRECATED.module.Amount(cents=1)  # type: ignore[attr-defined]

    async def ping(self) -> int:
        return 1


@pytest.mark.integration
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_usage_adds_up_over_instances(run: Run, serve: Serve, tmp_path: Path) -> None:
    nodes = [await serve(DEPRECATED, registered=True, handler=Old()) for _ in range(2)]
    there = ("idl", "usage", "pricing", "--registry", f"file://{tmp_path}/peers.toml")
    ran = await run(*there)
    assert ran.code == 0, ran
    assert ran.out.count("nobody") == 2
    request = DEPRECATED.module.QuoteRequest  # type: ignore[attr-defined]
    async with mesh.Node("rider", admin="off", env={}) as caller:
        for node in nodes:
            client = caller.client(pricing(DEPRECATED), peers=[node.address])
            await client.ping()
            await client.quote(request(km=1.0, tariff="night"))
            await client.quote(request(km=1.0))
    ran = await run(*there, "--json")
    told = json.loads(ran.out)
    assert told["complete"] is True
    assert [
        (one["method"], one["field"], [(use["caller"], use["calls"]) for use in one["callers"]])
        for one in told["deprecated"]
    ] == [
        ("Pricing::quote", "QuoteRequest.tariff", [("rider", 2)]),
        ("Pricing::ping", None, [("rider", 2)]),
    ]
    ran = await run(*there)
    assert "QuoteRequest.tariff" in ran.out
    assert "counted by 2 of 2 instances since 20" in ran.out
    there = ("idl", "usage", "pricing", "--peer", nodes[0].address, "--peer", "127.0.0.1:1")
    ran = await run(*there)
    assert ran.code == exits.NO
    assert "127.0.0.1:1: " in ran.err
    assert "counted by 1 of 2 instances" in ran.out


@pytest.mark.integration
async def test_usage_where_nothing_is_deprecated_or_nobody_answers(run: Run, serve: Serve) -> None:
    node = await serve(OURS)
    ran = await run("idl", "usage", "pricing", "--peer", node.address)
    assert (ran.code, ran.out) == (0, "nothing of pricing is deprecated\n")
    ran = await run("idl", "usage", "pricing", "--peer", "127.0.0.1:1", "--json")
    assert ran.code == Unreachable.kind.exit
    error = json.loads(ran.err.splitlines()[-1])["error"]
    assert error["name"] == "unreachable"
    assert "cannot connect: connection refused" in error["text"]
