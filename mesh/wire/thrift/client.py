"""The calling side of a framed Thrift connection, without I/O: one call at a time.

One rule: after anything but the answer that was waited for, the connection is of no more use. Nothing in the protocol
takes a call back, so a late answer can only be kept from the next caller by ending the connection with its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from mesh.wire.faults import CallRefused, HeaderError, ProtocolBreach
from mesh.wire.limits import Limits
from mesh.wire.thrift import envelope, theader
from mesh.wire.thrift.envelope import Envelope, Kind, framed
from mesh.wire.thrift.events import Answered, Closed
from mesh.wire.thrift.frames import THEADER, FrameReader
from mesh.wire.thrift.theader import HeaderReader, HeaderRefused

Form = Literal["framed", "multiplexed", "theader"]
FORMS: tuple[Form, ...] = ("framed", "multiplexed", "theader")
_LARGEST_SEQID = 0x7FFF_FFFF
_NO_TEXTS: Mapping[str, str] = {}


class ClientConnection:
    def __init__(self, form: Form, limits: Limits) -> None:
        self._form = form
        self._limits = limits
        self._frames = FrameReader(limits.message_bytes)
        self._headers = HeaderReader(limits)
        self._seqid = 0
        self._names: tuple[bytes, ...] = ()  # that the answer may bear; empty: none is waited for

    @property
    def waiting(self) -> bool:
        return bool(self._names)

    def call(self, service: str, method: str, body: bytes, texts: Mapping[str, str], *, oneway: bool) -> bytes:
        """The bytes of a call, to be written. Raises CallRefused when it can never be sent. `texts`: THeader's."""
        bare = method.encode()
        name = f"{service}:{method}".encode() if self._form == "multiplexed" else bare
        self._seqid = self._seqid % _LARGEST_SEQID + 1
        message = envelope.write(Kind.ONEWAY if oneway else Kind.CALL, name, self._seqid, body)
        if self._form == "theader":
            try:
                message = theader.write(0, self._seqid, texts, message, self._limits)
            except HeaderError as error:
                raise CallRefused(f"headers: {error}", permanent=True) from None
        if len(message) > self._limits.message_bytes:
            reason = f"a message of {len(message)} bytes; the limit is {self._limits.message_bytes}"
            raise CallRefused(reason, permanent=True)
        self._names = () if oneway else (bare, name)
        return framed(message)

    def receive(self, data: bytes) -> Answered | Closed | None:
        """The answer, or why the connection has to end, or None: not all here."""
        self._frames.feed(data)
        if not self._names:
            return Closed("the peer sent what nobody waits for", breach=True)
        try:
            frame = self._frames.next()
            return None if frame is None else self._answered(frame)
        except ProtocolBreach as breach:
            return Closed(str(breach), breach=True)
        except HeaderRefused as refused:
            return Closed(f"an answer that cannot be read: {refused}", breach=True)

    def _answered(self, frame: bytes) -> Answered:
        if self._frames.partial:
            raise ProtocolBreach("more than one answer to one call")
        texts: Mapping[str, str] = _NO_TEXTS
        if frame.startswith(THEADER):
            header = self._headers.read(frame)
            frame, texts = header.message, header.texts
        message = envelope.read(frame)
        self._check(message)
        self._names = ()
        return Answered(message.kind == Kind.EXCEPTION, message.body, texts)

    def _check(self, message: Envelope) -> None:
        if message.kind not in (Kind.REPLY, Kind.EXCEPTION):
            raise ProtocolBreach(f"a message of type {message.kind} in place of an answer")
        # An error about what could not be read may bear no name.
        if message.name not in self._names and not (message.kind == Kind.EXCEPTION and not message.name):
            raise ProtocolBreach(f"an answer to {message.name[:100]!r}, where one to {self._names[0]!r} is due")
        if message.seqid != self._seqid:
            raise ProtocolBreach(f"an answer with seqid {message.seqid}, where {self._seqid} is due")
