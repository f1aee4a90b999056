"""The client stack's leaf for servers of framed Thrift: one attempt to one endpoint, sent and decoded."""

from __future__ import annotations

from mesh.balance import Endpoint
from mesh.call import OK, Call, Clock, Declared, Reply, Service
from mesh.contract.codec.errors import CodecError
from mesh.contract.model import Method
from mesh.errors import (
    BadRequest,
    InvalidReply,
    MeshError,
    NetworkError,
    ProtocolError,
    UnknownMethod,
    Unreachable,
    from_thrift,
)
from mesh.net.framed.caller import FramedCaller
from mesh.net.framed.headers import ERROR, request_texts
from mesh.net.framed.pool import Pools
from mesh.net.mapping import application_headers
from mesh.net.send import DIAL_SHARE, DRAIN_AVOID_S
from mesh.wire import CallRefused
from mesh.wire.thrift import Answered, Closed, Form, application

_RESULT = b"\x00\x00"  # the id of the field that holds a result; all others are of exceptions


def framed_sender(pools: Pools, method: Method, clock: Clock, form: Form) -> Service:
    """The leaf for one method."""
    now = clock.now
    method.codec.decode_result  # noqa: B018  # generated now, not while the first caller waits

    async def send(call: Call) -> Reply:
        assert call.deadline is not None
        endpoint: Endpoint = call.endpoint
        share_s = (call.deadline - now()) * DIAL_SHARE
        try:
            async with pools.pool(endpoint.address, form).lend(share_s) as connection:
                return await _call(connection, call)
        except TimeoutError:
            return _failed(Unreachable(f"no connection within {share_s * 1000:.0f} ms"), call)
        except (OSError, ValueError) as error:
            if isinstance(error, ConnectionRefusedError):
                endpoint.refused()
                return _failed(Unreachable("cannot connect: connection refused"), call)
            return _failed(Unreachable(f"cannot connect: {error}"), call)

    async def _call(connection: FramedCaller, call: Call) -> Reply:
        try:
            texts = _texts(call)
            answer = await connection.call(method.service, method.name, call.body, texts, oneway=method.oneway)
        except MeshError as error:
            return _failed(error, call)
        except CallRefused as error:
            return _failed(BadRequest(error.reason), call)
        if isinstance(answer, Closed):
            return _failed(ProtocolError(answer.reason) if answer.breach else NetworkError(answer.reason), call)
        if answer is None:
            return Reply(OK, peer=call.peer)
        if connection.draining is not None:
            call.endpoint.avoid(now() + DRAIN_AVOID_S)
        return _to_reply(call, method, answer)

    def _texts(call: Call) -> dict[str, str]:
        if form == "theader":
            return request_texts(call, now())
        if call.headers:
            raise BadRequest(f"{form} Thrift carries no headers ({min(call.headers)!r}); protocol='theader' does")
        return {}

    return send


def _failed(error: MeshError, call: Call) -> Reply:
    return Reply(error.at(service=call.service, method=call.method.wire_name, peer=call.peer), peer=call.peer)


def _to_reply(call: Call, method: Method, answer: Answered) -> Reply:
    body = answer.body
    if answer.failed:
        told = application.read(body)
        name = answer.texts.get(ERROR)
        reason = told.message or f"TApplicationException of type {told.type} without a text"
        if told.type == 0 and reason == f"Unknown function {method.name}":  # npm's servers send no better type
            name = UnknownMethod.kind.name
        # Our own servers put the error's name in front for those who get nothing else.
        row = type(from_thrift(told.type, reason, name))
        return _failed(row(reason.removeprefix(f"{row.kind.name}: ")), call)
    headers = application_headers(dict(answer.texts))
    try:
        if body[:1] != b"\x00" and body[1:3] != _RESULT:
            throws, exception = method.codec.decode_exception(body)
            return Reply(Declared(throws.id, throws.fault, exception), body, headers, peer=call.peer)
        return Reply(OK, body, headers, method.codec.decode_result(body), call.peer)
    except CodecError as error:
        return Reply(_failed(InvalidReply(str(error)), call).outcome, body, peer=call.peer)
