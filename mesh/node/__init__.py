"""One process of the mesh: what it serves, whom it calls, how it starts and stops."""

from mesh.node.calling import PROTOCOLS, Protocol
from mesh.node.client import Client
from mesh.node.node import Node
from mesh.node.run import run

__all__ = ["PROTOCOLS", "Client", "Node", "Protocol", "run"]
