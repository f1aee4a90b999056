"""From a client's arguments to a call on its way down the stack."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from mesh.call import Call, Reply
from mesh.call import Service as CallService
from mesh.call.context import current_or_none
from mesh.contract.codec import CodecError
from mesh.contract.model import Method
from mesh.errors import BadRequest

Send = Callable[..., Awaitable[Reply]]


def sender(method: Method, caller: str, service: str, stack: CallService) -> Send:
    """`send(args)` encodes, calls and gives the `Reply`. Raises BadRequest when the arguments break the contract."""
    encode_args = method.codec.encode_args
    limit = method.policy.max_request_bytes

    def send(args: tuple[Any, ...]) -> Awaitable[Reply]:
        try:
            body = encode_args(args)
        except CodecError as error:
            raise BadRequest(str(error), service=service, method=method.wire_name) from None
        if len(body) > limit:
            raise BadRequest(
                f"request of {len(body)} bytes; max_request_bytes is {limit}", service=service, method=method.wire_name
            )
        call = Call(method, body, service, caller)
        here = current_or_none()
        if here is not None:
            call.deadline = here.asked
            call.latest = here.deadline
            if here.outgoing:
                call.headers = here.outgoing
            if here.baggage:
                call.baggage = here.baggage
            if here.trace is not None:
                call.trace = here.trace
        return stack(call)

    return send
