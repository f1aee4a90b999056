"""What the two sides of a framed connection tell their owners. Plain data."""

from __future__ import annotations

from collections.abc import Mapping


class Requested:
    """A call that came in. `id` is ours, for the answer: Apache's Python client gives all its calls the seqid 0.

    `form` is `framed`, `multiplexed` (the name is `Service:method`) or `theader`; `texts` are THeader's key-values.
    `oneway`: the caller waits for no answer.
    """

    __slots__ = ("body", "form", "id", "name", "oneway", "texts")

    def __init__(self, id: int, form: str, name: str, oneway: bool, body: bytes, texts: Mapping[str, str]) -> None:
        self.id = id
        self.form = form
        self.name = name
        self.oneway = oneway
        self.body = body
        self.texts = texts


class Expired:
    """The time of call `id` is over. Its caller is told already; what the handler still answers is dropped."""

    __slots__ = ("id",)

    def __init__(self, id: int) -> None:
        self.id = id


class Answered:
    """The answer to our call: a result struct, or (`failed`) a TApplicationException struct."""

    __slots__ = ("body", "failed", "texts")

    def __init__(self, failed: bool, body: bytes, texts: Mapping[str, str]) -> None:
        self.failed = failed
        self.body = body
        self.texts = texts


class Closed:
    """The end: write what `data_to_send()` has, then close the socket. Nothing comes after this event.

    `breach`: the peer broke the protocol, rather than going or staying silent.
    """

    __slots__ = ("breach", "reason")

    def __init__(self, reason: str, *, breach: bool = False) -> None:
        self.reason = reason
        self.breach = breach


Event = Requested | Expired | Closed
