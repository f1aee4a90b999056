"""Which endpoint an attempt goes to. Pure: clock and randomness are passed in."""

from mesh.balance.endpoints import Endpoint, EndpointSet
from mesh.balance.filter import balance
from mesh.balance.round_robin import Balancer, RoundRobin

__all__ = ["Balancer", "Endpoint", "EndpointSet", "RoundRobin", "balance"]
