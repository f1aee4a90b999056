"""The debug mark: no deadline where debug mode is on, and nothing anywhere else."""

import asyncio

import pytest

import mesh
from mesh.call import context, debug
from mesh.call.debug import CALL_S
from mesh.errors import CallTimeout, MeshError
from mesh.node.debugging import patient
from mesh.testing import LocalMesh, no_leaks, virtual_time
from mesh.wire import Connection, Identity, Limits
from tests.node.interop import Echo, interop

LONG_MS = 3 * 3600 * 1000  # at a breakpoint over lunch


class Slow(Echo):
    """Sleeps as long as it is told, here or one hop further down; notes how much time it was given."""

    def __init__(self, below=None):
        super().__init__()
        self.below = below
        self.given_s = []

    async def slow(self, ms):
        self.given_s.append(mesh.current().remaining_ms() / 1000)
        if self.below is not None:
            with mesh.deadline(ms=1000):  # a scope of the handler's own counts no more than the contract
                return await self.below.slow(ms)
        await asyncio.sleep(ms / 1000)
        return ms


async def chain(local, *modes):
    """A caller, a service `top` and below it `leaf`: each in debug mode or not. Gives the client and both handlers."""
    caller, top, leaf = modes
    below = Slow()
    last = await local.node("leaf", debug=leaf)
    last.serve(interop.Echo, below, name="leaf")
    await last.start()
    middle = await local.node("top", debug=top)
    handler = Slow(middle.client(interop.Echo, service="leaf"))
    middle.serve(interop.Echo, handler, name="top")
    await middle.start()
    return (await local.node("caller", debug=caller)).client(interop.Echo, service="top"), handler, below


@virtual_time
async def test_a_marked_call_has_a_day_all_the_way_down():
    async with no_leaks(), LocalMesh() as local:
        client, top, leaf = await chain(local, True, True, True)
        with debug.mark():
            assert await client.slow(LONG_MS) == LONG_MS
        assert top.given_s[0] == pytest.approx(CALL_S, rel=0.01)
        assert leaf.given_s[0] == pytest.approx(CALL_S, rel=0.01)


def test_a_peer_that_a_debugger_stopped_is_waited_for():
    """A mesh peer that answers no ping is given up after 70 s, with the calls on its connection."""
    limits = patient(Limits())
    for given, hours in ((Limits(), 0), (limits, 20)):
        dialler, acceptor = Connection(True, Identity("0.0.0.0:0", "a", {}), given), Connection(
            False, Identity("127.0.0.1:1", "b", {}), given
        )  # fmt: skip
        dialler.start(0.0)
        acceptor.start(0.0)
        acceptor.receive(dialler.data_to_send(), 0.0)
        dialler.receive(acceptor.data_to_send(), 0.0)
        assert dialler.peer is not None
        moment = 0.0
        while not dialler.closing and (moment := dialler.next_timer()) < 20 * 3600:
            dialler.on_timer(moment)
        assert dialler.closing == (not hours)


@virtual_time
async def test_one_without_the_mark_ends_as_ever_in_debug_mode_too():
    async with no_leaks(), LocalMesh() as local:
        client, _, leaf = await chain(local, True, True, True)
        with pytest.raises(CallTimeout):
            await client.slow(LONG_MS)
        assert leaf.given_s[0] <= 1.0


@pytest.mark.parametrize(
    "modes", [(False, True, True), (True, False, True), (True, True, False), (False, False, False)]
)
@virtual_time
async def test_a_process_that_is_not_in_debug_mode_passes_the_mark_on_and_obeys_its_contract(modes):
    async with no_leaks(), LocalMesh() as local:
        client, _, _ = await chain(local, *modes)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        with debug.mark(), pytest.raises(MeshError):  # a timeout, or what the hop above makes of it
            await client.slow(LONG_MS)
        assert loop.time() - begun < 10


async def test_the_mark_cannot_be_mistaken_for_a_header_of_the_protocol():
    with debug.mark():
        assert context.current().baggage == {debug.KEY: "1"}


async def test_no_filter_is_built_in_without_debug_mode():
    """What it costs is decided when the stack is built."""
    async with LocalMesh() as local:
        plain, debugging = await local.node("plain"), await local.node("debugging", debug=True)
        for stack in ("client_stack", "server_stack"):
            layers = [
                next(layer for layer in getattr(node, stack) if layer.name == "deadline") for node in (plain, debugging)
            ]
            assert [layer.make.__module__ for layer in layers] == ["mesh.filters.deadline", "mesh.filters.debug"]
