"""Apache's Python server: `apache_server.py FORM` prints its port and serves Echo until it is killed.

FORM is framed, multiplexed, theader; `liar` answers with the seqid of the call before.
"""

from __future__ import annotations

import sys
import threading
import time

from idl.interop.ttypes import Broken, Refused
from thrift.protocol.TBinaryProtocol import TBinaryProtocolAcceleratedFactory
from thrift.protocol.THeaderProtocol import THeaderProtocolFactory
from thrift.server.TServer import TThreadedServer
from thrift.TMultiplexedProcessor import TMultiplexedProcessor
from thrift.transport.TSocket import TServerSocket
from thrift.transport.TTransport import TFramedTransportFactory, TTransportFactoryBase

from idl.interop import Echo

here = threading.local()


class Handler:
    def __init__(self) -> None:
        self.ticks: dict[str, int] = {}
        self.forgotten: list[str] = []

    def touch(self, text):
        return text

    def echo(self, sample):
        return sample

    def all(self, everything):
        return everything

    def blob(self, data):
        return data

    def slow(self, ms):
        time.sleep(ms / 1000)
        return float(ms)

    block = slow

    def fail(self, kind):
        if kind == "refused":
            raise Refused(message="as you asked", code=7)
        if kind == "broken":
            raise Broken(message="as you asked")
        raise RuntimeError(kind)

    def tick(self, counter):
        """For `forget`, whose calls it tells."""
        return self.forgotten.count(counter)

    def headers(self):
        read = getattr(here.protocol, "get_headers", dict)()
        return {key.decode(): value.decode() for key, value in read.items()}

    def nothing(self):
        return None

    def forget(self, text):
        self.forgotten.append(text)


class Processor(Echo.Processor):
    """Lets the handler see the headers."""

    def process(self, iprot, oprot):
        here.protocol = iprot
        return super().process(iprot, oprot)


class Liar(Processor):
    def process(self, iprot, oprot):
        real = oprot.writeMessageBegin
        oprot.writeMessageBegin = lambda name, kind, seqid: real(name, kind, seqid - 1)
        return super().process(iprot, oprot)


def main(form: str) -> None:
    processor = (Liar if form == "liar" else Processor)(Handler())
    transports, protocols = TFramedTransportFactory(), TBinaryProtocolAcceleratedFactory()
    if form == "theader":
        transports, protocols = TTransportFactoryBase(), THeaderProtocolFactory()
    if form == "multiplexed":
        multiplexed = TMultiplexedProcessor()
        multiplexed.registerProcessor("Echo", processor)
        processor = multiplexed
    socket = TServerSocket("127.0.0.1", 0)
    server = TThreadedServer(processor, socket, transports, protocols, daemon=True)
    listen = socket.listen

    def listen_and_tell() -> None:
        listen()
        print(socket.handle.getsockname()[1], flush=True)

    socket.listen = listen_and_tell
    server.serve()


main(*sys.argv[1:])
