import time

import pytest

import mesh
from mesh.errors import Busy, CallTimeout
from mesh.testing import LocalMesh, busy, fake, then, timeout, virtual_time
from tests.node.interop import Echo, interop


async def test_answers_and_records():
    async with LocalMesh() as local:
        answers = fake(interop.Echo, touch="always", tick=lambda counter: len(counter))
        await local.serve(interop.Echo, answers)
        client = await local.client(interop.Echo)
        with mesh.headers({"k": "v"}):
            assert await client.touch("x") == "always"
        assert await client.tick("four") == 4
        first, second = answers.calls
        assert (first.method, first.args, first.caller, first.headers) == ("touch", {"text": "x"}, "test", {"k": "v"})
        assert answers.calls_of("tick") == [second]


@virtual_time
async def test_injected_failures():
    async with LocalMesh() as local:
        answers = fake(
            interop.Echo, touch=timeout(), tick=then(busy(), 7), fail=interop.Refused(message="no"), nothing=None
        )
        await local.serve(interop.Echo, answers)
        client = await local.client(interop.Echo)
        with pytest.raises(CallTimeout):
            await client.touch("x")
        with pytest.raises(Busy):
            await client.tick("x")
        assert await client.tick("x") == 7
        with pytest.raises(interop.Refused):
            await client.fail("x")
        assert await client.nothing() is None


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"touch": 5}, "breaks the contract"),
        ({"ecco": 5}, "no method 'ecco'"),
        ({"touch": interop.Refused(message="x")}, "does not declare Refused; it declares none"),
        ({"fail": ValueError("x")}, "does not declare ValueError; it declares Refused, Broken"),
        ({"echo": interop.Sample(text="x", number=None, items=[])}, "number"),
        ({"touch": then("fine", 5)}, "breaks the contract"),
    ],
)
def test_an_answer_that_the_contract_does_not_allow(answer, reason):
    with pytest.raises(TypeError, match=reason):
        fake(interop.Echo, **answer)


async def test_a_service_with_one_dependency_needs_no_socket_and_little_time():
    started = time.process_time()

    class Shouting(Echo):
        def __init__(self, below):
            self._below = below

        async def touch(self, text):
            return (await self._below.touch(text)).upper()

    async with LocalMesh() as local:
        await local.serve(interop.Echo, fake(interop.Echo, touch="quiet"), name="below")
        node = await local.node("shouting")
        node.serve(interop.Echo, Shouting(node.client(interop.Echo, service="below")))
        await node.start()
        assert await (await local.client(interop.Echo)).touch("x") == "QUIET"
    assert time.process_time() - started < 1  # CPU, not wall: 5 ms here; the bound is only there to notice a sleep


@pytest.mark.parametrize(
    ("answers", "reason"), [({}, "was given no answer"), ({"touch": lambda text: 5}, "breaks the contract")]
)
async def test_a_mistake_in_a_fake_fails_the_test_even_where_the_caller_copes(answers, reason):
    with pytest.raises(AssertionError, match=reason):
        async with LocalMesh() as local:
            await local.serve(interop.Echo, fake(interop.Echo, **answers))
            with pytest.raises(mesh.MeshError):
                await (await local.client(interop.Echo)).touch("x")
