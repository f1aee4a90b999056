"""How programs with a blocking node end: Ctrl-C, exit without close, exceptions on the way."""

import signal
import subprocess
import sys
import time

import pytest

from tests.blocking.conftest import ROOT, clean_environment, run_program

pytestmark = pytest.mark.integration

HEAD = """
import os, sys, threading, time
import mesh
from tests.node.interop import interop
node = mesh.blocking.Node("ending", env={})
client = node.client(interop.Echo, peers=[os.environ["ADDRESS"]])
"""

CAUGHT = """
signal = __import__("signal")
signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the tests run in the background
client.touch("warm")
print("calling", flush=True)
try:
    client.slow(60_000)
except KeyboardInterrupt:
    print("interrupted", flush=True)
print(client.touch("again"), flush=True)
if len(sys.argv) > 1:
    client.slow(60_000)
"""


@pytest.mark.parametrize("again", [False, True])
def test_ctrl_c_ends_the_wait_and_cancels_the_call_on_the_wire(client, echo, again, seen):
    command = [sys.executable, "-c", HEAD + CAUGHT, *(["again"] if again else [])]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=clean_environment(ADDRESS=echo),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout.readline() == "calling\n"
            assert seen(begun=1)["begun"] == 1
            process.send_signal(signal.SIGINT)
            assert process.stdout.readline() == "interrupted\n"
            assert process.stdout.readline() == "again\n"
            assert seen(cancelled=1)["cancelled"] == 1
            if again:  # and when nobody catches it
                assert seen(begun=2)["begun"] == 2
                process.send_signal(signal.SIGINT)
            started = time.monotonic()
            _, errors = process.communicate(timeout=30)
            assert time.monotonic() - started < 10
        finally:
            process.kill()
    if again:
        assert process.returncode == -signal.SIGINT, errors
        assert errors.rstrip().endswith("KeyboardInterrupt")
        assert seen(cancelled=2)["cancelled"] == 2
    else:
        assert process.returncode == 0, errors
        assert errors == ""


ENDS = {
    "without a word": "client.touch('x')",
    "nothing called": "",
    "with a call under way in a daemon": """
threading.Thread(target=client.slow, args=(60_000,), daemon=True).start()
while "begun" not in client.touch("seen"):
    pass
""",
    "with a future under way": "future = node.submit(client.slow, 60_000)",
    "in a thread that ends later": """
def later():
    threading.main_thread().join()
    assert client.touch("x") == "x"
threading.Thread(target=later).start()
""",
    "inside the block": """
with node:
    client.touch("x")
    sys.exit(0)
""",
    "from an atexit function": """
import atexit
atexit.register(client.touch, "x")
client.touch("y")
""",
    "referenced from a cycle and a module": """
class Holder: pass
holder = Holder(); holder.itself = holder; holder.client = client
sys.modules["kept"] = holder
client.touch("x")
""",
}


@pytest.mark.parametrize("how", ENDS)
def test_a_program_that_never_closes_ends_quietly(client, echo, how, seen):
    started = time.monotonic()
    ran = run_program(HEAD + ENDS[how], echo, "-W", "error")
    if how != "with a call under way in a daemon":  # whose thread may say that it was cancelled
        assert ran.stderr == ""
    assert ran.returncode == 0, ran.stderr
    assert time.monotonic() - started < 20
    assert seen(standing=0)["standing"] == 0


def test_an_exception_inside_the_block_closes_and_goes_on(echo):
    ran = run_program(HEAD + "with node:\n    client.touch('x')\n    raise ValueError('mine')", echo)
    assert ran.returncode == 1
    assert ran.stderr.rstrip().endswith("ValueError: mine")
