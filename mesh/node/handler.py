"""The server stack's leaf: decodes the arguments, runs the handler in its context, encodes what came of it."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping
from typing import Any

from mesh.call import OK, Call, Declared, Reply
from mesh.call import Service as CallService
from mesh.call.call import NOTHING
from mesh.call.context import context_var
from mesh.contract.codec import CodecError
from mesh.contract.model import Method, Service
from mesh.errors import BadRequest, Busy, MeshError, Unexpected, across_hop
from mesh.node.threads import HandlerThreads

log = logging.getLogger("mesh.node")


def check_handler(service: Service, handler: object) -> None:
    """Raises TypeError with everything that `handler` lacks to serve `service`."""
    wrong = []
    for method in service.methods.values():
        function = getattr(handler, method.name, None)
        if not callable(function):
            wrong.append(f"it has no method {method.name!r}")
            continue
        try:
            inspect.signature(function).bind(*method.parameters)
        except TypeError as error:
            names = ", ".join(parameter.name for parameter in method.parameters)
            wrong.append(f"{method.name}({names}) does not fit it: {error}")
        except ValueError:
            pass  # a callable without a readable signature: the first call will tell
    if wrong:
        raise TypeError(f"{type(handler).__name__} cannot serve {service.name}: {'; '.join(wrong)}")


def handler_leaf(method: Method, function: Callable[..., Any], threads: HandlerThreads) -> CallService:
    """`function` takes the parameters in the contract's order: a coroutine function, or a plain one for a thread."""
    codec = method.codec
    decode_args, encode_result = codec.decode_args, codec.encode_result
    request_limit, response_limit = method.policy.max_request_bytes, method.policy.max_response_bytes
    is_async = inspect.iscoroutinefunction(inspect.unwrap(function)) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004  # an object whose __call__ is a coroutine function
    )

    async def in_thread(*args: Any) -> Any:
        value = await threads.run(function, *args)
        return await value if inspect.isawaitable(value) else value

    run = function if is_async else in_thread

    async def handle(call: Call) -> Reply:
        if len(call.body) > request_limit:
            return Reply(BadRequest(f"request of {len(call.body)} bytes; max_request_bytes is {request_limit}"))
        try:
            args = decode_args(call.body)
        except CodecError as unreadable:
            return Reply(BadRequest(str(unreadable)))
        context_var.set(call)  # never reset: each call runs in a context of its own
        try:
            value = await run(*args)
        except Exception as raised:
            return _failed(method, call, raised, reply_headers(call))
        try:
            body = encode_result(value)
        except CodecError as unfit:
            log.error("%s: the handler's answer breaks the contract: %s", method.wire_name, unfit)
            return Reply(Unexpected("the handler's answer breaks the contract"), headers=reply_headers(call))
        if len(body) > response_limit:
            log.error("%s: answer of %d bytes; max_response_bytes is %d", method.wire_name, len(body), response_limit)
            return Reply(Unexpected(f"answer of {len(body)} bytes; max_response_bytes is {response_limit}"))
        return Reply(OK, body, reply_headers(call))

    return handle


def reply_headers(call: Call) -> Mapping[str, str]:
    """What the handler set for the caller; nothing where it never asked for its context."""
    return NOTHING if call.context is None else call.context.reply_headers


def _failed(method: Method, call: Call, error: Exception, headers: Mapping[str, str]) -> Reply:
    """A declared exception is an answer; of all else the caller learns that it happened, and the log the rest."""
    if isinstance(error, Busy) and error.peer is None and error.service is None:
        return Reply(error)  # ours: the handler did not begin, or says itself that it had no effect
    if isinstance(error, MeshError):
        log.warning("%s: %s", method.wire_name, error)
        return Reply(across_hop(error), headers=headers)
    try:
        encoded = method.codec.encode_exception(error)
    except CodecError as broken:
        log.error("%s: the declared exception breaks the contract: %s", method.wire_name, broken, exc_info=error)
        return Reply(Unexpected("the handler's exception breaks the contract"), headers=headers)
    if encoded is None:
        log.error("%s raised %s, which its contract does not declare", method.wire_name, type(error).__name__,
                  exc_info=error)  # fmt: skip
        trace = call.trace.id if call.trace else "none"
        return Reply(
            Unexpected(f"the handler raised an exception that is not declared; trace {trace}"), headers=headers
        )
    throws, body = encoded
    return Reply(Declared(throws.id, throws.fault, error), body, headers)
