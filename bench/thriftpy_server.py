"""The same echo in thriftpy2, as its documentation writes it: `--kind asyncio` or `--kind threaded` (Cython codec).

One rule: framed transport and strict binary for both, so that the same bytes drive them and our own framed port.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import socket
from pathlib import Path
from typing import Any

import thriftpy2
from thriftpy2.contrib.aio.processor import TAsyncProcessor
from thriftpy2.contrib.aio.protocol.binary import TAsyncBinaryProtocolFactory
from thriftpy2.contrib.aio.server import TAsyncServer
from thriftpy2.contrib.aio.socket import TAsyncServerSocket
from thriftpy2.contrib.aio.transport.framed import TAsyncFramedTransportFactory
from thriftpy2.protocol.cybin import TCyBinaryProtocolFactory
from thriftpy2.server import TThreadedServer
from thriftpy2.thrift import TProcessor
from thriftpy2.transport import TServerSocket
from thriftpy2.transport.framed import TCyFramedTransportFactory

_BACKLOG = 1024


class Plain:
    def echo(self, sample: Any) -> Any:
        return sample


class Coroutines:
    async def echo(self, sample: Any) -> Any:
        return sample


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def main(kind: str) -> None:
    # It logs a traceback for every connection that ends while a call is under way, which is how a measurement ends.
    logging.disable(logging.CRITICAL)
    path = Path(__file__).resolve().parent.parent / "idl" / "interop.thrift"
    service = thriftpy2.load(str(path), module_name="interop_thrift").Echo
    port = free_port()
    if kind == "threaded":
        listener = TServerSocket("127.0.0.1", port, client_timeout=None, backlog=_BACKLOG)
        listener.listen()
        print(json.dumps({"port": port}), flush=True)
        TThreadedServer(
            TProcessor(service, Plain()),
            listener,
            iprot_factory=TCyBinaryProtocolFactory(),
            itrans_factory=TCyFramedTransportFactory(),
        ).serve()
        return
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    server = TAsyncServer(
        TAsyncProcessor(service, Coroutines()),
        TAsyncServerSocket("127.0.0.1", port, client_timeout=None, backlog=_BACKLOG),
        iprot_factory=TAsyncBinaryProtocolFactory(),
        itrans_factory=TAsyncFramedTransportFactory(),
        loop=loop,
    )
    server.init_server()
    print(json.dumps({"port": port}), flush=True)
    loop.run_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--kind", choices=("asyncio", "threaded"), required=True)
    main(parser.parse_args().kind)
