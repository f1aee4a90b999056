"""Apache's Python client against a server: `apache_client.py HOST:PORT FORM`. Exits 1 at the first thing that is wrong.

Run with the generated code on the path and nothing of this project: it stands for somebody else's program.
"""

from __future__ import annotations

import sys
import threading
import time

from apache_data import MEGABYTE, full, minimal, protocol, sample
from idl.interop.ttypes import Broken, Refused, Sample
from idl.other import Echo as OtherEcho
from idl.other import Stranger
from thrift.Thrift import TApplicationException

from idl.interop import Echo

UNKNOWN_METHOD, INTERNAL_ERROR, PROTOCOL_ERROR = 1, 6, 7


def raised(kind: type[Exception], call, *args):
    try:
        call(*args)
    except kind as error:
        return error
    raise AssertionError(f"{call} raised nothing")


def values(client) -> None:
    assert client.touch("grüße") == "grüße"
    assert client.echo(sample()) == sample()
    for everything in (minimal(), full()):
        answer = client.all(everything)
        for field in everything.__dict__:
            sent, got = getattr(everything, field), getattr(answer, field)
            assert got == sent or sent is None, (field, sent, got)
    assert client.blob(MEGABYTE) == MEGABYTE
    assert client.blob(b"") == b""
    assert client.slow(20) >= 20
    assert client.nothing() is None


def failures(client, form: str, address: str) -> None:
    refused = raised(Refused, client.fail, "refused")
    assert (refused.message, refused.code) == ("as you asked", None)
    assert raised(Broken, client.fail, "broken").message == "as you asked"
    undeclared = raised(TApplicationException, client.fail, "anything")
    assert undeclared.type == INTERNAL_ERROR, undeclared
    # The connection is as good as before.
    unknown = raised(TApplicationException, OtherEcho.Client(client._iprot).missing, "x")
    assert unknown.type == UNKNOWN_METHOD, unknown
    assert "missing" in unknown.message
    broken = raised(TApplicationException, client.echo, Sample(text="x", number=1))  # a required field is missing
    assert broken.type == PROTOCOL_ERROR, broken
    assert client.touch("still here") == "still here"
    if form == "multiplexed":
        stranger = Stranger.Client(protocol(form, address, "Stranger"))
        error = raised(TApplicationException, stranger.touch, "x")
        assert error.type == UNKNOWN_METHOD, error
        assert "Stranger" in error.message


def oneway(client) -> None:
    client.forget("one")
    assert client.touch("the next answer is this call's") == "the next answer is this call's"


def pipelined(client) -> None:
    """Many calls before the first answer is read; a slow one first."""
    client.send_slow(200)
    for number in range(50):
        client.send_touch(str(number))
    client.send_forget("no answer")
    client.send_fail("refused")
    assert client.recv_slow() >= 200
    assert [client.recv_touch() for _ in range(50)] == [str(number) for number in range(50)]
    assert raised(Refused, client.recv_fail).message == "as you asked"


def headers(client) -> None:
    """Only THeader has them."""
    proto = client._iprot
    for key, value in {
        b"colour": "grün".encode(), b"caller": b"apache", b"client_timeout": b"1500",
        b"traceparent": b"00-" + b"ab" * 16 + b"-" + b"cd" * 8 + b"-01", b"$mesh$baggage-tenant": b"x",
    }.items():  # fmt: skip
        proto.set_header(key, value)
    seen = client.headers()
    assert seen["colour"] == "grün", seen
    assert "client_timeout" not in seen
    assert "traceparent" not in seen
    assert seen["seen-caller"] == "apache", seen
    assert seen["seen-trace"] == "ab" * 16, seen
    assert seen["seen-tenant"] == "x", seen
    assert 0 < float(seen["seen-remaining"]) <= 1500, seen
    assert proto.get_headers()[b"colour"] == "grün".encode(), proto.get_headers()
    proto.set_header(b"client_timeout", b"50")
    started = time.monotonic()
    timeout = raised(TApplicationException, client.slow, 4000)
    assert time.monotonic() - started < 3, "the deadline did not travel"
    assert timeout.type == INTERNAL_ERROR
    assert "timeout" in timeout.message
    proto.add_transform(1)  # zlib, from here on
    assert client.blob(b"z" * 200_000) == b"z" * 200_000


def concurrent(form: str, address: str, count: int = 100) -> None:
    """That many threads, each with a connection."""
    wrong: list[BaseException] = []

    def call(number: int) -> None:
        try:
            client = Echo.Client(protocol(form, address))
            assert client.slow(20) >= 20
            assert client.touch(str(number)) == str(number)
            client._iprot.trans.close()
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong


def main(address: str, form: str) -> None:
    for slow in (True, False):  # in plain Python, and by the C extension
        client = Echo.Client(protocol(form, address, slow=slow))
        values(client)
        failures(client, form, address)
        oneway(client)
        pipelined(client)
    if form == "theader":
        headers(client)
    concurrent(form, address)
    print("ok")


main(*sys.argv[1:])
