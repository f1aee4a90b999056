"""The dev cluster: every process of a system on one machine, real and supervised.

    config = load(Path("cluster.toml"))
    async with Cluster(config, Path(".")) as cluster:
        await cluster.ready()
        await cluster.restart_instance("pricing-1")

One rule: what a cluster started does not outlive it, however it ends.
"""

from mesh.cluster.cluster import Cluster
from mesh.cluster.instance import Change, Instance, State
from mesh.cluster.plan import ClusterConfig, ServiceConfig, load
from mesh.cluster.replace import Replaced, ReplaceError
from mesh.cluster.rundir import ClusterError

__all__ = [
    "Change",
    "Cluster",
    "ClusterConfig",
    "ClusterError",
    "Instance",
    "ReplaceError",
    "Replaced",
    "ServiceConfig",
    "State",
    "load",
]
