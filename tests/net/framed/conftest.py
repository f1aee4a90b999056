import pytest

from mesh.net import TcpNetwork
from mesh.testing.memory import MemoryNetwork


@pytest.fixture(params=["memory", "tcp"])
def network(request):
    return MemoryNetwork() if request.param == "memory" else TcpNetwork()
