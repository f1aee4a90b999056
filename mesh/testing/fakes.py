"""A fake service: answers given in the test, checked against the contract, calls recorded.

A fake that answers what the real service never could makes a test lie. So every answer is encoded once when the fake
is made, and an exception must be one that the method declares.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from mesh.call import current
from mesh.contract import service_of
from mesh.contract.codec import CodecError
from mesh.contract.model import Method, Service
from mesh.errors import Busy, MeshError


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """One call that a fake got. `args` by the contract's parameter names."""

    method: str
    args: dict[str, Any]
    caller: str | None
    headers: dict[str, str]
    baggage: dict[str, str]


class _Never:
    """The answer that does not come."""


def timeout() -> Any:
    """As an answer: none at all, so that the caller's deadline passes."""
    return _Never()


def busy(reason: str = "shedding load") -> Any:
    """As an answer: the instance sheds the call, which is safe to repeat elsewhere."""
    return Busy(reason)


class Fake:
    """Serves a contract with prepared answers; made by `fake`. `calls` has what it was asked, oldest first."""

    def __init__(self, service: Service, answers: dict[str, Any]) -> None:
        self._service = service
        self._answers: dict[str, list[Any]] = {}
        self.calls: list[RecordedCall] = []
        self.mistakes: list[str] = []  # what the test forgot or got wrong; `LocalMesh` fails the test with them
        for name, answer in answers.items():
            self.answer(name, answer)
        for method in service.methods.values():
            setattr(self, method.name, self._handler(method))

    def answer(self, name: str, answer: Any) -> None:
        """What `name` answers from now on: a value, an exception, a function of the arguments, or a `then(...)`.

        Raises TypeError for what the contract does not allow.
        """
        method = self._service.methods.get(name)
        if method is None:
            known = ", ".join(self._service.methods)
            raise TypeError(f"{self._service.name} has no method {name!r}; it has {known}")
        sequence = list(answer.answers) if isinstance(answer, then) else [answer]
        for each in sequence:
            _check(method, each)
        self._answers[name] = sequence

    def calls_of(self, name: str) -> list[RecordedCall]:
        return [call for call in self.calls if call.method == name]

    def _handler(self, method: Method) -> Callable[..., Any]:
        names = [parameter.name for parameter in method.parameters]

        async def handle(*args: Any) -> Any:
            context = current()
            given = dict(zip(names, args, strict=True))
            self.calls.append(
                RecordedCall(method.name, given, context.caller, dict(context.headers), dict(context.baggage))
            )
            answers = self._answers.get(method.name, [])
            if not answers:
                self._mistake(f"{method.wire_name} was called, but the fake was given no answer for it")
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            value = await _give(answer, args)
            try:
                method.codec.encode_result(value)
            except CodecError as error:
                self._mistake(f"the fake's answer breaks the contract: {error}")
            return value

        return handle

    def _mistake(self, text: str) -> NoReturn:
        self.mistakes.append(text)
        raise AssertionError(text)


class then:
    """As an answer: these in turn, the last one for ever. `fake(Pricing, quote=then(busy(), Quote(...)))`."""

    def __init__(self, *answers: Any) -> None:
        if not answers:
            raise TypeError("then() needs at least one answer")
        self.answers = answers


def fake(contract: Any, **answers: Any) -> Any:
    """A fake of the service `contract` (`fake(pricing.Pricing, quote=pricing.Quote(cents=5))`): serve it as a handler.

    An answer is a value, an exception (declared ones, `busy()`), `timeout()`, a plain or coroutine function of the
    arguments, or `then(...)`. Raises TypeError for what the contract does not allow.
    """
    return Fake(contract if isinstance(contract, Service) else service_of(contract), answers)


async def _give(answer: Any, args: tuple[Any, ...]) -> Any:
    if isinstance(answer, _Never):
        await asyncio.get_running_loop().create_future()
    if isinstance(answer, BaseException):
        raise answer
    if callable(answer) and not isinstance(answer, type):
        value = answer(*args)
        return await value if inspect.isawaitable(value) else value
    return answer


def _check(method: Method, answer: Any) -> None:
    if isinstance(answer, (_Never, MeshError)) or (callable(answer) and not isinstance(answer, type)):
        return
    try:
        if isinstance(answer, Exception):
            if method.codec.encode_exception(answer) is None:
                declared = ", ".join(throws.exception.__name__ for throws in method.throws) or "none"
                raise TypeError(f"{method.wire_name} does not declare {type(answer).__name__}; it declares {declared}")
            return
        method.codec.encode_result(answer)
    except CodecError as error:
        raise TypeError(f"the fake's answer breaks the contract: {error}") from None
