"""The serving side of a framed Thrift connection, without I/O.

One rule: answers leave in the order of the requests, since Apache's clients take the next answer for theirs whatever
its seqid says. Only who says otherwise (THeader's flag 1, as fbthrift's clients set it) gets each answer as it comes.

Requests are handed out as they come, so a slow call holds up the answers behind it and not their work. When as many
are under way as may be, nothing more is read: there is no need to refuse what can wait in the caller's own socket.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from math import inf

from mesh.wire.faults import HeaderError, ProtocolBreach
from mesh.wire.limits import Limits
from mesh.wire.outbox import Alarm, Outbox
from mesh.wire.thrift import application, envelope, theader
from mesh.wire.thrift.application import ApplicationException, Type
from mesh.wire.thrift.envelope import Envelope, Kind, framed
from mesh.wire.thrift.events import Closed, Event, Expired, Requested
from mesh.wire.thrift.frames import THEADER, FrameReader
from mesh.wire.thrift.limits import IDLE_S, UNREAD_S
from mesh.wire.thrift.theader import OUT_OF_ORDER, Header, HeaderReader, HeaderRefused

_NO_TEXTS: Mapping[str, str] = {}


class _Entry:
    """A request under way: how its answer has to look, and the answer once it waits for its turn."""

    __slots__ = ("answer", "expires", "header", "id", "name", "seqid")

    def __init__(self, id: int, name: bytes, seqid: int, header: tuple[int, int] | None) -> None:
        self.id = id
        self.name = name
        self.seqid = seqid
        self.header = header  # THeader's (flags, seqid), if it came in one
        self.expires = inf
        self.answer: bytes | None = None

    @property
    def in_order(self) -> bool:
        return self.header is None or not self.header[0] & OUT_OF_ORDER


class ServerConnection:
    """Times are seconds of one monotonic clock. Nothing raises for what a peer's bytes say."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._frames = FrameReader(limits.message_bytes)
        self._headers = HeaderReader(limits)
        self._outbox = Outbox()
        self._alarm = Alarm()
        self._entries: dict[int, _Entry] = {}
        self._order: deque[_Entry] = deque()
        self._last_id = 0
        self._used_at = 0.0  # the last time that anything went either way
        self._partial_since: float | None = None  # since when a frame is not all here
        self._unread_since: float | None = None  # since when the peer leaves our answers unread
        self._draining = False
        self._farewell: Mapping[str, str] = _NO_TEXTS
        self.cut_short = False  # too much was under way to take all that was read
        self.held_bytes = 0  # answers that wait for one before them
        self.closing = False

    def start(self, now: float) -> None:
        self._used_at = now
        self._alarm.bring(now + IDLE_S)

    # -- bytes in

    def receive(self, data: bytes, now: float) -> list[Event]:
        """What `data`, the next bytes of the stream, brought about."""
        self._used_at = now
        if self.closing:
            return []
        self._frames.feed(data)
        return self.go_on(now)

    def go_on(self, now: float) -> list[Event]:
        """Takes what was read already: to be called again after `cut_short`, once `stalled` is over."""
        events: list[Event] = []
        self.cut_short = False
        try:
            while not self.closing:
                if self.stalled:
                    self.cut_short = True
                    break
                frame = self._frames.next()
                if frame is None:
                    break
                self._partial_since = None
                event = self._take(frame)
                if event is not None:
                    events.append(event)
        except ProtocolBreach as breach:
            events.append(self._end(str(breach), breach=True))
        if not self._frames.partial or self.stalled:
            self._partial_since = None
        elif self._partial_since is None:
            self._partial_since = now
            self._alarm.bring(now + self._limits.assembling_s)
        return events

    @property
    def stalled(self) -> bool:
        """Too much is under way to read on."""
        return len(self._entries) >= self._limits.calls_inbound

    @property
    def under_way(self) -> int:
        return len(self._entries)

    def receive_eof(self, why: str = "") -> list[Event]:
        if self.closing:
            return []
        reason = why or "the peer closed the connection"
        return [self._end(f"{reason} within a frame" if self._frames.partial else reason)]

    def _take(self, frame: bytes) -> Requested | None:
        if not frame.startswith(THEADER):
            return self._request(envelope.read(frame), None)
        try:
            header = self._headers.read(frame)
        except HeaderRefused as refused:
            self._answer_error(
                self._enter(b"", refused.seqid, (refused.flags, refused.seqid)), refused.type, str(refused)
            )
            return None
        try:
            return self._request(envelope.read(header.message), header)
        except ProtocolBreach as breach:  # the frame is whole, and the header's seqid says whose it is
            entry = self._enter(b"", header.seqid, (header.flags, header.seqid))
            self._answer_error(entry, Type.PROTOCOL_ERROR, str(breach))
            return None

    def _request(self, message: Envelope, header: Header | None) -> Requested | None:
        _, colon, bare = message.name.rpartition(b":")
        # Apache's multiplexing server strips the prefix before it answers: the answer bears the method's own name.
        entry = self._enter(bare, message.seqid, None if header is None else (header.flags, header.seqid))
        if message.kind not in (Kind.CALL, Kind.ONEWAY):
            reason = f"a message of type {message.kind}; a server takes calls (1) and oneways (4)"
            self._answer_error(entry, Type.INVALID_MESSAGE_TYPE, reason)
            return None
        try:
            name = message.name.decode()
        except UnicodeDecodeError:
            self._answer_error(entry, Type.UNKNOWN_METHOD, "the method's name is not UTF-8")
            return None
        form = "theader" if header is not None else "multiplexed" if colon else "framed"
        oneway = message.kind == Kind.ONEWAY
        if oneway:
            self.answers_nothing(entry.id)
        return Requested(entry.id, form, name, oneway, message.body, _NO_TEXTS if header is None else header.texts)

    def _enter(self, name: bytes, seqid: int, header: tuple[int, int] | None) -> _Entry:
        self._last_id += 1
        entry = _Entry(self._last_id, name, seqid, header)
        self._entries[entry.id] = entry
        if entry.in_order:
            self._order.append(entry)
        return entry

    # -- what the owner says about a request

    def answers_nothing(self, id: int) -> None:
        """Nobody waits for this one: the contract or the caller calls it oneway. It still counts as under way."""
        entry = self._entries[id]
        if entry.answer is None:
            entry.answer = b""
            self._leave()

    def expect_by(self, id: int, when: float) -> None:
        """The answer is due then; afterwards the caller is told "timeout" from here."""
        self._entries[id].expires = when
        self._alarm.bring(when)

    def respond(self, id: int, body: bytes, texts: Mapping[str, str]) -> str | None:
        """The result struct of call `id`. Returns why it cannot be sent (the caller was told), else None."""
        entry = self._entries.get(id)
        if entry is None:
            return None
        try:
            frame = self._frame(entry, Kind.REPLY, body, texts)
        except HeaderError as error:
            reason = f"the answer's headers cannot be sent: {error}"
        else:
            if len(frame) <= self._limits.message_bytes:
                self._answer(entry, frame)
                return None
            reason = f"an answer of {len(frame)} bytes; the limit is {self._limits.message_bytes}"
        self._answer_error(entry, Type.INTERNAL_ERROR, reason)
        return reason

    def fail(self, id: int, error: ApplicationException, texts: Mapping[str, str] = _NO_TEXTS) -> bool:
        """In place of a result. The texts are ours and short. Returns False when the call is oneway: nobody is told."""
        entry = self._entries.get(id)
        if entry is None:
            return True
        told = entry.answer != b""
        self._answer(entry, self._frame(entry, Kind.EXCEPTION, application.write(error), texts))
        return told

    def _answer_error(self, entry: _Entry, type: Type, reason: str) -> None:
        body = application.write(ApplicationException(type, reason))
        self._answer(entry, self._frame(entry, Kind.EXCEPTION, body, _NO_TEXTS))

    def _frame(self, entry: _Entry, kind: Kind, body: bytes, texts: Mapping[str, str]) -> bytes:
        """In the form in which the request came. Raises HeaderError."""
        message = envelope.write(kind, entry.name, entry.seqid, body)
        if entry.header is None:
            return framed(message)
        flags, seqid = entry.header
        try:
            told = {**texts, **self._farewell} if self._farewell else texts
            return framed(theader.write(flags & OUT_OF_ORDER, seqid, told, message, self._limits))
        except HeaderError:
            if not self._farewell:
                raise
            return framed(theader.write(flags & OUT_OF_ORDER, seqid, texts, message, self._limits))

    def _answer(self, entry: _Entry, frame: bytes) -> None:
        if entry.answer is not None:  # oneway, or told already that its time was up
            if entry.answer == b"":
                del self._entries[entry.id]
            return
        if not entry.in_order:
            del self._entries[entry.id]
            self._outbox.put(frame)
            return
        entry.answer = frame
        self.held_bytes += len(frame)
        self._leave()

    def _leave(self) -> None:
        """Sends what nothing stands before any more."""
        order = self._order
        while order and order[0].answer is not None:
            entry = order.popleft()
            if entry.answer:
                self.held_bytes -= len(entry.answer)
                self._outbox.put(entry.answer)
                del self._entries[entry.id]

    # -- bytes out

    def data_to_send(self) -> bytes:
        return self._outbox.take()

    @property
    def bytes_pending(self) -> int:
        return self._outbox.size

    def unread(self, is_unread: bool, now: float) -> None:
        """Whether the peer leaves so much unread that no more of its requests are read."""
        self._unread_since = now if is_unread else None
        if is_unread:
            self._alarm.bring(now + UNREAD_S)
        elif self._partial_since is not None:
            self._partial_since = now  # it could not go on sending
            self._alarm.bring(now + self._limits.assembling_s)

    # -- ending

    def drain(self, farewell: Mapping[str, str] = _NO_TEXTS) -> None:
        """No new calls are wanted. `farewell` goes with every answer in THeader from here on; plain frames have no room
        for such a word."""
        self._draining = True
        self._farewell = farewell

    @property
    def drained(self) -> bool:
        return self._draining and not self._entries

    def _end(self, reason: str, *, breach: bool = False) -> Closed:
        self.closing = True
        return Closed(reason, breach=breach)

    # -- time

    def next_timer(self) -> float | None:
        due = self._alarm.due
        return None if due == inf or self.closing else due

    def on_timer(self, now: float) -> list[Event]:
        """Does what is due. To be called too early does no harm."""
        events: list[Event] = []
        if self.closing or now < self._alarm.due:
            return events
        self._alarm.restart(now)
        for entry in [entry for entry in self._entries.values() if entry.expires <= now]:
            entry.expires = inf
            events.append(Expired(entry.id))
            self._answer_error(entry, Type.INTERNAL_ERROR, "timeout: the call's time ran out while it was under way")
        reason = self._overdue(now)
        if reason is not None:
            events.append(self._end(reason))
        return events

    def _overdue(self, now: float) -> str | None:
        """Why the connection has to end, if it has to; else the alarm is set for the next look."""
        if self._unread_since is not None:
            if now >= self._unread_since + UNREAD_S:
                return f"the peer has left our answers unread for {UNREAD_S:g} s"
            self._alarm.bring(self._unread_since + UNREAD_S)
        elif self._partial_since is not None:
            if now >= self._partial_since + self._limits.assembling_s:
                return f"a frame was not all here within {self._limits.assembling_s:g} s"
            self._alarm.bring(self._partial_since + self._limits.assembling_s)
        if self._entries:
            self._used_at = now
            self._alarm.bring(min(entry.expires for entry in self._entries.values()))
        elif now >= self._used_at + IDLE_S:
            return f"nobody has called for {IDLE_S:g} s"
        self._alarm.bring(self._used_at + IDLE_S)
        return None
