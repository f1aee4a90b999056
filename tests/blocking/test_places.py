"""Where a blocking node refuses to work, and wrong settings: nothing here needs a server."""

import asyncio
import sys
import types

import pytest

from mesh import blocking
from tests.node.interop import interop


@pytest.fixture
def client():
    with blocking.Node("test", env={}) as node:
        yield node.client(interop.Echo, peers=["127.0.0.1:1"])


def module(name, **contents):
    made = types.ModuleType(name)
    vars(made).update(contents)
    return made


@pytest.mark.parametrize(
    ("name", "asks", "says"),
    [
        ("gevent.monkey", "is_module_patched", "gevent has replaced .* gthread .*thread=False"),
        ("eventlet.patcher", "is_monkey_patched", "eventlet has replaced .* gthread"),
    ],
)
def test_a_process_with_green_threads_is_told_what_to_do(client, monkeypatch, name, asks, says):
    patched = []
    monkeypatch.setitem(sys.modules, name, module(name, **{asks: lambda about: about in patched}))
    patched += ["threading", "thread"]
    with pytest.raises(RuntimeError, match=says):
        client.touch("x")
    patched.clear()  # it is imported, and nothing was replaced
    with pytest.raises(Exception, match="unreachable"):
        client.touch("x")


async def test_a_notebooks_cell_may_call_inside_its_kernels_loop(client, monkeypatch):
    shell = types.SimpleNamespace()
    monkeypatch.setitem(sys.modules, "IPython", module("IPython", get_ipython=lambda: shell))
    with pytest.raises(RuntimeError, match="an event loop is running"):  # IPython's own prompt in a program with a loop
        client.touch("x")
    shell.kernel = object()
    with pytest.raises(Exception, match="unreachable"):
        client.touch("x")
    await asyncio.sleep(0)


def test_wrong_settings_are_said_when_the_node_is_made():
    with pytest.raises(ValueError, match="name"):
        blocking.Node("no good name", env={})
    with pytest.raises(ValueError, match="max_calls"):
        blocking.Node("x", max_calls=0, env={})
    with pytest.raises(TypeError, match="serves nothing, so it has no listen; see mesh.Node"):
        blocking.Node("x", listen="127.0.0.1:0", env={})
    with pytest.raises(TypeError, match="is a URL, got object"):
        blocking.Node("x", registry=object(), env={})
    with pytest.raises(ValueError, match="no_such"):
        blocking.Node("x", no_such=1, env={})
    with blocking.Node("x", env={}) as node, pytest.raises(ValueError, match="nowhere"):
        node.client(interop.Echo, peers=["nowhere"])


def test_a_registry_that_cannot_be_opened_fails_each_call_and_leaves_the_node_usable():
    with blocking.Node("x", registry="ftp://somewhere", env={}) as node:
        client = node.client(interop.Echo)
        for _ in range(2):
            with pytest.raises(ValueError, match="ftp"):
                client.touch("x")
        assert "not started" in repr(node)
