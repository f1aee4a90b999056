"""The control socket: what it answers, and that nobody who talks nonsense to it hurts anybody else."""

import asyncio
import contextlib
import json
import os
import stat
import tempfile
from pathlib import Path

import pytest

from mesh.cluster import protocol
from mesh.cluster.control import CONNECTIONS, Control
from mesh.cluster.protocol import ProtocolError, Request
from mesh.cluster.reach import Found, Refused, Unreachable, ask, here, look, running
from mesh.cluster.rundir import ClusterError, RunDirectory


@pytest.fixture
async def control(tmp_path):
    """A served socket in tmp_path/.mesh/test; `answer` can be replaced."""

    class Served:
        async def answer(self, request, asker):
            return {"command": request.command, **request.arguments}

    served = Served()
    async with RunDirectory(tmp_path, "test") as run:
        served.run = run.path
        served.path = protocol.socket_path(run.path)
        async with Control(run.path, lambda *given: served.answer(*given)):
            yield served


async def talk(path, data, *, close=True):
    """What comes back for these bytes, as JSON objects."""
    reader, writer = await asyncio.open_unix_connection(path, limit=protocol.MAX_ANSWER)
    writer.write(data)
    if close:
        writer.write_eof()
    async with asyncio.timeout(20):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return [json.loads(line) for line in answer.splitlines()]


def question(command="ps", **arguments):
    return Request(command, arguments).line()


async def asked(found, request, **options):
    return await asyncio.to_thread(ask, found, request, **options)


async def test_question_progress_and_answer(control):
    async def answer(request, asker):
        asker.say("half")
        return {"done": request.arguments["names"]}

    control.answer = answer
    said = []
    result = await asked(look(control.run), Request("restart", {"names": ["a"]}), progress=said.append)
    assert (result, said) == ({"done": ["a"]}, ["half"])


async def test_only_its_owner_may_open_it(control):
    mode = control.path.stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


@pytest.mark.parametrize(
    ("raised", "code", "says"),
    [
        (ClusterError("no room"), 1, "no room"),
        (LookupError("no service 'x'"), 2, "no service 'x'"),
        (ValueError("a=99"), 2, "a=99"),
        (KeyError("bug"), 2, "bug"),
        (RuntimeError("bug"), 70, "RuntimeError: bug"),
    ],
)
async def test_what_goes_wrong_is_told_with_its_exit_code(control, raised, code, says):
    async def answer(request, asker):
        raise raised

    control.answer = answer
    with pytest.raises(Refused, match=says) as caught:
        await asked(look(control.run), Request("ps"))
    assert caught.value.code == code


GARBAGE = [
    b"",
    b"\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"\x00\xff\n",
    b"[]\n",
    b"{}\n",
    b'"x"\n',
    b'{"version": 2, "command": "ps"}\n',
    b'{"version": 1, "command": "rm"}\n',
    b'{"version": 1, "command": ["ps"]}\n',
    b'{"version": 1, "command": "ps", "arguments": []}\n',
    b'{"version": 1, "command": "ps"}',  # without its end
    b"[" * 5000 + b"\n",
    b"x" * (protocol.MAX_REQUEST + 10),
    b"x" * (protocol.MAX_REQUEST * 4) + b"\n",
]


@pytest.mark.parametrize("data", GARBAGE, ids=range(len(GARBAGE)))
async def test_garbage_is_refused_and_the_next_one_served(control, data):
    try:
        (answer,) = await talk(control.path, data)
        assert answer["code"] == 2
        assert "cannot understand" in answer["error"]
    except ConnectionError:
        pass  # closed while we were still writing
    assert await talk(control.path, question()) == [{"result": {"command": "ps"}}]


async def test_a_version_of_tomorrow_is_told_which_one_runs(control):
    (answer,) = await talk(control.path, b'{"version": 2, "command": "ps"}\n')
    assert "version 2; this cluster speaks version 1" in answer["error"]


async def test_who_says_nothing_is_sent_away(control, monkeypatch):
    monkeypatch.setattr(protocol, "REQUEST_S", 0.1)
    (answer,) = await talk(control.path, b'{"version"', close=False)
    assert "no request within 0.1 s" in answer["error"]


async def test_too_many_at_once_are_refused_and_the_places_come_free(control):
    holding = [await asyncio.open_unix_connection(control.path) for _ in range(CONNECTIONS)]
    await asyncio.sleep(0)
    (answer,) = await talk(control.path, question())
    assert "try again" in answer["error"]
    for _, writer in holding:
        writer.close()
        await writer.wait_closed()
    async with asyncio.timeout(10):
        while "result" not in (await talk(control.path, question()))[0]:
            await asyncio.sleep(0.01)


async def test_who_leaves_is_noticed(control):
    gone = asyncio.Event()

    async def answer(request, asker):
        await asker.gone.wait()
        gone.set()
        return {}

    control.answer = answer
    _, writer = await asyncio.open_unix_connection(control.path)
    writer.write(question())
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    async with asyncio.timeout(10):
        await gone.wait()


async def test_a_reader_who_does_not_read_is_given_up(control):
    async def answer(request, asker):
        while not asker.gone.is_set():
            asker.say("x" * 1000)
            await asyncio.sleep(0)
        return {}

    control.answer = answer
    _, writer = await asyncio.open_unix_connection(control.path)
    writer.transport.pause_reading()
    writer.write(question())
    await writer.drain()

    async def plain(request, asker):
        return {}

    await asyncio.sleep(0.05)
    control.answer = plain
    assert await talk(control.path, question()) == [{"result": {}}]
    writer.transport.abort()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def test_a_dead_socket_is_nobody_and_replaced(control, tmp_path):
    found = look(control.run)
    assert (found.answers, found.held) == (True, True)
    async with RunDirectory(tmp_path, "other") as other:
        stale = protocol.socket_path(other.path)
        async with Control(other.path, control.answer):
            os.link(stale, tmp_path / "kept")
        os.rename(tmp_path / "kept", stale)  # as a killed supervisor leaves it
        assert look(other.path) == Found(other.path, answers=False, held=True)
        with pytest.raises(Unreachable, match="takes no commands: it is just starting or ending"):
            running(tmp_path, "other")
        async with Control(other.path, control.answer):
            assert look(other.path).answers
        os.symlink("/nonexistent", stale)
    with pytest.raises(Unreachable, match="no cluster 'other' runs"):
        running(tmp_path, "other")


async def test_none_one_several_and_from_a_folder_below(control, tmp_path):
    below = tmp_path / "services" / "pricing"
    below.mkdir(parents=True)
    assert running(below).name == "test"
    assert [one.name for one in here(below)] == ["test"]
    async with RunDirectory(tmp_path, "second") as second, Control(second.path, control.answer):
        with pytest.raises(Unreachable, match="several clusters run in .*: second, test") as caught:
            running(tmp_path)
        assert "--cluster" in caught.value.advice
        assert running(tmp_path, "second").name == "second"
    assert running(tmp_path).name == "test"
    with pytest.raises(Unreachable, match="no cluster 'third' runs"):
        running(tmp_path, "third")


async def test_a_killed_one_is_named(tmp_path):
    async with RunDirectory(tmp_path, "dead") as run:
        async with Control(run.path, None):
            os.link(protocol.socket_path(run.path), tmp_path / "kept")
        os.rename(tmp_path / "kept", protocol.socket_path(run.path))
    with pytest.raises(Unreachable, match="the supervisor of dead was killed") as caught:
        running(tmp_path)
    assert "mesh down" in caught.value.advice


@pytest.fixture
def temporary():
    """A folder whose own path is short enough, whatever pytest's is."""
    with tempfile.TemporaryDirectory(prefix="m") as folder:
        yield Path(folder)


async def test_a_path_too_long_for_a_socket(tmp_path, temporary, monkeypatch):
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(temporary))
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    async with RunDirectory(deep, "test") as run:
        path = protocol.socket_path(run.path)
        assert path.parent == temporary / f"mesh-{os.getuid()}"

        async def answer(request, asker):
            return {}

        async with Control(run.path, answer):
            assert look(run.path).answers
    os.chmod(path.parent, 0o755)
    with pytest.raises(OSError, match="nobody else can enter"):
        protocol.socket_path(run.path)


@pytest.mark.parametrize("line", [b"x\n", b'{"version": 1}', b'{"version": true, "command": "ps"}x\n'])
def test_a_request_that_is_none(line):
    with pytest.raises(ProtocolError):
        protocol.request(line)
