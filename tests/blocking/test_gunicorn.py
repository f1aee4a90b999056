"""A preloading gunicorn: the application makes its node, and calls, before the workers are forked."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.blocking.conftest import ROOT, clean_environment

APPLICATION = """
import json, os
import mesh
from tests.node.interop import interop

node = mesh.blocking.Node("site", env={})
client = node.client(interop.Echo, peers=[os.environ["ADDRESS"]])
assert client.touch("loading") == "loading"
MASTER = os.getpid()

def site(environ, start_response):
    with mesh.deadline(ms=10_000), mesh.headers({"path": environ["PATH_INFO"]}):
        told = {"path": client.headers()["path"], "worker": os.getpid(), "master": MASTER}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(told).encode()]
"""


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self._path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(self._path)


def get(site, path):
    connection = UnixConnection(site)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.status == 200
        return answer.read().decode()
    finally:
        connection.close()


@pytest.mark.integration
@pytest.mark.parametrize("kind", ["sync", "gthread"])
def test_workers_forked_from_an_application_that_has_called_already(client, echo, tmp_path, kind, seen):
    (tmp_path / "site_app.py").write_text(APPLICATION)
    site = tmp_path / "site.sock"
    command = [sys.executable, "-m", "gunicorn", "--preload", "-k", kind, "--threads", "1" if kind == "sync" else "4"]
    command += ["-w", "2", "--bind", f"unix:{site}", "--graceful-timeout", "10", "site_app:site"]
    environment = clean_environment(ADDRESS=echo)
    environment["PYTHONPATH"] = f"{ROOT}{os.pathsep}{tmp_path}"
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=log, stderr=log)
    try:
        until = time.monotonic() + 60
        while not site.exists() and time.monotonic() < until and process.poll() is None:
            time.sleep(0.02)
        with ThreadPoolExecutor(8) as pool:
            paths = [f"/{number}" for number in range(200)]
            answers = [json.loads(text) for text in pool.map(lambda path: get(site, path), paths)]
        assert [answer["path"] for answer in answers] == paths
        workers = {answer["worker"] for answer in answers}
        assert process.pid not in workers
        assert {answer["master"] for answer in answers} == {process.pid}
        assert seen()["standing"] == 1 + len(workers)  # the master's, and one of each worker's own
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
    assert seen(standing=0)["standing"] == 0
    assert "Traceback" not in (tmp_path / "log").read_text()
