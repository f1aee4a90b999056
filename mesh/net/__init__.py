"""Sockets: TChannel connections and framed Thrift on asyncio's loop, both roles."""

from mesh.net.accept import Arrival
from mesh.net.framed import FramedLink, Names, Pools, framed_sender
from mesh.net.inbound import Dispatcher, Route
from mesh.net.link import Link
from mesh.net.links import Links, Speaking
from mesh.net.network import Listener, Network, TcpNetwork, split_address
from mesh.net.peers import CONNECT_S, Peers
from mesh.net.send import sender

__all__ = [
    "CONNECT_S", "Arrival", "Dispatcher", "FramedLink", "Link", "Links", "Listener", "Names", "Network", "Peers",
    "Pools", "Route", "Speaking", "TcpNetwork", "framed_sender", "sender", "split_address",
]  # fmt: skip
