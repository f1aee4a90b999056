"""Fetches a callee's contract over a connection that stands, and has it judged in a process of its own.

One rule: bounded in bytes and time, and off the loop. A pathological text in a thread would hold the interpreter's lock
against every call of this process; a process can be killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys

from mesh.call import Clock
from mesh.contract.judge import Judgement, from_json, judge_told, unknown
from mesh.contract.model import Contract
from mesh.net import Link
from mesh.node.meta import META_SERVICE
from mesh.wire import CallRefused, ResponseReceived, encode_headers, encode_transport_headers

FETCH_S = 5.0  # for the text to come; nobody waits, but a peer that never answers must not hold up the others for long
JUDGE_S = 30.0  # of wall time: a hundred times what it takes, as the process has a low priority on a busy machine
JUDGE_CPU_S = 10  # a city's whole IDL takes one
JUDGE_MEMORY_BYTES = 512 * 1024 * 1024  # of addresses: Python with this package takes a fifth of it
MAX_REPLY_BYTES = 4 * 1024 * 1024  # twice the characters that a server may send (mesh.contract.sources)

_NO_TRACE = bytes(25)
_NO_ARGUMENTS = b"\0"
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "PYTHONHOME")  # and no more: it needs no secrets


class Judging:
    """`Judge` of mesh.node.drift. `caller` is this node's name. `apart` False judges on the spot: in virtual time a
    process could not be waited for."""

    def __init__(self, caller: str, clock: Clock, *, apart: bool = True) -> None:
        self._headers = encode_transport_headers({"as": "thrift", "cn": caller})
        self._clock = clock
        self._apart = apart

    async def judge(self, ours: Contract, reply: bytes) -> Judgement:
        if not self._apart:
            return judge_told(ours.texts, ours.entry_point, reply)
        return await judge_apart(ours, reply)

    async def fetch(self, link: Link, service: str) -> bytes | Judgement:
        """The bytes that answer Meta::thriftIDL, or why there are none."""
        try:
            async with asyncio.timeout(FETCH_S):
                answer, _ = await link.call(
                    deadline=self._clock.now() + FETCH_S,
                    tracing=_NO_TRACE,
                    service=service,
                    headers=self._headers,
                    arg1=META_SERVICE.methods["thriftIDL"].wire_name.encode(),
                    arg2=encode_headers({}),
                    arg3=_NO_ARGUMENTS,
                )
        except TimeoutError:
            return unknown(f"it did not tell its contract within {FETCH_S:g} s")
        except CallRefused as error:
            return unknown(f"it could not be asked for its contract: {error.reason}")
        if not isinstance(answer, ResponseReceived):
            return unknown(f"it does not tell its contract: {getattr(answer, 'message', 'the connection ended')}")
        if not answer.ok or len(answer.arg3) > MAX_REPLY_BYTES:
            return unknown(f"its answer to Meta::thriftIDL is no contract ({len(answer.arg3)} bytes)")
        return answer.arg3


async def judge_apart(ours: Contract, reply: bytes) -> Judgement:
    """`judge_told` in a process that is limited, of low priority, and killed after JUDGE_S."""
    asked = {
        "cpu_s": JUDGE_CPU_S,
        "memory_bytes": JUDGE_MEMORY_BYTES,
        "texts": dict(ours.texts),
        "entry_point": ours.entry_point,
    }
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "mesh.contract.judge",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            env=environment,
        )  # fmt: skip
    except (OSError, ValueError) as error:
        return unknown(f"no process to judge its contract can be started: {error}")
    try:
        async with asyncio.timeout(JUDGE_S):
            out, _ = await process.communicate(json.dumps(asked).encode() + b"\n" + reply)
        return from_json(out)
    except TimeoutError:
        return unknown(f"judging the contract that it tells took longer than {JUDGE_S:g} s", cpu_s=JUDGE_CPU_S)
    except ValueError:
        reason = f"judging the contract that it tells took too much time or memory (exit code {process.returncode})"
        return unknown(reason, cpu_s=JUDGE_CPU_S)
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            # The pipes too: a transport that is left open warns when it is collected.
            await process.communicate()
