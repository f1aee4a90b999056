"""`mesh doctor`: each check seen to say ok, and seen to say what is wrong and what to do."""

from __future__ import annotations

import asyncio
import builtins
import fcntl
import json
import os
import resource
import shutil
import socket
import time
from collections import namedtuple
from email.utils import formatdate
from pathlib import Path
from typing import Any

import psutil
import pytest

from mesh.cli.main import main
from mesh.discovery.agent_process import ConsulAgent
from mesh.doctor import CHECKS, Finding, Level, Patient, checks, clock, consul, examine, machine, project
from mesh.testing.consul import ConsulSpace

IDL = "struct Order { 1: required i32 count }\nservice Shop { Order buy(1: Order order) }\n"


@pytest.fixture
def patient(tmp_path: Path) -> Patient:
    return Patient(tmp_path / "cluster.toml", {})


def plan(patient: Patient, text: str) -> None:
    patient.plan_file.write_text(text)


def says(finding: Finding, level: str, *words: str) -> None:
    assert finding.level == level, finding
    for word in words:
        assert word in f"{finding.what} -> {finding.do}"
    assert (finding.do == "") == (level == "ok")


def test_python(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    says(machine.python(patient), "ok", "CPython")
    monkeypatch.setattr(
        machine.metadata, "requires", lambda name: ["tornado>=6", "no-such-thing>=1", "x; extra == 'y'"]
    )
    says(machine.python(patient), "fail", "not installed: no-such-thing", "pip install")
    monkeypatch.setattr(machine, "OLDEST", (9, 0))
    says(machine.python(patient), "fail", "use Python 9.0 or later")


def test_uvloop(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    says(machine.uvloop(patient), "ok", "uvloop ")
    real = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name == "uvloop":
            raise ImportError("no such file")
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    says(machine.uvloop(patient), "warn", "cannot be imported: no such file", "pip install")


@pytest.mark.parametrize(
    ("limits", "level", "word"),
    [((65_536, 65_536), "ok", "65536"), ((1024, 524_288), "warn", "ulimit -n 65536"), ((256, 1024), "fail", "-n 1024"),
     ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), "ok", "unlimited")],
)  # fmt: skip
def test_open_files(
    patient: Patient, monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], level: str, word: str
) -> None:
    monkeypatch.setattr(machine.resource, "getrlimit", lambda which: limits)
    says(machine.descriptors(patient), level, word)


def test_disk(patient: Patient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "free")
    for free, level in ((50 << 30, "ok"), (500 << 20, "warn"), (10 << 20, "fail")):
        monkeypatch.setattr(shutil, "disk_usage", lambda folder, free=free: usage(free))
        says(machine.disk(patient), level, str(tmp_path))
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(50 << 30))
    monkeypatch.setattr(machine, "INODES_WARN", 1 << 62)
    says(machine.disk(Patient(tmp_path / "not" / "yet" / "cluster.toml", {})), "warn", "inodes")
    monkeypatch.setattr(os, "access", lambda *_: False)
    says(machine.disk(patient), "fail", "not writable")


def test_loopback(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    says(machine.loopback(patient), "ok", "127.0.0.1 answers")
    real = socket.getaddrinfo

    def strange(host: Any, *rest: Any, **named: Any) -> Any:
        return real("10.1.1.1" if host == "localhost" else host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", strange)
    says(machine.loopback(patient), "warn", "localhost is 10.1.1.1", "/etc/hosts")

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("no such device")

    monkeypatch.setattr(socket, "create_server", refuse)
    says(machine.loopback(patient), "fail", "no such device", "ip link set lo up")


def test_clock(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert clock.synchronised() in (True, False, None)
    for known, level, words in ((True, "ok", "in step"), (False, "warn", "chrony"), (None, "ok", "cannot be told")):
        monkeypatch.setattr(clock, "synchronised", lambda known=known: known)
        says(clock.clock(patient), level, words)
    bad = namedtuple("info", "monotonic resolution implementation")(True, 0.01, "jiffies")
    monkeypatch.setattr(time, "get_clock_info", lambda name: bad)
    says(clock.clock(patient), "fail", "jiffies", "resolution 0.01")


@pytest.mark.parametrize(
    ("theirs", "skew_s"), [(1000, 0.0), (999.9, 0.0), (1001, 0.0), (1010, 8.5), (990, -9.0), (None, None), ("x", None)]
)
def test_another_clock_by_its_date_header(theirs: Any, skew_s: float | None) -> None:
    header = formatdate(theirs, usegmt=True) if isinstance(theirs, int | float) else theirs
    assert clock.skew(header, 1000.0, 1001.5) == skew_s


def test_how_far_clocks_may_be_apart() -> None:
    assert clock.judge_skew(2.0, "c") is None
    for skew_s, level, words in ((5, "warn", "5 s ahead"), (-5, "warn", "5 s behind"), (100, "fail", "100 s ahead")):
        finding = clock.judge_skew(skew_s, "c:8500")
        assert finding is not None
        says(finding, level, "the clock of c:8500", words, "chrony")


def test_configuration(patient: Patient, tmp_path: Path) -> None:
    says(project.configuration(patient), "ok", "no ")
    plan(patient, "[services.a]\ninstances = 2\n")
    says(project.configuration(Patient(patient.plan_file, {})), "ok", "with 1 services")
    plan(patient, "[services.a]\ninstancs = 2\n")
    says(project.configuration(Patient(patient.plan_file, {})), "fail", "instancs: unknown key", "docs/cluster.md")
    patient.plan_file.unlink()
    says(project.configuration(Patient(patient.plan_file, {"MESH_LISTEN": "x"})), "fail", "MESH_LISTEN: expected HOST")
    token = tmp_path / "token"
    token.write_text("s3cret")
    env = {"MESH_TOKEN_FILE": str(token)}
    token.chmod(0o644)
    says(project.configuration(Patient(patient.plan_file, env)), "warn", "others can read the token", "chmod 600")
    token.chmod(0o600)
    says(project.configuration(Patient(patient.plan_file, env)), "ok")


def test_ports(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    says(project.ports(patient), "ok", "are free for a dev cluster")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        finding = project.ports(Patient(patient.plan_file, {"MESH_ADMIN": address}))
        says(finding, "fail", f"admin {address} is taken by", f"(pid {os.getpid()})", "MESH_ADMIN")
    says(project.ports(Patient(patient.plan_file, {"MESH_LISTEN": "203.0.113.9:7"})), "fail", "impossible: ")
    monkeypatch.setattr(project, "LOCAL_PORTS", patient.folder / "range")
    (patient.folder / "range").write_text("1024\t65000\n")
    says(project.ports(patient), "warn", "outgoing connections ports from 1024", "sysctl")
    monkeypatch.setattr(project, "_listening", lambda: set(range(20_000, 26_000)))
    says(project.ports(patient), "warn", "384 of 6384", "most of them: ")


def test_contracts(patient: Patient) -> None:
    says(project.contracts(patient), "ok", "no contracts")
    folder = patient.folder / "idl"
    folder.mkdir()
    (folder / "shop.thrift").write_text(IDL)
    says(project.contracts(patient), "warn", "shop.pyi", "mesh idl build")
    assert list(folder.iterdir()) == [folder / "shop.thrift"]  # it only looks
    list(project.build_stubs([folder]))
    says(project.contracts(patient), "ok", "1 contracts, their stubs fresh")
    (folder / "bad.thrift").write_text("struct X { 1: required nothing y }")
    says(project.contracts(patient), "fail", "bad.thrift:1", "mesh idl check")


def test_what_a_killed_cluster_left(patient: Patient) -> None:
    says(project.run_folders(patient), "ok", "no cluster runs here")
    folder = patient.folder / ".mesh" / "city"
    folder.mkdir(parents=True)
    state = {"services": {"a": [{"id": "a-1", "pid": os.getpid()}, {"id": "a-2", "pid": 0}]}}
    (folder / "state.json").write_text(json.dumps(state))
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        says(project.run_folders(patient), "ok", "running here: city")
    says(project.run_folders(patient), "warn", "left behind", f"still running: a-1 pid {os.getpid()}", "mesh down")
    (folder / "state.json").write_text("{")
    says(project.run_folders(patient), "warn", "left behind")
    (folder / "state.json").unlink()  # the keeper did, but the socket is there until mesh down
    (folder / "control.sock").touch()
    says(project.run_folders(patient), "warn", "left behind", "mesh down")
    (folder / "control.sock").unlink()
    says(project.run_folders(patient), "ok", "none left a trace")


def test_an_agent_to_start(patient: Patient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    says(consul.agent_binary(patient), "warn", "none on the PATH", "peers file")
    binary = tmp_path / "bin" / "consul"
    binary.parent.mkdir()
    binary.write_text("#!/bin/sh\necho 'Consul v1.9.9'\n")
    binary.chmod(0o755)
    monkeypatch.setenv("PATH", f"{binary.parent}:/bin:/usr/bin")
    says(consul.agent_binary(patient), "ok", "Consul 1.9.9 at ")
    plan(patient, "consul.enabled = false\n")
    says(consul.agent_binary(Patient(patient.plan_file, {})), "ok", "starts none")
    assert not (tmp_path / "cache").exists()  # it fetches nothing


async def test_no_registry_and_no_consul(patient: Patient) -> None:
    says(await consul.registry(patient), "ok", "no Consul is configured")
    says(await consul.registry(Patient(patient.plan_file, {}, registry="static://a:1")), "ok", "no Consul to reach")
    bad = Patient(patient.plan_file, {}, registry="consul://a:x")
    says(await consul.registry(bad), "fail", "port must be a number")


@pytest.mark.integration
async def test_consul_reached_and_not(consul: ConsulSpace, patient: Patient) -> None:
    from mesh.doctor.consul import registry

    finding = await registry(Patient(patient.plan_file, {"MESH_REGISTRY": consul.url}))
    says(finding, "ok", "1.8.7" if "1.8.7" in finding.what else "a leader")
    with socket.socket() as closed:  # bound and not listening: refused, and nobody else's
        closed.bind(("127.0.0.1", 0))
        dead = f"127.0.0.1:{closed.getsockname()[1]}"
        one_of_two = f"consul://{dead},{consul.url.removeprefix('consul://')}"
        says(await registry(Patient(patient.plan_file, {}, registry=one_of_two)), "warn", f"{dead}: ", "refused")
        plan(patient, f'consul.join = ["{dead}"]\n')
        says(await registry(Patient(patient.plan_file, {})), "fail", f"{dead}: ", "refused", "MESH_CONSUL_TOKEN")


@pytest.mark.integration
async def test_a_token_that_consul_does_not_know(consul_binary: Path, tmp_path: Path, patient: Patient) -> None:
    token = "5f7a3c52-9d6e-4b1f-8a2e-0c4d1e9b7f60"
    acl = {"acl": {"enabled": True, "default_policy": "deny", "tokens": {"master": token}}}
    async with ConsulAgent(consul_binary, tmp_path / "agent", config=acl) as agent:
        env = {"MESH_REGISTRY": agent.url, "MESH_TOKEN": token}
        says(await consul.registry(Patient(patient.plan_file, env)), "ok", "a leader")
        finding = await consul.registry(Patient(patient.plan_file, {**env, "MESH_TOKEN": f"{token[:-1]}1"}))
        says(finding, "fail", "does not know the ACL token")
        assert token[:20] not in repr(finding)


def test_a_clock_apart_is_told_by_whose() -> None:
    says(consul._judge("c", [consul.Asked("c:1", skew_s=100.0)]), "fail", "the clock of c:1 is 100 s ahead")
    says(consul._judge("c", [consul.Asked("c:1", skew_s=0.5)]), "ok")


async def test_a_check_that_breaks_or_hangs_stops_no_other(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "CHECK_S", 0.05)

    async def hangs(patient: Patient) -> Finding:
        await asyncio.Event().wait()
        raise AssertionError

    def breaks(patient: Patient) -> Finding:
        raise RuntimeError("oh")

    found = {name: one async for name, one in examine(patient, {"a": hangs, "b": breaks, "c": machine.disk})}
    says(found["a"], "fail", "no answer within")
    says(found["b"], "fail", "RuntimeError: oh", "bug in mesh")
    assert list(found) == ["a", "b", "c"]


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("MESH_")]:
        monkeypatch.delenv(name)
    code = main(["doctor", "--json"])
    answer = json.loads(capsys.readouterr().out)
    assert [check["name"] for check in answer["checks"]] == list(CHECKS)
    assert answer["ok"] == (code == 0)
    (tmp_path / "cluster.toml").write_text("[services.a]\ninstancs = 2\n")
    assert main(["doctor"]) == 1
    shown = capsys.readouterr().out
    assert "fail  configuration" in shown
    assert "\x1b" not in shown
    assert shown.splitlines()[-1].endswith("wrong")
    code = main(["doctor", "--json"])
    answer = json.loads(capsys.readouterr().out)
    assert (code, answer["ok"]) == (1, False)
    assert answer["counts"]["fail"] == sum(check["level"] == Level.FAIL for check in answer["checks"]) >= 1


def test_no_process_is_named_by_its_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    assert project._named(os.getpid()) == f"{psutil.Process().name()} (pid {os.getpid()})"
    assert project._named(None) == "a process that is not shown to this user"
