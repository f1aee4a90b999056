"""What a node tells the registry of itself, and what the registry is to ask it."""

import pytest

from mesh.node.presence import _health_url, _known_to_others

HTTP = "http://127.0.0.1:9/health"


@pytest.mark.parametrize(
    ("registry", "address", "admin", "asked"),
    [
        # A local agent gets to loopback, and so does everybody where all is on loopback.
        ("consul://127.0.0.1:8500", "10.0.0.5:7", "127.0.0.1:9", HTTP),
        ("consul://[::1]:8500,localhost:8501", "10.0.0.5:7", "127.0.0.1:9", HTTP),
        ("consul://10.0.0.1:8500", "127.0.0.1:7", "127.0.0.1:9", HTTP),
        # One elsewhere gets to the RPC port, or to an admin side that listens for it.
        ("consul://10.0.0.1:8500", "10.0.0.5:7", "127.0.0.1:9", "tcp://10.0.0.5:7"),
        ("consul://127.0.0.1:8500,10.0.0.1:8500", "10.0.0.5:7", "[::1]:9", "tcp://10.0.0.5:7"),
        ("consul+https://consul.internal:8501", "[fd00::5]:7", "127.0.0.1:9", "tcp://[fd00::5]:7"),
        ("consul://10.0.0.1:8500", "10.0.0.5:7", "10.0.0.5:9", "http://10.0.0.5:9/health"),
        ("consul://10.0.0.1:8500", "10.0.0.5:7", None, None),
    ],
)  # fmt: skip
def test_the_registry_asks_what_it_can_get_to(registry, address, admin, asked):
    assert _health_url(registry, address, admin) == asked


@pytest.mark.parametrize(
    ("admin", "known"),
    [
        ("0.0.0.0:9", "10.0.0.5:9"),
        ("[::]:9", "10.0.0.5:9"),
        ("127.0.0.1:9", "127.0.0.1:9"),
        ("10.0.0.6:9", "10.0.0.6:9"),
    ],
)
def test_an_admin_side_on_all_addresses_is_known_under_the_nodes(admin, known):
    assert _known_to_others(admin, "10.0.0.5") == known
