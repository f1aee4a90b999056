"""Free ports, and one at a time for all clusters of the machine."""

import contextlib
import random
import socket

import pytest

from mesh.cluster.ports import HIGHEST, LOWEST, RESERVED_BY, Ports

pytestmark = pytest.mark.integration


@pytest.fixture
def ports_from():
    """`ports_from(1, 2)`: looks at these ports first, and then at any."""
    with contextlib.ExitStack() as opened:

        def make(*numbers):
            left = list(numbers)

            class Scripted(random.Random):
                def randint(self, a, b):
                    return left.pop(0) if left else super().randint(a, b)

            return opened.enter_context(contextlib.closing(Ports(Scripted())))

        yield make


def listening(port):
    return socket.create_server(("127.0.0.1", port))


def test_a_taken_port_is_not_given_out_and_none_twice(ports_from):
    first = ports_from().take()
    with contextlib.closing(ports_from(first)) as finder:
        free = finder.take()
        assert free != first
    with listening(free):
        assert ports_from(free).take() != free


def test_two_clusters_that_look_in_the_same_moment_get_different_ones(ports_from):
    wanted = ports_from().take() + 1
    one, other = ports_from(wanted), ports_from(wanted)
    ports = {one.take(), other.take()}
    assert len(ports) == 2


def test_a_port_can_be_used_and_given_back(ports_from):
    ports = ports_from()
    port = ports.take()
    with listening(port), socket.socket(type=socket.SOCK_DGRAM) as gossip:
        gossip.bind(("127.0.0.1", port))  # Consul wants both
    ports.give_back(port)
    assert ports_from(port).take() == port


def test_the_ranges_lie_below_the_ports_of_outgoing_connections():
    assert 1024 < LOWEST < HIGHEST < LOWEST + RESERVED_BY <= HIGHEST + RESERVED_BY < 32_768


def test_a_shared_port_listens(ports_from):
    with ports_from().listen() as shared, socket.create_connection(shared.getsockname(), timeout=5):
        pass
