"""Sockets: TChannel connections on asyncio's loop, both roles."""

from mesh.net.inbound import Dispatcher, Route
from mesh.net.link import Link
from mesh.net.links import Links
from mesh.net.network import Listener, Network, TcpNetwork, split_address
from mesh.net.peers import Peers
from mesh.net.send import sender

__all__ = [
    "Dispatcher", "Link", "Links", "Listener", "Network", "Peers", "Route", "TcpNetwork", "sender", "split_address",
]  # fmt: skip
