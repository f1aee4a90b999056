"""The client stack's leaf: one attempt to one endpoint, sent and decoded.

Decoding happens here, per attempt, so that a reply that breaks the contract is that attempt's failure.
"""

from __future__ import annotations

import asyncio

from mesh.balance import Endpoint
from mesh.call import OK, Call, Clock, Declared, Reply, Service
from mesh.contract.codec.errors import CodecError
from mesh.contract.model import Method
from mesh.errors import (
    BadRequest,
    Declined,
    InvalidReply,
    MeshError,
    NetworkError,
    ProtocolError,
    Unreachable,
    from_wire,
)
from mesh.net.link import Answer, Link
from mesh.net.mapping import NO_HEADERS, application_headers, request_arg2, transport_headers
from mesh.net.peers import Peers
from mesh.wire import CallRefused, ConnectionClosed, ErrorReceived, encode_transport_headers
from mesh.wire.faults import HeaderError
from mesh.wire.headers import decode_headers

# Of the time that is left, what a dial may take: enough remains to say so, or to try another endpoint.
DIAL_SHARE = 0.8
DRAIN_AVOID_S = 2.0  # from a drain frame until the registry and the closing connection tell the rest


def sender(peers: Peers, method: Method, clock: Clock) -> Service:
    """The leaf for one method."""
    arg1 = method.wire_name.encode()
    now = clock.now
    method.codec.decode_result  # noqa: B018  # generated now, not while the first caller waits
    plain_headers: dict[str, bytes] = {}  # caller -> encoded; a client has one name, so this stays tiny

    def headers_of(call: Call) -> bytes:
        if call.shard_key is None and call.routing_key is None and call.routing_delegate is None:
            encoded = plain_headers.get(call.caller)
            if encoded is None:
                encoded = plain_headers[call.caller] = encode_transport_headers(transport_headers(call))
            return encoded
        return encode_transport_headers(transport_headers(call))

    async def send(call: Call) -> Reply:
        endpoint: Endpoint = call.endpoint
        link: Link | None = endpoint.link
        if link is None or not link.usable:
            found = await _link_to(peers, endpoint, call, now())
            if isinstance(found, MeshError):
                return Reply(found)
            link = found
        assert call.deadline is not None
        try:
            if not link.writable:
                await link.room()
            call_id, answered = link.begin(
                call.deadline, call.tracing, call.service, headers_of(call), arg1, request_arg2(call), call.body
            )
        except HeaderError as unfit:
            return Reply(_at(BadRequest(f"headers: {unfit}"), call))
        except CallRefused as refusal:
            refused = BadRequest(refusal.reason) if refusal.permanent else Declined(refusal.reason)
            return Reply(_at(refused, call))
        try:
            answer, written = await answered
        except asyncio.CancelledError:
            link.give_up(call_id)
            raise
        return _to_reply(call, method, answer, written)

    return send


async def _link_to(peers: Peers, endpoint: Endpoint, call: Call, now: float) -> Link | MeshError:
    link = peers.ready(endpoint.address)
    if link is None:
        assert call.deadline is not None
        share_s = (call.deadline - now) * DIAL_SHARE
        try:
            async with asyncio.timeout(share_s):
                link = await peers.connect(endpoint.address)
        except TimeoutError:
            reason = f"{peers.waits_for(endpoint.address)} within {share_s * 1000:.0f} ms; is that its RPC port?"
            return _at(Unreachable(reason), call)
        except (OSError, ValueError) as error:
            if isinstance(error, ConnectionRefusedError):
                endpoint.refused()
                return _at(Unreachable("cannot connect: connection refused"), call)
            return _at(Unreachable(f"cannot connect: {error}"), call)
    if not link.usable:
        endpoint.avoid(now + DRAIN_AVOID_S)
        return _at(Declined(f"the instance is going away: {link.draining or 'connection closing'}"), call)
    endpoint.link = link
    return link


def _at(error: MeshError, call: Call) -> MeshError:
    return error.at(service=call.service, method=call.method.wire_name, peer=call.peer)


def _to_reply(call: Call, method: Method, answer: Answer, written: bool) -> Reply:
    if isinstance(answer, ErrorReceived):
        return Reply(_at(from_wire(answer.code, answer.message), call), peer=call.peer)
    if isinstance(answer, ConnectionClosed):
        if not written:
            return Reply(_at(Unreachable(f"the connection ended before the call left: {answer.reason}"), call))
        lost = ProtocolError if answer.code == 0xFF else NetworkError
        return Reply(_at(lost(answer.reason), call), peer=call.peer)
    try:
        headers = {} if answer.arg2 == NO_HEADERS else application_headers(decode_headers(answer.arg2))
        if answer.ok:
            return Reply(OK, answer.arg3, headers, method.codec.decode_result(answer.arg3), call.peer)
        throws, exception = method.codec.decode_exception(answer.arg3)
        return Reply(Declared(throws.id, throws.fault, exception), answer.arg3, headers, peer=call.peer)
    except (CodecError, HeaderError) as error:
        return Reply(_at(InvalidReply(str(error)), call), answer.arg3, peer=call.peer)
