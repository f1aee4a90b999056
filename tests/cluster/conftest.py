"""Clusters of the fake node, on the peers file: no test here needs Consul unless it says so."""

import contextlib
import os
import random
import sys
from pathlib import Path

import pytest

from mesh.cluster import Cluster, ClusterConfig
from mesh.config import build

FAKE_NODE = Path(__file__).parent / "fake_node.py"


def plan_of(**services):
    """A plan whose services run the fake node; restarts are quick so that tests are."""
    tables = {
        name: {"command": ["{python}", str(FAKE_NODE)], "drain_s": 5, **table} for name, table in services.items()
    }
    restart = {"first_ms": 20, "max_ms": 100, "crashes": 4}
    return {"consul": {"enabled": False}, "restart": restart, "services": tables}


@pytest.fixture
def make_plan():
    return plan_of


@pytest.fixture
async def start(tmp_path):
    """`await start(alpha={...})`: a cluster of fake nodes, stopped at the end of the test."""
    async with contextlib.AsyncExitStack() as running:

        async def start(**services):
            config = build(ClusterConfig, plan_of(**services), "test")
            cluster = Cluster(config, tmp_path, name="test", rng=random.Random(7))
            return await running.enter_async_context(cluster)

        yield start


@pytest.fixture
def mesh_up():
    """The command line of `mesh up`, through the module and not the console script, which may not be installed."""
    code = (
        "import argparse, sys; from mesh.cli import up; p = argparse.ArgumentParser();"
        " up.register(p.add_subparsers()); a = p.parse_args(['up', *sys.argv[1:]]); sys.exit(a.run(a))"
    )
    return [sys.executable, "-c", code]


@pytest.fixture
def project_env():
    """The environment of a child that imports mesh from this checkout and sits in no cluster."""
    root = str(Path(__file__).parents[2])
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MESH_")}
    return {**kept, "PYTHONPATH": root}
