"""The load generator against the floor: what it counts, and that it notices a wrong answer."""

from __future__ import annotations

import json
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from bench import build, frames
from bench.process import Server, server

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("cc") is None, reason="the load generator is built with a C compiler (cc)"),
]

CALL_HEADER = 16
SPAN = slice(21, 29)


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Floor and load generator, built apart from build/bench so that workers do not meet there."""
    with pytest.MonkeyPatch.context() as patch:
        out = tmp_path_factory.mktemp("bench")
        for name, file in (
            ("OUT", "."),
            ("FLOOR", "floor"),
            ("LOAD", "load"),
            ("CALL", "call"),
            ("INIT", "init"),
            ("FRAMED_CALL", "framed"),
        ):
            patch.setattr(build, name, out / file)
        build.build()
        yield


@pytest.fixture
def floor(programs: None) -> Iterator[Server]:
    with server("floor", [build.FLOOR]) as running:
        yield running


def load(port: int, *options: str) -> subprocess.CompletedProcess[str]:
    command = [build.LOAD, "--port", str(port), "--request", build.CALL, "--warm", "0.1", "--seconds", "0.3", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize(("connections", "in_flight"), [("1", "1"), ("64", "1"), ("8", "8"), ("3", "500")])
def test_a_closed_loop_counts_answers_and_the_servers_cpu(floor, connections, in_flight):
    done = load(floor.port, "--echo", "--connections", connections, "--in-flight", in_flight, "--pid", str(floor.pid))

    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout)
    assert measured["answer_size"] == len(frames.call())
    assert measured["calls"] > 0
    assert measured["server_us"] > 0
    assert 0 < measured["p50_us"] <= measured["p90_us"] <= measured["p99_us"] <= measured["p999_us"]


def test_an_open_loop_sends_every_planned_call_and_no_more(floor):
    done = load(floor.port, "--echo", "--connections", "2", "--in-flight", "4", "--rate", "1000")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["calls"] == 300


def reply(call: bytes, **changes: bytes) -> bytes:
    """A success that carries the call's span; `type`, `id`, `code` and `span` put something else in its place."""
    parts = {"type": b"\x04", "id": call[4:8], "code": b"\x00", "span": call[SPAN]} | changes
    payload = b"\x00" + parts["code"] + parts["span"] + bytes(17) + b"\x00"
    return struct.pack(">H", CALL_HEADER + len(payload)) + parts["type"] + b"\x00" + parts["id"] + bytes(8) + payload


@contextmanager
def answering(answer: Callable[[bytes], bytes]) -> Iterator[int]:
    """A server for one connection that answers each call with what `answer` makes of it; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as reader:
                while head := reader.read(2):
                    connection.sendall(answer(head + reader.read(int.from_bytes(head, "big") - 2)))

        def serve_until_reset() -> None:
            try:
                serve()
            except ConnectionError:  # the load generator leaves without reading the rest
                return

        thread = threading.Thread(target=serve_until_reset)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


def test_a_proper_answer_is_taken(programs):
    with answering(reply) as port:
        done = load(port)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"type": b"\xff"}, "wrong frame type"),
        ({"code": b"\x01"}, "no success"),
        ({"id": b"\x00\x00\x00\x07"}, "answer to no call"),
        ({"id": b"\x00\x00\x00\x00"}, "answer to no call"),
        ({"span": b"\x00" * 8}, "another call's span"),
    ],
)
def test_a_wrong_answer_ends_the_run(programs, changes, complaint):
    with answering(lambda call: reply(call, **changes)) as port:
        done = load(port)
    assert done.returncode == 1
    assert complaint in done.stderr


def test_an_answer_of_another_size_ends_the_run(programs):
    answers = iter([b"", b"\x00"])

    def growing(call: bytes) -> bytes:
        whole = reply(call) + next(answers)
        return struct.pack(">H", len(whole)) + whole[2:]

    with answering(growing) as port:
        done = load(port)
    assert done.returncode == 1
    assert "another size" in done.stderr


def test_the_request_is_the_benchmarks_call():
    assert len(frames.sample()) == 83
    assert frames.call()[2] == 0x03
    assert b"Echo::echo" in frames.call()
