"""The calling side: one call, its answer and nothing else."""

from __future__ import annotations

import pytest

from mesh.wire import CallRefused, Limits
from mesh.wire.thrift import Answered, ClientConnection, Closed, application
from tests.wire.thrift.bytes import CALL, EXCEPTION, ONEWAY, REPLY, call, error, frame, message, texts, theader


def asked(form="framed", limits=None, **more):
    made = ClientConnection(form, limits or Limits())
    sent = made.call("Echo", "ping", b"\0", more.get("texts", {}), oneway=False)
    return made, sent


def test_what_is_sent():
    assert asked("framed")[1] == call("ping", 1)
    assert asked("multiplexed")[1] == call("Echo:ping", 1)
    expected = frame(theader(message("ping", 1), texts({"a": "ü"}), seqid=1))
    assert asked("theader", texts={"a": "ü"})[1] == expected


@pytest.mark.parametrize(("form", "name"), [("framed", "ping"), ("multiplexed", "ping"), ("multiplexed", "Echo:ping")])
def test_an_answer(form, name):
    connection, _ = asked(form)
    data = call(name, 1, REPLY, b"\x08\0\0\0\0\0\5\0")
    for cut in range(len(data) - 1):
        fresh, _ = asked(form)
        assert fresh.receive(data[:cut]) is None
        assert fresh.receive(data[cut:]).body == b"\x08\0\0\0\0\0\5\0"
    answer = connection.receive(data)
    assert isinstance(answer, Answered)
    assert not answer.failed
    assert not connection.waiting


def test_an_answer_in_theader():
    connection, _ = asked("theader")
    content = theader(message("ping", 1, EXCEPTION, error(6, "no")), texts({"k": "v"}), seqid=99, transforms=(1,))
    answer = connection.receive(frame(content))
    assert answer.failed
    assert answer.texts == {"k": "v"}
    assert application.read(answer.body) == application.ApplicationException(6, "no")


WRONG = {
    "another seqid": call("ping", 2, REPLY),
    "the seqid 0": call("ping", 0, REPLY),
    "another method": call("pong", 1, REPLY),
    "a call": call("ping", 1, CALL),
    "a oneway": call("ping", 1, ONEWAY),
    "two answers": call("ping", 1, REPLY) * 2,
    "an answer and a byte": call("ping", 1, REPLY) + b"\0",
    "too long": b"\x7f\0\0\0\x80\1",
    "of no bytes": b"\0\0\0\0\0\0",
    "old": frame(b"\0\0\0\4ping\2\0\0\0\1\0"),
    "HTTP": b"HTTP/1.1 400 Bad Request\r\n",
    "TChannel": bytes.fromhex("003a0100000000010000000000000000"),
    "a THeader in compact": frame(theader(message("ping", 1, REPLY), protocol=2)),
}


@pytest.mark.parametrize("data", WRONG.values(), ids=WRONG)
def test_anything_else_ends_the_connection(data):
    connection, _ = asked()
    assert isinstance(connection.receive(data), Closed)


def test_bytes_that_nobody_waits_for_end_it():
    connection, _ = asked()
    connection.receive(call("ping", 1, REPLY))
    assert isinstance(connection.receive(call("ping", 1, REPLY)[:1]), Closed)
    oneway = ClientConnection("framed", Limits())
    assert oneway.call("Echo", "ping", b"\0", {}, oneway=True) == call("ping", 1, ONEWAY)
    assert isinstance(oneway.receive(b"x"), Closed)


def test_an_error_without_a_name_is_an_answer():
    connection, _ = asked()
    assert connection.receive(call("", 1, EXCEPTION, error(7, "what?"))).failed


def test_seqids_count_up():
    connection, _ = asked()
    for seqid in range(1, 4):
        assert connection.receive(call("ping", seqid, REPLY)).body == b"\0"
        assert connection.call("Echo", "ping", b"\0", {}, oneway=False) == call("ping", seqid + 1)


def test_what_does_not_fit_is_not_sent():
    limits = Limits(message_bytes=100, headers_bytes=50)
    connection = ClientConnection("theader", limits)
    with pytest.raises(CallRefused, match="the limit is 100"):
        connection.call("Echo", "ping", bytes(100), {}, oneway=False)
    with pytest.raises(CallRefused, match="headers"):
        connection.call("Echo", "ping", b"\0", {"k": "v" * 60}, oneway=False)
    with pytest.raises(CallRefused, match="surrogates"):
        connection.call("Echo", "ping", b"\0", {"k": "\ud800"}, oneway=False)
    assert not connection.waiting


ERRORS = {
    "as it should be": (error(6, "no"), (6, "no")),
    "the other way round": (b"\x08\0\2\0\0\0\5\x0b\0\1\0\0\0\1x\0", (5, "x")),
    "with more text": (b"\x0b\0\7\0\0\0\1y" + error(1, "no"), (1, "no")),
    "with what we do not know": (error(3, "no")[:-1] + b"\x0f\0\4\x0b\0\0\0\0\0", (3, "no")),
    "empty": (b"\0", (0, "")),
    "nothing": (b"", (0, "")),
    "a text of 2 GB": (b"\x0b\0\1\x7f\xff\xff\xffabc", (0, "")),
    "no UTF-8": (b"\x0b\0\1\0\0\0\1\xff\0", (0, "\ufffd")),
}


@pytest.mark.parametrize(("body", "expected"), ERRORS.values(), ids=ERRORS)
def test_application_exceptions_are_read_as_far_as_they_go(body, expected):
    told = application.read(body)
    assert (told.type, told.message) == expected


def test_a_long_text_is_cut_between_characters():
    body = application.write(application.ApplicationException(6, "ü" * 5000))
    assert len(body) < 4200
    assert application.read(body).message == "ü" * 2048
