"""A program under the dev cluster's contract, with the standard library only: what a node in any language would do.

It answers /health and /metrics on MESH_ADMIN, accepts on MESH_LISTEN and every inherited socket, and ends on SIGTERM.
FAKE_... variables make it misbehave in the ways that the tests need.
"""

import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

BEGUN = time.monotonic()


class Admin(http.server.BaseHTTPRequestHandler):
    scrapes = 0

    def do_GET(self):
        if self.path == "/metrics":
            Admin.scrapes += 1
            self.answer(200, os.environ.get("FAKE_METRICS", "").replace("SCRAPES", str(Admin.scrapes)), "text/plain")
            return
        ready = time.monotonic() - BEGUN >= float(os.environ.get("FAKE_READY_AFTER_S", "0"))
        ready = ready and not os.path.exists(os.environ.get("FAKE_UNREADY_FILE", ""))
        checks = json.loads(os.environ.get("FAKE_CHECKS", "{}"))
        body = json.dumps({"live": True, "ready": ready, "checks": checks})
        self.answer(200 if ready else 503, body, "application/json")

    def answer(self, code, text, kind):
        body = text.encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def accept(listening):
    """Says its name and pid to whoever connects."""
    while True:
        try:
            connection, _ = listening.accept()
        except BlockingIOError:
            time.sleep(0.01)
            continue
        connection.sendall(f"{os.environ['MESH_INSTANCE']} {os.getpid()}\n".encode())
        connection.close()


def address(name):
    host, _, port = os.environ[name].rpartition(":")
    return host, int(port)


def main():
    # "crash": at once; "crash-once": at the first start of this data folder.
    crash = os.environ.get("FAKE_CRASH", "")
    marker = os.path.join(os.environ["MESH_DATA_DIR"], f"crashed-{os.environ['MESH_INSTANCE']}")
    if crash == "always" or (crash == "once" and not os.path.exists(marker)):
        open(marker, "w").close()
        print("fake: about to crash", flush=True)
        sys.exit(3)
    child = os.environ.get("FAKE_CHILD")
    if child:
        subprocess.Popen(["sh", "-c", child])
    if os.environ.get("FAKE_IGNORE_TERM"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    rpc = socket.create_server(address("MESH_LISTEN"))
    listening = [rpc, *(socket.socket(fileno=int(v)) for k, v in os.environ.items() if k.startswith("MESH_FD_"))]
    for one in listening:
        threading.Thread(target=accept, args=(one,), daemon=True).start()
    print(f"fake: {os.environ['MESH_INSTANCE']} serves on {os.environ['MESH_LISTEN']}", flush=True)
    http.server.ThreadingHTTPServer(address("MESH_ADMIN"), Admin).serve_forever()


main()
