"""Framed Thrift on the loop: the serving side of the RPC port beside TChannel, and a client with its connections."""

from mesh.net.framed.link import FramedLink
from mesh.net.framed.names import Names
from mesh.net.framed.pool import Pools
from mesh.net.framed.send import framed_sender

__all__ = ["FramedLink", "Names", "Pools", "framed_sender"]
