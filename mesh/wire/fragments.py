"""A message's three arguments cut into frames, and put together again.

One rule: an argument ends where a further chunk starts in the same frame, never where its frame ends. So one that
fills its frame is closed by an empty chunk at the head of the next.

Source: TChannel v2, "fragmentation".
"""

from __future__ import annotations

from mesh.wire.checksum import SumFunction
from mesh.wire.faults import BAD_REQUEST, ProtocolBreach, Refusal, WrongChecksum
from mesh.wire.frames import MORE, pack_body, pack_frame
from mesh.wire.limits import FRAME_HEAD_BYTES, MAX_ARG1_BYTES, MAX_FRAME_BYTES


class FrameWriter:
    """Cuts one message. `kinds` are the types of its first and of its further frames."""

    def __init__(self, kinds: tuple[int, int], id: int, lead: bytes, checksum: int, function: SumFunction) -> None:
        """`lead` is what stands between the flags and the checksum type in the first frame."""
        self._kind, self._next_kind = kinds
        self._id = id
        self._lead = lead
        self._checksum = checksum
        self._function = function
        self._sum = 0
        self._chunks: list[bytes] = []
        self._frames: list[bytes] = []
        self._room = self._room_after(lead)

    def _room_after(self, lead: bytes) -> int:
        return MAX_FRAME_BYTES - FRAME_HEAD_BYTES - 2 - len(lead) - (4 if self._checksum else 0)

    def _put(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self._room -= 2 + len(chunk)
        self._sum = self._function(chunk, self._sum)

    def _finish(self, flags: int) -> None:
        body = pack_body(self._checksum, self._sum, self._chunks)
        self._frames.append(pack_frame(self._kind, self._id, bytes((flags,)), self._lead, body))
        self._kind, self._lead, self._chunks = self._next_kind, b"", []
        self._room = self._room_after(b"")

    def write(self, arg1: bytes, arg2: bytes, arg3: bytes) -> list[bytes]:
        """The frames. arg1 and the start of arg2's chunk stand in the first one, as Node demands: the bounds of
        service (255), transport headers (34,945) and arg1 (16,384) add up to less than a frame."""
        for arg in (arg1, arg2):
            self._write_argument(arg)
            if self._room < 3:  # no room for a chunk with a byte in it
                self._finish(MORE)
                self._put(b"")  # closes the argument
        self._write_argument(arg3)
        self._finish(0)
        return self._frames

    def _write_argument(self, arg: bytes) -> None:
        at = 0
        while True:
            chunk = arg[at : at + self._room - 2]
            self._put(chunk)
            at += len(chunk)
            if at == len(arg):
                return
            self._finish(MORE)


class MessageReader:
    """Puts the arguments of one message together. Knows how many bytes it holds (`size`)."""

    __slots__ = ("_args", "_checksum", "_function", "_limit", "_open", "_sum", "size")

    def __init__(self, checksum: int, function: SumFunction, limit: int) -> None:
        self._checksum = checksum
        self._function = function
        self._limit = limit
        self._sum = 0
        self._args: list[bytes] = []
        self._open = bytearray()
        self.size = 0

    def add(self, chunks: list[bytes], checksum: int, sum: int) -> int:
        """Takes the chunks of the next frame; returns the bytes that it added.

        Raises Refusal for a wrong sum or a message over its limits, ProtocolBreach for a fourth argument.
        """
        if checksum != self._checksum:
            raise Refusal(BAD_REQUEST, f"the checksum type changed within the message, {self._checksum} to {checksum}")
        for chunk in chunks:
            self._sum = self._function(chunk, self._sum)
        if self._sum != sum:
            reason = f"wrong checksum: {self._sum:08x} over what arrived, {sum:08x} in the frame"
            raise WrongChecksum(BAD_REQUEST, reason)
        added = len(b"".join(chunks))
        self.size += added
        if self.size > self._limit:
            raise Refusal(BAD_REQUEST, f"the message is longer than {self._limit} bytes")
        self._take(chunks)
        if len(self._args[0] if self._args else self._open) > MAX_ARG1_BYTES:
            raise Refusal(BAD_REQUEST, f"arg1 is longer than {MAX_ARG1_BYTES} bytes")
        return added

    def _take(self, chunks: list[bytes]) -> None:
        self._open += chunks[0]
        for chunk in chunks[1:]:
            self._args.append(bytes(self._open))
            self._open = bytearray(chunk)
        if len(self._args) > 2:
            raise ProtocolBreach("a message with more than three arguments")

    def finish(self) -> tuple[bytes, bytes, bytes]:
        """The three arguments, after the last frame. Raises ProtocolBreach when there are fewer."""
        if len(self._args) != 2:
            raise ProtocolBreach(f"a message with {len(self._args) + 1} arguments instead of three")
        return self._args[0], self._args[1], bytes(self._open)
