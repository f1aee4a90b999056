"""The registry is found by option, environment, or the dev cluster nearby, in this order."""

from __future__ import annotations

import argparse
import json
import socket
from pathlib import Path

import pytest

from mesh.cli import where
from mesh.cli.exits import CommandError
from mesh.cluster.protocol import socket_path


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MESH_REGISTRY", "MESH_CONFIG"):
        monkeypatch.delenv(name, raising=False)


def _args(registry: str | None = None, cluster: str | None = None) -> argparse.Namespace:
    return argparse.Namespace(registry=registry, cluster=cluster)


def _cluster(folder: Path, name: str, content: str | None = None) -> None:
    state = folder / ".mesh" / name / "state.json"
    state.parent.mkdir(parents=True)
    state.write_text(content if content is not None else json.dumps({"registry": f"consul://{name}:8500"}))


def test_the_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _cluster(tmp_path, "city")
    assert where.registry_at(_args(), tmp_path / "deep" / "er").url == "consul://city:8500"
    monkeypatch.setenv("MESH_REGISTRY", "consul://env:1")
    assert where.registry_at(_args(), tmp_path).url == "consul://env:1"
    assert where.registry_at(_args(cluster="city"), tmp_path).url == "consul://city:8500"
    assert where.registry_at(_args("static://a:1"), tmp_path).url == "static://a:1"


def test_the_nearest_folder_wins(tmp_path: Path) -> None:
    _cluster(tmp_path, "outer")
    _cluster(tmp_path / "in", "inner")
    assert where.registry_at(_args(), tmp_path / "in").url == "consul://inner:8500"
    assert where.registry_at(_args(cluster="outer"), tmp_path / "in").url == "consul://outer:8500"


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no registry is named and no dev cluster runs") as caught:
        where.registry_at(_args(), tmp_path)
    assert "mesh up" in caught.value.advice
    with pytest.raises(CommandError, match="no dev cluster 'city' runs"):
        where.registry_at(_args(cluster="city"), tmp_path)


def test_several(tmp_path: Path) -> None:
    _cluster(tmp_path, "one")
    _cluster(tmp_path, "two")
    with pytest.raises(CommandError, match=r"several dev clusters run in .*: one, two"):
        where.registry_at(_args(), tmp_path)


def test_one_that_runs_beside_one_that_was_killed(tmp_path: Path) -> None:
    _cluster(tmp_path, "killed")
    _cluster(tmp_path, "runs")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(socket_path(tmp_path / ".mesh" / "runs")))
        listener.listen()
        assert where.registry_at(_args(), tmp_path).url == "consul://runs:8500"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"registry": 3}', "{"])
def test_a_state_that_cannot_be_used(tmp_path: Path, content: str) -> None:
    _cluster(tmp_path, "city", content)
    with pytest.raises(CommandError, match=r"state\.json"):
        where.registry_at(_args(), tmp_path)


async def test_an_address_that_is_none() -> None:
    with pytest.raises(CommandError, match=r"the registry 'zk://x' \(--registry\): "):
        where.open_at(where.RegistryAt("zk://x", "--registry"))
