"""Framed Thrift without I/O: strict binary messages, plain or within THeader, both sides of a connection."""

from mesh.wire.thrift.application import ApplicationException
from mesh.wire.thrift.client import FORMS, ClientConnection, Form
from mesh.wire.thrift.events import Answered, Closed, Event, Expired, Requested
from mesh.wire.thrift.server import ServerConnection

__all__ = [
    "FORMS", "Answered", "ApplicationException", "ClientConnection", "Closed", "Event", "Expired", "Form", "Requested",
    "ServerConnection",
]  # fmt: skip
