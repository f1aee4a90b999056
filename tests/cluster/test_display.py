"""What a person sees: the table on a terminal, with and without colour."""

import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import time

import pytest

pytestmark = pytest.mark.integration


def seen_until(fd, text, within_s=20):
    """What a terminal got until `text` stands in it."""
    seen, until = "", time.monotonic() + within_s
    while text not in seen and time.monotonic() < until:
        if select.select([fd], [], [], 0.5)[0]:
            seen += os.read(fd, 65536).decode("utf-8", "replace")
    assert text in seen, seen[-2000:]
    return seen


@pytest.fixture
def on_terminal(tmp_path, mesh_up, project_env, make_plan):
    """`with on_terminal({"NO_COLOR": "1"}) as (process, fd):` `mesh up` with a terminal of 120 x 40."""
    (tmp_path / "cluster.toml").write_text(
        "consul.enabled = false\n[services.alpha]\ninstances = 2\nshared_ports = ['http']\n"
        f"command = {make_plan(alpha={})['services']['alpha']['command']}\n"
    )

    @contextlib.contextmanager
    def run(env):
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            mesh_up,
            cwd=tmp_path,
            env={**project_env, "TERM": "xterm", "COLUMNS": "160", "LINES": "40", **env},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        try:
            yield process, ours
        finally:
            process.terminate()
            process.wait(20)
            os.close(ours)

    return run


def test_the_table_shows_every_instance_and_follows(on_terminal):
    with on_terminal({}) as (process, fd):
        seen_until(fd, "is ready after")
        table = seen_until(fd, "\x1b[32m") + seen_until(fd, "alpha-2")  # ready is green; a table may be one frame old
        plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", table)
        row = re.search(r"alpha-1 +ready +(\d+) +(\d+) +(\d+)", plain)
        assert row, plain
        for heading in ("instance", "state", "pid", "rpc", "admin", "restarts", "calls/s", "p99 ms"):
            assert heading in plain
        os.kill(int(row[1]), signal.SIGKILL)
        assert "killed by SIGKILL" in seen_until(fd, "starts again in")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


def test_no_color_is_respected(on_terminal):
    with on_terminal({"NO_COLOR": "1"}) as (_, fd):
        shown = seen_until(fd, "is ready after") + seen_until(fd, "alpha-2")
        assert not re.search(r"\x1b\[(3[0-7]|9[0-7])m", shown)
