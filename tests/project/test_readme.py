"""The README's code, run as it stands there."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(heading: str, language: str) -> list[str]:
    section = README.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


@pytest.mark.integration
def test_the_twenty_lines(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    package, server, client = (block.replace("7001", str(port)) for block in blocks("Twenty lines", "python"))
    (tmp_path / "idl").mkdir()
    (tmp_path / "idl" / "greeting.thrift").write_text(blocks("Twenty lines", "thrift")[0])
    (tmp_path / "idl" / "__init__.py").write_text(package)
    (tmp_path / "server.py").write_text(server)
    (tmp_path / "client.py").write_text(client)
    env = {key: value for key, value in os.environ.items() if not key.startswith("MESH_")}

    def run(name):
        return subprocess.run(
            [sys.executable, name], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False
        )

    with subprocess.Popen([sys.executable, "server.py"], cwd=tmp_path, env=env) as serving:
        try:
            until = time.monotonic() + 60
            while (done := run("client.py")).returncode and time.monotonic() < until:
                assert "unreachable" in done.stderr or "timeout" in done.stderr, done.stderr
            assert (done.returncode, done.stdout) == (0, "hello, you\n"), done.stderr
        finally:
            serving.send_signal(signal.SIGTERM)
            assert serving.wait(20) == 0


async def test_the_test_with_one_dependency():
    """The example is an async test itself: defined, then run."""
    scope = {}
    exec(compile(blocks("Testing a service with one dependency", "python")[0], "README.md", "exec"), scope)
    await scope["test_a_quote_is_asked_for_once"]()
