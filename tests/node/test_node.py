import asyncio
import logging
import threading

import pytest

import mesh.call as call
from mesh.call import Layer
from mesh.errors import BadRequest, Busy, CallTimeout, InvalidReply, Unexpected, UnknownService, Unreachable
from mesh.net import TcpNetwork
from mesh.testing.leaks import no_leaks
from mesh.testing.local import LocalMesh
from mesh.testing.memory import MemoryNetwork
from mesh.testing.virtual import virtual_time
from tests.node.interop import Echo, interop


@pytest.fixture(params=["memory", "tcp"])
def network(request):
    return MemoryNetwork() if request.param == "memory" else TcpNetwork()


async def test_there_and_back(network):
    async with no_leaks(), LocalMesh(network) as mesh:
        await mesh.serve(interop.Echo, Echo())
        client = await mesh.client(interop.Echo)
        sample = interop.Sample(text="x", number=5, items=["a", "b"])
        assert await client.echo(sample) == sample
        assert await client.touch(text="hello") == "hello"
        assert await client.nothing() is None


async def test_declared_exceptions_are_raised_as_they_are(network):
    async with LocalMesh(network) as mesh:
        await mesh.serve(interop.Echo, Echo())
        client = await mesh.client(interop.Echo)
        with pytest.raises(interop.Refused) as refused:
            await client.fail("refused")
        assert refused.value.message == "as you asked"
        with pytest.raises(interop.Broken):
            await client.fail("broken")


async def test_an_undeclared_exception_tells_its_caller_nothing_and_the_log_everything(network, caplog):
    async with LocalMesh(network) as mesh:
        await mesh.serve(interop.Echo, Echo())
        client = await mesh.client(interop.Echo)
        with pytest.raises(Unexpected) as error:
            await client.fail("password=hunter2")
    assert "hunter2" not in str(error.value)
    trace = str(error.value).split("trace ")[1][:32]
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.exc_info is not None
    assert "hunter2" in caplog.text
    assert len(trace) == 32


async def test_wrong_arguments_never_leave(network):
    async with LocalMesh(network) as mesh:
        await mesh.serve(interop.Echo, Echo())
        client = await mesh.client(interop.Echo)
        with pytest.raises(BadRequest, match=r"sample\.number: expected i"):
            await client.echo(interop.Sample(text="x", number="5", items=[]))
        with pytest.raises(TypeError, match="no parameter 'sampel'"):
            await client.echo(sampel=1)
        with pytest.raises(TypeError, match="takes 1 arguments"):
            await client.echo(1, 2)
        with pytest.raises(AttributeError, match="did you mean 'echo'"):
            client.ecko  # noqa: B018
        with pytest.raises(BadRequest, match="oneway"):
            await client.forget("x")


async def test_headers_both_ways_and_what_current_knows(network):
    seen = {}

    class Handler(Echo):
        async def headers(self):
            here = call.current()
            seen.update(caller=here.caller, service=here.service, method=here.method, baggage=dict(here.baggage))
            seen.update(left=here.remaining_ms(), trace=here.trace.id)
            here.reply_headers["answered-by"] = "me"
            return dict(here.headers)

    async with LocalMesh(network) as mesh:
        await mesh.serve(interop.Echo, Handler())
        node = await mesh.node("rider")
        client = node.client(interop.Echo)
        with call.headers({"x": "y"}), call.baggage(tenant="t"), call.deadline(ms=400):
            assert await client.headers() == {"x": "y"}
        method = interop.Echo.__mesh_service__.methods["headers"]
        reply = await node.call(method, ())
        assert reply.headers == {"answered-by": "me"}
    assert seen["caller"] == "rider"
    assert seen["service"] == "interop"
    assert seen["method"] == "Echo::headers"
    assert 0 < seen["left"] <= 1000


@virtual_time
async def test_a_deadline_goes_down_the_tree_and_stops_all_of_it():
    stopped = []

    class Leaf(Echo):
        async def slow(self, ms):
            try:
                await asyncio.sleep(ms / 1000)
            finally:
                stopped.append(("leaf", asyncio.get_running_loop().time()))

    class Middle(Echo):
        def __init__(self, below):
            self.below = below

        async def slow(self, ms):
            try:
                return await self.below.slow(ms)
            finally:
                stopped.append(("middle", asyncio.get_running_loop().time()))

    async with LocalMesh() as mesh:
        await mesh.serve(interop.Echo, Leaf(), name="leaf")
        middle = await mesh.node("middle")
        middle.serve(interop.Echo, Middle(middle.client(interop.Echo, service="leaf")), name="middle")
        await middle.start()
        caller = await mesh.node("caller")
        client = caller.client(interop.Echo, service="middle")
        started = asyncio.get_running_loop().time()
        with call.deadline(ms=200), pytest.raises(CallTimeout):
            await client.slow(60_000)
        await asyncio.sleep(0.05)
        assert {who for who, _ in stopped} == {"leaf", "middle"}
        assert max(when for _, when in stopped) - started < 0.25

        stopped.clear()
        task = asyncio.create_task(client.slow(60_000))
        await asyncio.sleep(0.1)
        task.cancel()
        cancelled_at = asyncio.get_running_loop().time()
        await asyncio.sleep(0.05)
        assert {who for who, _ in stopped} == {"leaf", "middle"}
        assert max(when for _, when in stopped) - cancelled_at < 0.05


async def test_what_did_not_run_below_is_not_told_as_such_above(network):
    class Front(Echo):
        async def touch(self, text):
            raise_from_below = Busy("full", service="below", peer="10.0.0.1:1")
            raise raise_from_below

    class Shedding(Echo):
        async def touch(self, text):
            raise Busy("I shed it myself")

    async with LocalMesh(network) as mesh:
        await mesh.serve(interop.Echo, Front(), name="front")
        await mesh.serve(interop.Echo, Shedding(), name="shedding")
        node = await mesh.node("caller")
        with pytest.raises(Unexpected, match="further down"):
            await node.client(interop.Echo, service="front").touch("x")
        with pytest.raises(Busy):
            await node.client(interop.Echo, service="shedding").touch("x")


async def test_plain_handlers_run_in_threads_with_their_context(network):
    seen = {}

    class Plain(Echo):
        def touch(self, text):
            seen.update(thread=threading.current_thread().name, caller=call.current().caller)
            return text

    async with no_leaks(), LocalMesh(network) as mesh:
        await mesh.serve(interop.Echo, Plain())
        assert await (await mesh.client(interop.Echo)).touch("x") == "x"
    assert seen["thread"].startswith("mesh-handler")
    assert seen["caller"] == "test"


async def test_a_full_thread_pool_answers_busy():
    gate, entered = threading.Event(), threading.Semaphore(0)

    class Plain(Echo):
        def block(self, ms):
            entered.release()
            gate.wait(10)
            return 1.0

    async with LocalMesh() as mesh:
        node = await mesh.node("echo", threads=1)
        node.serve(interop.Echo, Plain())
        await node.start()
        client = await mesh.client(interop.Echo)
        calls = [asyncio.create_task(client.block(1)) for _ in range(20)]
        while len([task for task in calls if task.done()]) < 15:
            await asyncio.sleep(0.001)
        gate.set()
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert sum(isinstance(result, Busy) for result in results) == 15
        assert sum(result == 1.0 for result in results) == 5


async def test_a_handler_that_breaks_the_contract_is_a_failure(network, caplog):
    class Wrong(Echo):
        async def touch(self, text):
            return 5

    async with LocalMesh(network) as mesh:
        await mesh.serve(interop.Echo, Wrong())
        with pytest.raises(Unexpected, match="breaks the contract"):
            await (await mesh.client(interop.Echo)).touch("x")
    assert "expected string" in caplog.text


async def test_nobody_and_nowhere(network):
    async with LocalMesh(network) as mesh:
        node = await mesh.node("caller")
        with pytest.raises(UnknownService, match="no instance of 'interop'"):
            await node.client(interop.Echo).touch("x")
        with pytest.raises(Unreachable, match="127.0.0.1:1"):
            await node.client(interop.Echo, peers=["127.0.0.1:1"]).touch("x")
        with pytest.raises(ValueError, match="HOST:PORT"):
            node.client(interop.Echo, peers=["nowhere"])


async def test_a_service_is_found_when_it_comes_and_left_when_it_goes(network):
    async with LocalMesh(network) as mesh:
        client = await mesh.client(interop.Echo)
        with pytest.raises(UnknownService):
            await client.touch("x")
        first = await mesh.serve(interop.Echo, Echo())
        assert await client.touch("x") == "x"
        second = await mesh.node("second")
        second.serve(interop.Echo, Echo())
        await second.start()
        await first.stop()
        for _ in range(10):
            assert await client.touch("x") == "x"


async def turns_at_restarting(mesh, *, callers, apart_s, turns, rest_s, protocol="tchannel"):
    """Two instances take turns at restarting while calls that may not be repeated go on. Gives the answers."""
    client = (await mesh.node("caller")).client(interop.Echo, protocol=protocol)
    echo, stop, answers = Echo(), asyncio.Event(), []

    async def instance():
        node = await mesh.node("echo", settle_ms=5)
        node.serve(interop.Echo, echo)
        await node.start()
        return node

    async def call_on():
        while not stop.is_set():
            with call.deadline(ms=5000):
                answers.append(await client.tick("c"))
            await asyncio.sleep(0)

    nodes = [await instance(), await instance()]
    calling = []
    for _ in range(callers):
        calling.append(asyncio.create_task(call_on()))
        await asyncio.sleep(apart_s)
    for turn in range(turns):
        await nodes[turn % 2].stop()
        nodes[turn % 2] = await instance()
        await asyncio.sleep(rest_s)
    stop.set()
    await asyncio.gather(*calling)
    return answers


@pytest.mark.parametrize("protocol", ["tchannel", "framed", "multiplexed", "theader"])
async def test_stopping_loses_no_call(protocol):
    async with LocalMesh() as mesh:
        answers = await turns_at_restarting(mesh, callers=8, apart_s=0, turns=6, rest_s=0, protocol=protocol)
    assert sorted(answers) == list(range(1, len(answers) + 1))
    assert len(answers) > 100


@virtual_time
async def test_stopping_loses_no_call_that_is_still_on_its_way():
    """The wire is slower than the registry's news: calls arrive after the drain, and after the last answer."""
    async with LocalMesh(MemoryNetwork(latency_s=0.2)) as mesh:
        answers = await turns_at_restarting(mesh, callers=20, apart_s=0.03, turns=4, rest_s=1)
    assert sorted(answers) == list(range(1, len(answers) + 1))


async def test_a_node_says_what_it_serves_and_is():
    async with LocalMesh() as mesh:
        node = await mesh.serve(interop.Echo, Echo())
        caller = await mesh.node("caller")
        from mesh.node.meta import META

        meta = caller.client(META.module.Meta, service="interop")
        assert (await meta.health(META.module.HealthRequest(type=1))).ok is True
        assert (await meta.health(None)).ok is True
        idl = await meta.thriftIDL()
        assert idl.entryPoint in idl.idls
        assert "service Echo" in idl.idls[idl.entryPoint]
        assert (await meta.versionInfo()).language == "python"
        assert node.health().ready


def test_a_handler_must_fit():
    async def run():
        async with LocalMesh() as mesh:
            node = await mesh.node("echo")

            class Half:
                async def touch(self):
                    return ""

            with pytest.raises(TypeError) as error:
                node.serve(interop.Echo, Half())
            assert "no method 'echo'" in str(error.value)
            assert "touch(text) does not fit" in str(error.value)

    asyncio.run(run())


async def test_who_stops_second_waits_for_the_first_and_a_broken_part_stops_nobody_else():
    class Broken:
        async def __aenter__(self):
            return self

        async def __aexit__(self, *exc):
            raise RuntimeError("broken part")

    async with no_leaks(), LocalMesh(TcpNetwork()) as mesh:
        node = await mesh.node("echo", admin="127.0.0.1:0")
        node.attach(Broken())
        node.serve(interop.Echo, Echo())
        await node.start()
        client = await mesh.client(interop.Echo)
        slow = asyncio.create_task(client.slow(50))
        while not node._serving.dispatcher.in_flight:
            await asyncio.sleep(0)
        first = asyncio.create_task(node.stop())
        await asyncio.sleep(0)
        await node.stop()
        assert await slow == 50
        with pytest.raises(RuntimeError, match="broken part"):
            await first
        assert not list(node._links)


async def test_a_filter_of_ones_own():
    seen = []

    def make(service, method):
        async def note(call, next):
            reply = await next(call)
            seen.append((method.name, call.endpoint, reply.outcome))
            return reply

        return note

    async with LocalMesh() as mesh:
        await mesh.serve(interop.Echo, Echo())
        node = await mesh.node("caller")
        node.client_stack = node.client_stack.insert(Layer("note", make, "a test"), after="balance")
        await node.client(interop.Echo).touch("x")
    assert seen[0][0] == "touch"
    assert seen[0][1] is not None


async def test_parts_and_hooks_come_and_go_in_order():
    story = []

    class Part:
        def __init__(self, name):
            self.name = name

        async def __aenter__(self):
            story.append(f"+{self.name}")

        async def __aexit__(self, *exc):
            story.append(f"-{self.name}")

    async with LocalMesh() as mesh:
        node = await mesh.node("echo")
        node.attach(Part("a"))
        node.attach(Part("b"))
        node.on_start(lambda: story.append("start"))
        node.on_stop(lambda: story.append("stop"))
        node.serve(interop.Echo, Echo())
        await node.start()
        await node.stop()
        await node.stop()
    assert story == ["+a", "+b", "start", "stop", "-b", "-a"]


async def test_an_answer_by_another_contract_is_the_services_fault(network):
    class Odd(Echo):
        async def tick(self, counter):
            return 7

    async with LocalMesh(network) as mesh:
        node = await mesh.serve(interop.Echo, Odd())
        leaf = node._serving._routes["interop", b"Echo::tick"]
        node._serving._routes["interop", b"Echo::touch"] = leaf  # answers an i64 where a string is promised
        with pytest.raises((InvalidReply, BadRequest)):
            await (await mesh.client(interop.Echo)).touch("x")
