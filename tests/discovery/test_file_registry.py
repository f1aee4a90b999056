"""The peers file and the folder beside it."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mesh.discovery import Instance, RegistryError, Watch, open_registry
from mesh.discovery.peers_file import format_entry, parse_entry, parse_peers
from mesh.discovery.peers_folder import PeersFolder
from mesh.testing.leaks import no_leaks
from mesh.testing.virtual import virtual_time
from tests.discovery.conftest import instance

TOML = """
[services]
pricing = [
    "127.0.0.1:7001",
    {address = "127.0.0.1:7002", id = "p2", admin = "127.0.0.1:8002", zone = "a", weight = 2, meta = {digest = "abc"}},
]
[rules."limits/pricing"]
value = {rate = 5}
"""


def ports(watch: Watch) -> list[int]:
    return [one.port for one in watch.instances]


def test_toml_and_json_say_the_same() -> None:
    toml = parse_peers(Path("p.toml"), TOML.encode())
    as_json = json.dumps(
        {"services": {"pricing": ["127.0.0.1:7001", format_entry(toml.services["pricing"][1])]},
         "rules": {"limits/pricing": {"value": {"rate": 5}}}}
    )  # fmt: skip
    assert parse_peers(Path("p.json"), as_json.encode()) == toml
    assert toml.services["pricing"] == (
        Instance("pricing", "127.0.0.1:7001", "127.0.0.1", 7001),
        Instance("pricing", "p2", "127.0.0.1", 7002, "127.0.0.1:8002", "a", 2, {"digest": "abc"}),
    )
    assert toml.rules == {"limits/pricing": b'{"value": {"rate": 5}}'}


def test_an_entry_survives_its_own_format() -> None:
    whole = Instance("pricing", "p/1", "::1", 7001, "[::1]:8001", "a", 3, {"protocol": "tchannel"})
    assert parse_entry("pricing", format_entry(whole)) == whole


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("services = 5", "services: expected a table"),
        ("[service]", "unknown table 'service'"),
        ("[services]\npricing = '127.0.0.1:1'", "services.pricing: expected a list"),
        ("[services]\npricing = ['127.0.0.1']", "services.pricing: '127.0.0.1' is no HOST:PORT"),
        ("[services]\npricing = [5]", "services.pricing: expected a table, got 5"),
        ("[services]\npricing = [{}]", "services.pricing: '' is no HOST:PORT"),
        ("[services]\npricing = [{address = 5}]", "services.pricing.address: expected text"),
        ("[services]\npricing = [{address = '127.0.0.1:1', host = 'x'}]", "unknown field 'host'; known are address"),
        ("[services]\npricing = [{address = '127.0.0.1:1', weight = 0}]", "services.pricing.weight"),
        ("[services]\npricing = [{address = '127.0.0.1:1', weight = true}]", "services.pricing.weight"),
        ("[services]\npricing = [{address = '127.0.0.1:1', meta = []}]", "services.pricing.meta: expected a table"),
        ("[rules]\na = {value = 1979-05-27}", "is no JSON value"),
        ("[services", "Expected"),
        ("x" * 5_000_000, "bytes are more than"),
    ],
)
def test_a_bad_file_says_where_it_is_bad(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_peers(Path("p.toml"), text.encode())
    assert reason in str(caught.value)


@virtual_time
async def test_the_file_is_followed_and_a_bad_one_changes_nothing(
    tmp_path: Path, lines: Callable[[], list[str]]
) -> None:
    file = tmp_path / "peers.toml"
    file.write_text(TOML)
    async with no_leaks(), open_registry(f"file://{file}") as registry:
        watch, rules = registry.watch("pricing"), registry.watch_rules("limits/")
        await watch.ready()
        await rules.ready()
        assert ports(watch) == [7001, 7002]
        assert [rule.value for rule in rules.rules] == [{"rate": 5}]
        for broken in ("[services", "[services]\npricing = [5]"):
            file.write_text(broken)
            await asyncio.sleep(5)
            assert ports(watch) == [7001, 7002]
        file.unlink()
        await asyncio.sleep(5)
        assert ports(watch) == [7001, 7002]
        assert len(rules.rules) == 1
        with pytest.raises(RegistryError, match="the file is gone"):
            await registry.services()
        file.write_text("[services]\npricing = ['127.0.0.1:7009']")
        await asyncio.sleep(1)
        assert ports(watch) == [7009]  # what a person took out is gone at once, not suspected
        assert rules.rules == ()
    assert [line.partition(": ")[2][:12] for line in lines()] == ["Expected ']'", "services.pri", "the file is ", ""]


@virtual_time
async def test_services_find_each_other_without_a_file_or_a_supervisor(tmp_path: Path) -> None:
    url = f"file://{tmp_path}/peers.json"
    async with no_leaks(), open_registry(url) as first, open_registry(url, zone="b") as second:
        watch = first.watch("pricing")
        await watch.ready()
        assert watch.instances == ()
        one, two = await first.register(instance(1)), await second.register(instance(2))
        assert one.registered
        await asyncio.sleep(1)
        assert [(i.port, i.zone) for i in watch.instances] == [(7001, None), (7002, "b")]
        assert list(await second.services()) == ["pricing"]
        await two.withdraw()
        assert not two.registered
        await asyncio.sleep(1)
        assert ports(watch) == [7001]
    async with open_registry(url) as third:
        assert await third.services() == {}


@virtual_time
async def test_an_own_entry_says_more_than_a_line_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "peers.json"
    file.write_text('{"services": {"pricing": ["127.0.0.1:7001"]}}')
    async with open_registry(f"file://{file}") as registry:
        await registry.register(instance(1))
        assert [one.id for one in registry.watch("pricing").instances] == ["pricing-1"]


@virtual_time
async def test_an_entry_that_somebody_removed_is_made_again(tmp_path: Path) -> None:
    async with open_registry(f"file://{tmp_path}/peers.json") as registry:
        registration = await registry.register(instance(1))
        watch = registry.watch("pricing")
        for left_over in (tmp_path / "peers.json.d").iterdir():
            left_over.unlink()
        (tmp_path / "peers.json.d").rmdir()
        await asyncio.sleep(1.1)
        assert ports(watch) == [7001]
        assert registration.registered


@virtual_time
async def test_a_folder_that_cannot_be_written_is_said_and_tried_again(
    tmp_path: Path, lines: Callable[[], list[str]]
) -> None:
    (tmp_path / "peers.json.d").write_text("a file in the way")
    async with open_registry(f"file://{tmp_path}/peers.json") as registry:
        registration = await registry.register(instance(1))
        assert not registration.registered
        assert "cannot write" in registration.detail
        await asyncio.sleep(10)
        assert len([line for line in lines() if "pricing-1" in line]) == 1
        (tmp_path / "peers.json.d").unlink()
        await asyncio.sleep(1)
        assert registration.registered


def test_garbage_in_the_folder_is_passed_over(tmp_path: Path) -> None:
    folder = PeersFolder(tmp_path / "d")
    own = folder.enter(instance(1))
    held = []
    for number, content in enumerate(
        [b"", b"[]", b"{}", b'{"service": "a"}', b"\xff", b'{"service": 5, "address": 5}']
    ):
        path = tmp_path / "d" / f"bad{number}.json"
        path.write_bytes(content)
        held.append(path.open())
        fcntl.flock(held[-1], fcntl.LOCK_EX)
    assert [one.id for one in folder.entries()] == ["pricing-1"]
    own.remove()
    assert folder.entries() == ()
    for file in held:
        file.close()
    assert folder.entries() == ()
    assert [path.name for path in (tmp_path / "d").iterdir()] == [".lock"]  # nobody held them any more


def test_a_successor_of_the_same_name_is_not_removed_with_its_predecessor(tmp_path: Path) -> None:
    folder = PeersFolder(tmp_path / "d")
    old = folder.enter(instance(1))
    new = folder.enter(instance(1))
    assert not old.there
    old.remove()
    assert new.there
    assert len(folder.entries()) == 1
    new.remove()


def test_a_name_cannot_leave_the_folder(tmp_path: Path) -> None:
    folder = PeersFolder(tmp_path / "d")
    own = folder.enter(Instance("pricing", "../../evil", "127.0.0.1", 7001))
    assert [path.name for path in tmp_path.iterdir()] == ["d"]
    assert [one.id for one in folder.entries()] == ["../../evil"]
    own.remove()


@pytest.mark.integration
def test_the_entry_of_a_killed_process_is_gone_with_it(tmp_path: Path) -> None:
    program = (
        "import sys, time\nfrom pathlib import Path\nfrom mesh.discovery.peers_folder import PeersFolder\n"
        "from mesh.discovery.registry import Instance\n"
        "entry = PeersFolder(Path(sys.argv[1])).enter(Instance('pricing', 'a', '127.0.0.1', 7001))\n"
        "print('there', flush=True)\ntime.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, tmp_path / "d"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"there\n"
        folder = PeersFolder(tmp_path / "d")
        assert [one.id for one in folder.entries()] == ["a"]
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert folder.entries() == ()
        assert not list((tmp_path / "d").glob("*.json"))


@pytest.mark.integration
def test_many_processes_enter_and_leave_at_once(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom mesh.discovery.peers_folder import PeersFolder\n"
        "from mesh.discovery.registry import Instance\n"
        "folder = PeersFolder(Path(sys.argv[1]))\n"
        "for turn in range(100):\n"
        "    entry = folder.enter(Instance('pricing', f'a{turn % 3}', '127.0.0.1', 7001))\n"
        "    folder.entries()\n"
        "    entry.remove()\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", program, tmp_path / "d"]) for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert PeersFolder(tmp_path / "d").entries() == ()
    assert [path.name for path in (tmp_path / "d").iterdir()] == [".lock"]
