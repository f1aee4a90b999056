"""Whether a caller can live with the contract of the one it calls; also as a process of its own, for strangers' texts.

    python -m mesh.contract.judge    stdin: a line of JSON (limits, our texts), then the reply of Meta::thriftIDL as it
                                     came; stdout: the judgement as JSON

One rule: the text comes from a stranger. Whatever it does to its reader, it does to this process: the process has
limits of memory and processor time, and who started it kills it when it takes too long.
"""

from __future__ import annotations

import contextlib
import enum
import json
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mesh.contract import service_of
from mesh.contract.codec import CodecError
from mesh.contract.compare import Change, Level, Pairing, compare
from mesh.contract.loader import load, load_texts
from mesh.contract.model import Contract
from mesh.contract.problem import ContractError

MAX_LINES = 20  # differences told; a person needs the first, `mesh idl diff` has them all
MAX_LINE = 300  # characters: names and types are the stranger's
_TYPES = ("field-type-changed", "result-changed", "kind-changed")  # codes whose old and new are types
NICENESS = 10  # behind everything that serves


class Verdict(enum.StrEnum):
    COMPATIBLE = "compatible"  # everything that one side may write, the other can read
    INCOMPATIBLE = "incompatible"
    UNKNOWN = "unknown"  # the text could not be had, or is no contract


@dataclass(frozen=True, slots=True)
class Judgement:
    """`lines` are the differences that matter (or why nothing is known), worst first; `more` that many are left out.

    `cpu_s`: what a process of its own spent on it.
    """

    verdict: Verdict
    lines: tuple[str, ...] = ()
    more: int = 0
    cpu_s: float = 0.0

    def text(self, shown: int) -> str:
        """At most `shown` lines in one."""
        left = len(self.lines) - shown + self.more
        return "; ".join(self.lines[:shown]) + (f"; and {left} more differences" if left > 0 else "")


def judge(ours: Contract, theirs: Contract) -> Judgement:
    """`ours` writes the requests and reads the replies."""
    broken = [change for change in compare(ours, theirs, pairing=Pairing.SERVER) if breaks(change)]
    if broken:
        lines = tuple(dict.fromkeys(line_of(change) for change in broken))
        return Judgement(Verdict.INCOMPATIBLE, lines[:MAX_LINES], max(0, len(lines) - MAX_LINES))
    return Judgement(Verdict.COMPATIBLE)


def breaks(change: Change) -> bool:
    """Whether a call can fail of it, given that the callee was found: by what name does not matter any more."""
    felt = change.methods or change.code in ("service-removed", "service-renamed")
    return change.level is Level.WIRE and bool(felt) and change.code != "registry-name-changed"


def line_of(change: Change) -> str:
    """`Pricing::quote, QuoteRequest.km is double here and string there`."""
    place = f"{change.struct}.{change.field}" if change.struct and change.field else change.struct or change.path
    if not change.method or not place or not (change.old or change.new):
        return change.message.removeprefix(f"{change.contract}: ")[:MAX_LINE]
    here, there = change.old or "absent", change.new or "absent"
    if change.code in _TYPES:
        return f"{change.method}, {place} is {here} here and {there} there"[:MAX_LINE]
    return f"{change.method}, {place}: {here} here, {there} there"[:MAX_LINE]


def judge_told(texts: Mapping[str, str], entry_point: str, reply: bytes) -> Judgement:
    """Our texts against `reply`, the bytes with which a callee answered Meta::thriftIDL."""
    meta = service_of(load(Path(__file__).parent / "meta.thrift").module.Meta)
    try:
        told = meta.methods["thriftIDL"].codec.decode_result(reply)
    except CodecError as error:
        return unknown(f"its answer to Meta::thriftIDL cannot be read: {error}")
    try:
        theirs = load_texts(told.idls, told.entryPoint)
    except ContractError as error:
        return unknown(f"the contract that it tells cannot be used: {str(error).splitlines()[0]}")
    try:
        ours = load_texts(texts, entry_point)
    except ContractError as error:  # larger than what is taken from strangers
        return unknown(f"this side's own contract cannot be compared here: {str(error).splitlines()[0]}")
    return judge(ours, theirs)


def unknown(reason: str, cpu_s: float = 0.0) -> Judgement:
    return Judgement(Verdict.UNKNOWN, (reason[:MAX_LINE],), cpu_s=cpu_s)


def to_json(judgement: Judgement) -> bytes:
    return json.dumps(asdict(judgement)).encode()


def from_json(data: bytes) -> Judgement:
    """Raises ValueError."""
    try:
        read: Any = json.loads(data)
        lines: Iterable[Any] = read["lines"]
        return Judgement(Verdict(read["verdict"]), tuple(map(str, lines)), int(read["more"]), float(read["cpu_s"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"no judgement: {error!r}") from None


def _limit(cpu_s: int, memory_bytes: int) -> None:
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    try:
        import resource
    except ImportError:
        return  # no POSIX; the time limit of who started it is left
    # Some systems refuse one or the other, or have a lower one in force.
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def main() -> int:
    asked: Any = json.loads(sys.stdin.buffer.readline())
    _limit(asked["cpu_s"], asked["memory_bytes"])
    # What it raises (MemoryError, RecursionError) ends it: no answer is an answer to who started it.
    judgement = judge_told(asked["texts"], asked["entry_point"], sys.stdin.buffer.read())
    spent = os.times()
    sys.stdout.buffer.write(to_json(replace(judgement, cpu_s=spent.user + spent.system)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
