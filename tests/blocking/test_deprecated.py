"""A blocking call of a deprecated method warns where it is written, not in the loop's thread."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import mesh
from mesh import blocking
from mesh.contract import load_texts

pytestmark = pytest.mark.integration

CONTRACT = load_texts({"old.thrift": 'service Old { i32 ping() (deprecated = "no more")  i32 pong() }'}, "old.thrift")
Old: Any = CONTRACT.module.Old  # type: ignore[attr-defined]


class Handler:
    async def ping(self) -> int:
        return 1

    async def pong(self) -> int:
        return 2


async def test_the_warning_names_who_called() -> None:
    def use(address: str) -> None:
        with blocking.Node("job", env={}) as node:
            client = node.client(Old, peers=[address])
            assert client.pong() == 2
            for call in (client.ping, lambda: node.submit(client.ping).result(30)):
                with pytest.warns(DeprecationWarning, match="Old::ping is deprecated: no more") as caught:
                    assert call() == 1
                assert [one.filename for one in caught] == [__file__]

    async with mesh.Node("old", listen="127.0.0.1:0", admin="off", settle_ms=0, env={}) as server:
        server.serve(Old, Handler())
        await server.start()
        await asyncio.to_thread(use, server.address)
